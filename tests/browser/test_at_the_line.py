"""What a person at the line does, in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from control.models import Change, Cursor, Point
from tests.browser.conftest import PASSWORD, Open
from tests.browser.looking import until
from tests.dashboards.serving import Served
from tests.factories import Plant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def arrive(plant: Plant, seconds: int = 1, value: float = 20.0) -> None:
    """Predictions of the last seconds, of every lane, as a pass would store them."""
    cursor = Cursor.objects.get(pk=plant.coater.pk)
    now, rows = timezone.now(), []
    for second in range(seconds):
        for stream in plant.streams.values():
            cursor.head_seq += 1
            at = now - timedelta(seconds=seconds - second)
            told = {"value": value, "low": value - 0.1, "high": value + 0.1, "quality": 0, "verdict": 0, "rules": 0}
            where = {"equipment": plant.coater, "stream": stream, "by": 0, "roll": 7, "web_m": second}
            rows.append(Point(seq=cursor.head_seq, at=at, known_at=now, **where, **told))
    Point.objects.bulk_create(rows)
    cursor.save()


def lane(plant: Plant) -> int:
    return plant.streams["loading/1-top"].lane_id


def test_signing_in_by_hand_leads_to_the_line(served: Served, plant: Plant, browser: Browser) -> None:
    person = plant.person("operator")
    person.set_password(PASSWORD)
    person.save()
    page = browser.new_page(base_url=served.origin)
    page.goto("/")
    page.fill("[name=username]", person.username)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(plant.line.name)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.context.close()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_page_breaks_the_policy(plant: Plant, change: Change, opened: Open, language: str) -> None:
    arrive(plant, 20)
    paths = ["/", f"/lanes/{lane(plant)}/", "/inbox/", f"/changes/{change.pk}/", "/audit/", f"/lines/{plant.line.key}/"]
    page = opened(plant.person("supervisor"), locale=language)
    for path in paths:
        page.goto(path)
        page.wait_for_timeout(700)
        assert page.evaluate("document.documentElement.lang") == language
        assert page.evaluate("violations") == []


def test_the_chart_draws_what_arrives_while_it_is_open(plant: Plant, opened: Open) -> None:
    arrive(plant, 30)
    page = opened(plant.person("viewer"), f"/lanes/{lane(plant)}/")
    count = "document.querySelector('.plot').data?.find((trace) => trace.name === 'predicted')?.x.length ?? 0"
    assert until(page, count) >= 30
    arrive(plant, 1)
    until(page, f"({count}) >= 31")


def test_a_held_chart_stays_where_it_is_and_counts(plant: Plant, opened: Open) -> None:
    arrive(plant, 30)
    page = opened(plant.person("viewer"), f"/lanes/{lane(plant)}/")
    until(page, "!!document.querySelector('.plot').layout")
    page.get_by_role("button", name="Following").click()
    until(page, "location.search.includes('from=')")
    arrive(plant, 3)
    page.get_by_role("button", name="3 new points").click()
    until(page, "!location.search.includes('from=')")


def test_the_table_has_the_numbers_of_the_chart(plant: Plant, opened: Open) -> None:
    arrive(plant, 5, value=20.25)
    page = opened(plant.person("viewer"), f"/lanes/{lane(plant)}/")
    page.get_by_text("The numbers as a table").click()
    until(page, "document.querySelectorAll('[data-table] tbody tr').length >= 5")
    assert "20.25" in page.locator("[data-table] tbody").inner_text()


def test_one_approves_and_the_other_sees_it_without_reloading(plant: Plant, change: Change, opened: Open) -> None:
    other = opened(plant.person("operator2"), f"/changes/{change.pk}/")
    page = opened(plant.person("operator"), f"/changes/{change.pk}/")
    approve = page.get_by_role("button", name="Approve")
    expect(approve).to_be_disabled()
    expect(approve).to_be_enabled()
    approve.click()
    expect(page.locator("main")).to_contain_text("Approved, waiting to be written")
    expect(other.locator("main")).to_contain_text("Approved, waiting to be written", timeout=10_000)
    expect(other.get_by_role("button", name="Approve")).to_have_count(0)


def test_a_new_change_appears_on_the_overview_by_itself(
    plant: Plant, opened: Open, request: pytest.FixtureRequest
) -> None:
    page = opened(plant.person("operator"))
    expect(page.locator("main")).to_contain_text("Nothing to decide.")
    request.getfixturevalue("change")
    expect(page.locator("main")).to_contain_text("Raise Pump top", timeout=10_000)


def test_signing_out_elsewhere_covers_the_controls(plant: Plant, change: Change, opened: Open, served: Served) -> None:
    page = opened(plant.person("operator"), f"/changes/{change.pk}/")
    expect(page.get_by_role("button", name="Approve")).to_be_enabled()
    plant.person("operator").grants.all().delete()
    expect(page.locator("#stale")).to_be_visible(timeout=15_000)
    assert page.evaluate("document.getElementById('main').inert")
    assert "Raise Pump top" in page.locator("main").inner_text()


def test_a_lost_connection_is_said_and_healed_without_a_hole(plant: Plant, opened: Open) -> None:
    arrive(plant, 30)
    page = opened(plant.person("viewer"), f"/lanes/{lane(plant)}/")
    count = "document.querySelector('.plot').data?.find((trace) => trace.name === 'predicted')?.x.length ?? 0"
    until(page, count)
    page.context.set_offline(True)
    expect(page.locator("#stale")).to_be_visible(timeout=15_000)
    arrive(plant, 5)
    page.context.set_offline(False)
    expect(page.locator("#stale")).to_be_hidden(timeout=30_000)
    until(page, f"({count}) >= 35")


def test_theme_density_and_language_belong_to_the_station(plant: Plant, opened: Open) -> None:
    page = opened(plant.person("viewer"))
    page.get_by_role("button", name="Night").click()
    page.get_by_role("button", name="Gloves").click()
    page.get_by_role("button", name="한국어").click()
    expect(page.get_by_role("button", name="로그아웃")).to_be_visible()
    assert page.evaluate("({...document.documentElement.dataset})") == {
        "theme": "night",
        "density": "glove",
        "keys": "on",
    }
    height = page.get_by_role("button", name="로그아웃").bounding_box()
    assert height is not None
    assert height["height"] >= 96
