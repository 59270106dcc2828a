"""An engineer drafts a figure in a real browser, and a supervisor signs it in a dialog at the engineer's screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from control.actions import figures
from control.models import Signature
from tests.factories import Plant

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
PASSWORD = "right-enough-4711"


def test_a_figure_is_drafted_and_signed_at_one_screen(plant: Plant, opened: Open) -> None:
    supervisor = plant.person("supervisor")
    supervisor.set_password(PASSWORD)
    supervisor.save()
    page = opened(plant.person("engineer"), f"/lines/{plant.line.key}/")
    page.get_by_role("link", name="Versions").click()
    page.get_by_role("row", name="Figures of the workflow").get_by_role("link", name="Draft another").click()
    field = page.get_by_label("Countdown before an automatic change is approved")
    field.fill("five")
    page.get_by_label("Reason").first.fill("Calmer shift")
    page.get_by_role("button", name="Keep as a draft").click()
    expect(page.get_by_role("alert").first).to_contain_text("is not a number")
    expect(field).to_have_value("five")
    field.fill("45")
    page.get_by_role("button", name="Keep as a draft").click()
    page.get_by_role("button", name="Give it to review").click()
    expect(page.locator("#difference")).to_contain_text("+15")
    page.get_by_label("In force").select_option("now")
    page.get_by_role("button", name="Approve").click()
    dialog = page.locator("dialog#sign")
    dialog.get_by_label("Name of the signer").fill(supervisor.username)
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Sign").click()
    expect(dialog.get_by_role("alert")).to_contain_text("do not match")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign").click()
    expect(page.get_by_text("Active")).to_be_visible(timeout=30_000)
    assert figures.of(plant.line.pk).veto_s == 45.0
    assert Signature.objects.get(object_type="version").screen_of == plant.person("engineer")
