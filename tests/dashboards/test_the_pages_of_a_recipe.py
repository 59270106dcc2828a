"""A recipe on the pages: what can be set by the plant's own names, its review, and everything that is wrong."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from control.models import Recipe, Version
from tests.factories import Plant

SignIn = Callable[[str], Client]
PASSWORD = "right-enough-4711"
PUMP, TARGET, UPPER = "set_points.coater.pump_top", "specs.coater.loading.target", "specs.coater.loading.upper"


@pytest.fixture
def plant(plant: Plant) -> Plant:
    supervisor = plant.person("supervisor")
    supervisor.set_password(PASSWORD)
    supervisor.save()
    return plant


def at(plant: Plant) -> str:
    return f"/lines/{plant.line.key}/versions/recipe/"


def read(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def sent(plant: Plant, client: Client, **told: str) -> tuple[int, str]:
    form = {"key": "k", "reason": "Thicker foil", PUMP: "60", TARGET: "20,2", UPPER: "20.6"} | told
    answer = client.post(f"{at(plant)}draft/", form)
    return answer.status_code, html.unescape(answer.content.decode())


def test_the_form_has_every_parameter_and_specification_by_name(plant: Plant, signed_in: SignIn) -> None:
    page = read(signed_in("engineer"), f"{at(plant)}new/")
    assert f'name="{PUMP}" value="60"' in page
    assert f'name="{TARGET}" value="20"' in page
    assert "Coater · Loading · upper specification limit" in page
    assert "set_points.coater.solids" not in page
    assert "/lines/cathode-1/versions/recipe/new/" in read(signed_in("engineer"), f"/lines/{plant.line.key}/versions/")


def test_it_goes_from_the_form_through_review_into_force(plant: Plant, signed_in: SignIn) -> None:
    engineer, supervisor = signed_in("engineer"), signed_in("supervisor")
    assert sent(plant, engineer)[0] == 302
    version = Version.objects.latest("pk")
    assert engineer.post(f"/versions/{version.pk}/decide/submit/", {"key": "s"}).status_code == 302
    page = read(supervisor, f"/versions/{version.pk}/")
    assert "Coater · Loading · target" in page
    assert "+0.2" in page
    assert "upper specification limit" not in page  # it stays as it was
    told = {"key": "a", "seen": version.sha256, "when": "now", "password": PASSWORD}
    assert supervisor.post(f"/versions/{version.pk}/decide/approve/", told).status_code == 302
    assert Recipe.objects.get(state="active").spec("coater", "loading")["target"] == 20.2


def test_an_empty_field_takes_a_value_away_and_an_author_may_think_again(plant: Plant, signed_in: SignIn) -> None:
    engineer = signed_in("engineer")
    assert sent(plant, engineer, **{UPPER: ""})[0] == 302
    version = Version.objects.latest("pk")
    assert UPPER not in version.content
    assert f'name="{UPPER}" value=""' in read(engineer, f"/versions/{version.pk}/change/")
    again = {"key": "e", "reason": "Rather not", "seen": version.sha256, UPPER: "20.7"}
    assert engineer.post(f"/versions/{version.pk}/edit/", again).status_code == 302
    version.refresh_from_db()
    assert (version.content[UPPER], version.content[TARGET]) == (20.7, 20.2)


def test_mistakes_are_said_by_name_and_what_was_typed_stays(plant: Plant, signed_in: SignIn) -> None:
    status, page = sent(plant, signed_in("engineer"), **{PUMP: "1000", TARGET: "20.6"})
    assert status == 422
    assert "must be at most 100" in page
    assert "Coater · Loading · upper specification limit: must be above “Coater · Loading · target”" in page
    assert f'name="{PUMP}" value="1000"' in page
    assert not Version.objects.exists()


def test_a_file_with_mistakes_names_them_all(plant: Plant, signed_in: SignIn) -> None:
    rows = f"path,value\n{PUMP},\n{TARGET},high\nset_points.coater.nothing,1\n".encode()
    told = {"key": "f", "reason": "From the lab", "file": SimpleUploadedFile("recipe.csv", rows)}
    answer = signed_in("engineer").post(f"{at(plant)}import/", told)
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 422
    for words in (
        "is needed: the loop loading-top works with it",
        "is not a number",
        "nothing of that name can be set",
    ):
        assert words in page


@pytest.mark.parametrize(
    ("name", "status"), [("viewer", 403), ("operator", 403), ("supervisor", 403), ("outsider", 404)]
)
def test_only_an_engineer_drafts_one(plant: Plant, signed_in: SignIn, name: str, status: int) -> None:
    assert sent(plant, signed_in(name))[0] == status
    assert not Version.objects.exists()


def test_over_the_api_what_held_at_a_moment_is_only_that(plant: Plant, signed_in: SignIn) -> None:
    test_it_goes_from_the_form_through_review_into_force(plant, signed_in)
    before, since = Version.objects.order_by("pk")
    client, days = signed_in("engineer"), timedelta(days=1)
    held = []
    for when in (before.effective_from - days, before.effective_from, since.effective_from):
        told = {"kind": "recipe", "when": when.isoformat()}
        answer = client.get(f"/api/v1/lines/{plant.line.pk}/versions/at", told).json()
        held.append((answer["number"], answer["content"].get(TARGET)))
    assert held == [(None, None), (1, 20.0), (2, 20.2)]
