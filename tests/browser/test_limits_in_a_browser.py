"""An engineer draws limits from a window in a real browser without a wild value; a supervisor signs them there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from control.core.types import Quality
from control.models import Limits, Point
from tests.browser.looking import until
from tests.factories import Plant

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
EVERY_S, N = 5, 600
PASSWORD = "right-enough-4711"


@pytest.fixture
def measured(plant: Plant) -> Plant:
    """Fifty minutes of gauge values up to now, one of them wild."""
    start = timezone.now().replace(microsecond=0) - timedelta(seconds=EVERY_S * N)
    values = np.random.default_rng(5).normal(20.0, 0.05, N)
    values[300] = 21.7
    Point.objects.bulk_create(
        Point(
            equipment=plant.coater, seq=i + 1, at=start + timedelta(seconds=EVERY_S * i), known_at=start,
            stream=plant.streams["loading/1-top"], by=1, roll=7, web_m=0.0, value=value, quality=Quality.GOOD,
            verdict=0, rules=0,
        )
        for i, value in enumerate(values)
    )  # fmt: skip
    return plant


def test_from_the_lane_to_limits_in_force(measured: Plant, opened: Open) -> None:
    supervisor = measured.person("supervisor")
    supervisor.set_password(PASSWORD)
    supervisor.save()
    lane = measured.streams["loading/1-top"].lane_id
    page = opened(measured.person("engineer"), f"/lanes/{lane}/?span=7200")
    page.get_by_role("link", name="Control limits").click()
    for box in page.locator('input[name="pick"]').all():
        box.check()
    page.get_by_label("Why the ticked values are left out").fill("gauge wiped")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("gauge wiped").first).to_be_visible()
    page.locator("main form[method=post] input[name=reason]").last.fill("first window")
    page.get_by_role("button", name="Store as a draft").click()
    page.locator("#versions").get_by_role("button", name="Give it to review").click()
    expect(page.locator("#difference")).to_contain_text("Individuals and moving range · sigma")
    page.get_by_label("In force").select_option("now")
    page.get_by_role("button", name="Approve").click()
    dialog = page.locator("dialog#sign")
    dialog.get_by_label("Name of the signer").fill(supervisor.username)
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign").click()
    expect(page.get_by_text("Active")).to_be_visible(timeout=30_000)
    row = Limits.objects.get(state="active", chart="i_mr")
    assert row.sigma == pytest.approx(0.05, rel=0.15)
    assert {one["reason"] for one in row.excluded} == {"gauge wiped"}


def test_the_capability_follows_the_window_of_the_charts(measured: Plant, opened: Open) -> None:
    lane = measured.streams["loading/1-top"].lane_id
    page = opened(measured.person("viewer"), f"/lanes/{lane}/")
    n = "document.querySelector('#capability tbody td.n').firstChild.textContent"
    shown = int(until(page, n))
    page.get_by_role("button", name="2 h").click()
    assert until(page, f"Number({n}) > {shown} && Number({n})") == N
