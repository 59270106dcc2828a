"""A supervisor signs at the operator's screen, in a dialog that outlives the page being drawn anew."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from control.actions import changes
from control.models import Change, Signature
from dashboards.permissions import now
from tests.browser.conftest import PASSWORD, Open
from tests.factories import Plant, snapshot

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def large(plant: Plant, change: Change) -> Change:
    for name in ("operator", "supervisor"):
        person = plant.person(name)
        person.set_password(PASSWORD)
        person.save()
    told = {"actor": plant.person("operator2"), "version": change.version, "now": now()}
    return changes.ask_supervisor(change.pk, **told)


def sign(page: Page, password: str, name: str = "") -> None:
    dialog = page.locator("#sign")
    if name:
        dialog.get_by_label("Name of the signer").fill(name)
    dialog.get_by_label("Password").fill(password)
    dialog.get_by_role("button", name="Sign").click()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_dialog_asks_who_signs_and_what_it_means(plant: Plant, large: Change, opened: Open, language: str) -> None:
    page = opened(plant.person("operator"), f"/changes/{large.pk}/", locale=language)
    page.locator("button[value=approve]").click()
    expect(page.locator("#sign")).to_be_visible()
    assert page.evaluate("document.activeElement.name") == "signer"
    assert page.locator("#sign [data-meaning]").inner_text()
    page.locator("#sign [data-cancel]").click()
    expect(page.locator("#sign")).to_be_hidden()
    assert Change.objects.get(pk=large.pk).state == "pending_supervisor"


def test_a_supervisor_signs_at_the_operators_screen(plant: Plant, large: Change, opened: Open) -> None:
    supervisor = plant.person("supervisor").username
    page = opened(plant.person("operator"), f"/changes/{large.pk}/")
    page.get_by_role("button", name="Approve").click()
    sign(page, "wrong", supervisor)
    expect(page.locator("#sign [data-refused]")).to_contain_text("do not match", timeout=30_000)
    page.evaluate("document.querySelector('apc-fragment').refresh()")
    snapshot(plant, now())
    sign(page, PASSWORD)
    expect(page.locator("main")).to_contain_text("Approved, waiting to be written", timeout=30_000)
    expect(page.locator(".who")).to_have_text(plant.person("operator").username)
    assert Signature.objects.get().user.username == supervisor


def test_ones_own_password_is_not_asked_twice_within_five_minutes(plant: Plant, large: Change, opened: Open) -> None:
    page = opened(plant.person("supervisor"))
    page.get_by_role("button", name="HOLD", exact=True).click()
    page.locator("main").get_by_label("Reason").fill("all clear")
    page.get_by_role("button", name="End HOLD").click()
    sign(page, PASSWORD)
    expect(page.get_by_role("button", name="HOLD", exact=True)).to_be_visible()
    page.goto(f"/changes/{large.pk}/")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#sign").get_by_label("Password")).to_be_hidden()
    snapshot(plant, now())
    page.locator("#sign").get_by_role("button", name="Sign").click()
    expect(page.locator("main")).to_contain_text("Approved, waiting to be written", timeout=30_000)
