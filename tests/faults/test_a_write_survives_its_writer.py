"""The dispatcher is killed while it writes: the machine's own log says how often the command was done."""

from __future__ import annotations

import uuid

import pytest

from tests.installation import Installation, wait_until

LOOP = "loading-top"
ON_ITS_WAY = ("approved", "writing")
DONE = ("applied", "verifying", "effective", "ineffective")
UNKNOWN = ("unconfirmed", "write_failed")  # anything else ended before a byte left
pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("installation")]


def state_of(site: Installation, change: int) -> str:
    return site.sql("SELECT state FROM control_change WHERE id = %s", change)[0][0]


def done(site: Installation, change: int) -> list[dict]:
    """What the machine did under the change's command id."""
    command = str(site.sql("SELECT command_id FROM control_change WHERE id = %s", change)[0][0])
    return [entry for entry in site.written("cathode-1") if entry["command_id"] == command and entry["applied"]]


def test_an_approved_change_is_done_once_though_its_dispatcher_dies(installation: Installation) -> None:
    site = installation
    change, needs = wait_until(lambda: site.open_change(LOOP), 200, "a change is proposed")
    person = site.signed_in(needs)
    version = person.get(f"/api/v1/changes/{change}").json()["version"]
    body, key = {"version": version, "reason": ""}, uuid.uuid4().hex
    answer = site.post(person, f"/api/v1/changes/{change}/approve", body, **{"Idempotency-Key": key})
    assert answer.status_code == 200, answer.text
    site.kill("manage.py dispatch")
    again = site.post(person, f"/api/v1/changes/{change}/approve", body, **{"Idempotency-Key": key})
    assert (again.status_code, again.json()) == (200, answer.json())
    end = wait_until(lambda: (state := state_of(site, change)) not in ON_ITS_WAY and state, 60, "the write is settled")
    times = len(done(site, change))
    assert times <= 1
    assert end in UNKNOWN or times == (end in DONE)
