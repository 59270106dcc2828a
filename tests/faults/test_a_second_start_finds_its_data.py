"""The supervisor is killed with everything under it; the next start recovers by itself."""

from __future__ import annotations

import pytest

from tests.installation import Installation, wait_until

pytestmark = [pytest.mark.timeout(240)]


def test_after_kill_9_the_next_start_goes_on_with_what_was_there(installation: Installation) -> None:
    site = installation
    (before,) = site.sql("SELECT count(*), max(at) FROM control_snapshot")
    assert site.up is not None
    site.up.kill()
    site.up.wait(20)
    site.start()
    wait_until(lambda: site.sql("SELECT max(at) FROM control_snapshot")[0][0] > before[1], 60, "live data again")
    assert site.sql("SELECT count(*) FROM control_snapshot")[0][0] > before[0]
    assert "seeding" not in site.said_since_start()
    assert site.signed_in("viewer").get("/").status_code == 200
