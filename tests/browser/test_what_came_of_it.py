"""The verdict on a change that was applied a while ago comes before two browsers by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Pages
from tests.browser.test_the_whole_path import LOOP, approved
from tests.faults.many import UNDER_WAY
from tests.installation import Installation, wait_until

EFFECT_MS = 240_000  # the dead time, and gauge values on both sides of it
ON_TRIAL, KNOWN = ("applied", "verifying"), ("effective", "ineffective")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(560)]


def test_what_came_of_a_change_appears_before_both_by_itself(installation: Installation, pages: Pages) -> None:
    both = pages["viewer"], pages["operator"]
    while not looked_at_in_time(installation, pages, both):
        pass
    for page in both:
        expect(page.locator(".crumbs")).to_contain_text(re.compile("Effective|Not effective"), timeout=EFFECT_MS)


def looked_at_in_time(installation: Installation, pages: Pages, both: tuple[Page, ...]) -> bool:
    """Whether both have a change before them that is applied and of which nothing was known yet by then."""
    change = on_trial(installation) or approved(installation, pages)[0]
    for page in both:
        page.goto(f"/changes/{change}/")
    state = wait_until(lambda: written(installation, change), 30, "the change is applied")
    assert state in (*ON_TRIAL, *KNOWN)
    return state in ON_TRIAL


def written(installation: Installation, change: int) -> str:
    """Its state, once it is on its way to the machine no more."""
    rows = installation.sql("SELECT state FROM control_change WHERE id = %s", change)
    return "" if rows[0][0] in UNDER_WAY else str(rows[0][0])


def on_trial(installation: Installation) -> int | None:
    """The newest change of the loop, if it is applied and its effect not known yet."""
    rows = installation.sql(
        "SELECT c.id, c.state FROM control_change c JOIN control_loop o ON o.id = c.loop_id"
        " JOIN control_line l ON l.id = c.line_id WHERE l.key = 'cathode-1' AND o.key = %s AND c.applied_at IS NOT NULL"
        " ORDER BY c.applied_at DESC LIMIT 1",
        LOOP,
    )
    return rows[0][0] if rows and rows[0][1] in ON_TRIAL else None
