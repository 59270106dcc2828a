"""The verdict on a change that was applied a while ago comes before two browsers by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_the_whole_path import LOOP, approved
from tests.installation import Installation, wait_until

EFFECT_MS = 240_000  # the dead time, and gauge values on both sides of it
pytestmark = [pytest.mark.browser, pytest.mark.timeout(560)]


def test_what_came_of_a_change_appears_before_both_by_itself(
    installation: Installation, pages: dict[str, Page]
) -> None:
    change = on_trial(installation) or approved(installation, pages)[0]
    both = pages["viewer"], pages["operator"]
    for page in both:
        page.goto(f"/changes/{change}/")
    wait_until(lambda: on_trial(installation) == change, 30, "the change is applied and nothing is known of it yet")
    for page in both:
        expect(page.locator(".crumbs")).to_contain_text(re.compile("Effective|Not effective"), timeout=EFFECT_MS)


def on_trial(installation: Installation) -> int | None:
    """The newest change of the loop, if it is applied and its effect not known yet."""
    rows = installation.sql(
        "SELECT c.id, c.state FROM control_change c JOIN control_loop o ON o.id = c.loop_id"
        " JOIN control_line l ON l.id = c.line_id WHERE l.key = 'cathode-1' AND o.key = %s AND c.applied_at IS NOT NULL"
        " ORDER BY c.applied_at DESC LIMIT 1",
        LOOP,
    )
    return rows[0][0] if rows and rows[0][1] in ("applied", "verifying") else None
