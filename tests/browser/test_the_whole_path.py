"""From a disturbance on the machine to a verified set-point, seen in two browsers on a whole installation."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.conftest import Pages
from tests.browser.looking import until
from tests.installation import PASSWORD, Installation, wait_until

LOOP = "loading-bottom"
TAKEN_BACK = ("withdrawn", "superseded")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(560)]


def test_a_change_is_approved_and_applied_before_two_browsers(installation: Installation, pages: Pages) -> None:
    change, decider = approved(installation, pages)
    viewer = pages["viewer"]
    viewer.goto(f"/changes/{change}/")
    expect(viewer.get_by_role("button", name="Approve")).to_have_count(0)
    for page in (decider, viewer):
        expect(page.locator("main")).to_contain_text("read back, applied", timeout=30_000)
    sent = command(installation, change)
    (done,) = [entry for entry in installation.written("cathode-1") if entry["command_id"] == sent]
    assert done["applied"]
    assert done["values"] == pytest.approx(moves(installation, change))


def test_points_arrive_on_every_lane(installation: Installation, pages: Pages) -> None:
    rows = installation.sql(
        "SELECT n.id FROM control_lane n JOIN control_equipment e ON e.id = n.equipment_id"
        " JOIN control_line l ON l.id = e.line_id WHERE l.key = 'cathode-1' AND e.key = 'coater' ORDER BY n.id"
    )
    assert len(rows) == 8
    count = "document.querySelector('.plot')?.data?.find((trace) => trace.name === 'predicted')?.x.length ?? 0"
    for (lane,) in rows:
        page = pages["engineer"]
        page.goto(f"/lanes/{lane}/")
        before = until(page, count)
        until(page, f"({count}) > {before}")


def approved(installation: Installation, pages: Pages) -> tuple[int, Page]:
    """The change that was approved in two taps, and by whose page.

    A new batch of slurry may take a change back before anybody has read it; then the next one is waited for.
    """
    deciders = {name: pages[name] for name in ("operator", "supervisor")}  # at hand before there is anything to decide
    while True:
        if not installation.open_change(LOOP):
            installation.another_batch(-0.0065)
        change, needs = wait_until(lambda: installation.open_change(LOOP), 200, "a change is proposed")
        decider = deciders[needs]
        try:
            decider.goto("/")
            decider.locator(f"a[href='/changes/{change}/']").click(timeout=5_000)
            decider.get_by_role("button", name="Approve").click(timeout=10_000)
            if needs == "supervisor":
                decider.locator("#sign [name=password]").fill(PASSWORD)
                decider.locator("#sign").get_by_role("button", name="Sign").click()
        except PlaywrightTimeout:
            assert decided(installation, change) in TAKEN_BACK
            continue
        if wait_until(lambda: decided(installation, change), 30, "somebody has decided") not in TAKEN_BACK:  # noqa: B023
            return change, decider


def decided(installation: Installation, change: int) -> str:
    """Its state, once nobody can decide on it any more."""
    state = str(installation.sql("SELECT state FROM control_change WHERE id = %s", change)[0][0])
    return "" if state.startswith("pending") else state


def command(installation: Installation, change: int) -> str:
    return str(installation.sql("SELECT command_id FROM control_change WHERE id = %s", change)[0][0])


def moves(installation: Installation, change: int) -> dict[str, float]:
    return dict(
        installation.sql(
            "SELECT t.key, m.to_value FROM control_setpointmove m JOIN control_tag t ON t.id = m.tag_id"
            " WHERE m.change_id = %s",
            change,
        )
    )
