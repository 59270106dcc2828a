"""The page of a shift, and its twin in the API: what happened, notes, and the signatures of both sides."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from control.actions import audit, shifts
from control.models import Change, Handover, ShiftNote, Signature
from tests import factories
from tests.dashboards.conftest import PASSWORD
from tests.factories import Plant

SignIn = Callable[[str], Client]
WithPassword = Callable[[str], User]


@pytest.fixture
def ended(plant: Plant) -> Handover:
    """A shift that ended a minute ago."""
    now = timezone.now()
    row = Handover.objects.create(
        line=plant.line, starts_at=now - timedelta(hours=8), ends_at=now - timedelta(minutes=1)
    )
    shifts.make_due(now)
    row.refresh_from_db()
    return row


def page(client: Client, plant: Plant) -> str:
    return client.get(f"/lines/{plant.line.key}/shift/").content.decode()


def say(client: Client, row: Handover, verb: str, key: str = "k", **form: str) -> Any:
    return client.post(f"/shifts/{row.pk}/{verb}/", {"key": key, **form})


def ask(client: Client, row: Handover, verb: str, key: str = "k", **body: str) -> Any:
    url = f"/api/v1/shifts/{row.pk}/{verb}"
    return client.post(url, json.dumps(body), content_type="application/json", headers={"Idempotency-Key": key})


def test_one_gives_and_another_accepts_at_the_same_screen(
    plant: Plant, ended: Handover, signed_in: SignIn, with_password: WithPassword
) -> None:
    giver, accepter, client = with_password("operator"), with_password("operator2"), signed_in("operator")
    assert "Give the shift" in page(client, plant)
    assert say(client, ended, "give", password=PASSWORD).status_code == 302
    assert "Accept the shift" in page(client, plant)
    answer = say(client, ended, "accept", key="k2", signer=accepter.username, password=PASSWORD)
    assert answer.status_code == 302
    ended.refresh_from_db()
    assert (ended.given_by, ended.accepted_by) == (giver, accepter)
    assert Signature.objects.get(meaning="accept_shift").screen_of == giver
    assert "Accept the shift" not in page(client, plant)


def test_without_a_password_the_page_asks_for_it_and_nothing_is_given(
    plant: Plant, ended: Handover, signed_in: SignIn
) -> None:
    answer = say(signed_in("operator"), ended, "give")
    assert answer.status_code == 403
    assert b'name="password"' in answer.content
    ended.refresh_from_db()
    assert ended.given_by is None


def test_the_giver_is_told_that_somebody_else_accepts(
    plant: Plant, ended: Handover, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("operator")
    client = signed_in("operator")
    say(client, ended, "give", password=PASSWORD)
    answer = say(client, ended, "accept", key="k2", password=PASSWORD)
    assert answer.status_code == 409
    assert "Somebody else" in answer.content.decode()


def test_a_note_is_written_once_however_often_the_form_is_sent(
    plant: Plant, ended: Handover, signed_in: SignIn
) -> None:
    client = signed_in("operator")
    for _ in range(2):
        assert say(client, ended, "notes", text="Filter <low>").status_code == 302
    assert ShiftNote.objects.count() == 1
    assert "Filter &lt;low&gt;" in page(client, plant)


@pytest.mark.parametrize("name", ["viewer", "engineer", "admin", "auditor"])
def test_who_does_not_work_on_the_line_reads_the_report_and_finds_no_button(
    plant: Plant, ended: Handover, signed_in: SignIn, name: str
) -> None:
    client = signed_in(name)
    assert "Moved in the shift" in page(client, plant)
    assert "data-writes" not in page(client, plant)
    for verb in ("give", "accept", "notes"):
        assert say(client, ended, verb, key=verb, text="x").status_code == 403
        assert (
            ask(client, ended, verb, key=f"api {verb}", **({"text": "x"} if verb == "notes" else {})).status_code == 403
        )


def test_for_an_outsider_there_is_no_shift(plant: Plant, ended: Handover, signed_in: SignIn) -> None:
    client = signed_in("outsider")
    assert client.get(f"/lines/{plant.line.key}/shift/").status_code == 404
    assert client.get(f"/lines/{plant.line.key}/shift/now/").status_code == 404
    assert client.get(f"/api/v1/shifts/{ended.pk}").status_code == 404
    assert client.get(f"/api/v1/lines/{plant.line.pk}/shifts").status_code == 404
    for verb in ("give", "accept", "notes"):
        assert say(client, ended, verb, text="x").status_code == 404
        assert ask(client, ended, verb, **({"text": "x"} if verb == "notes" else {})).status_code == 404


def test_the_api_tells_a_shift_and_hands_it_over(
    plant: Plant, ended: Handover, signed_in: SignIn, with_password: WithPassword
) -> None:
    for name in ("operator", "supervisor"):
        with_password(name)
    giver, accepter = signed_in("operator"), signed_in("supervisor")
    assert ask(giver, ended, "notes", text="pump 2 is loud").json()["shift"] == ended.pk
    assert ask(giver, ended, "give", "k1").json()["code"] == "signature_needed"
    assert ask(giver, ended, "give", "k1", password=PASSWORD).json()["given_by"] == "operator@cathode-1"
    again = ask(giver, ended, "give", "k1", password=PASSWORD)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ask(giver, ended, "accept", "k2", password=PASSWORD).json()["code"] == "own_shift"
    assert ask(accepter, ended, "accept", "k1", password=PASSWORD).status_code == 200
    told = accepter.get(f"/api/v1/shifts/{ended.pk}").json()
    assert (told["accepted_by"], told["running"]) == ("supervisor@cathode-1", False)
    assert [note["text"] for note in told["notes"]] == ["pump 2 is loud"]
    assert told["report"]["modes"][0]["key"] == "coater.loading-top"
    listed = accepter.get(f"/api/v1/lines/{plant.line.pk}/shifts").json()
    assert [row["running"] for row in listed] == [True, False]


def test_an_earlier_shift_is_found_by_its_number_and_another_lines_is_not(
    plant: Plant, ended: Handover, signed_in: SignIn
) -> None:
    client, url = signed_in("operator"), f"/lines/{plant.line.key}/shift/"
    assert client.get(url, {"shift": ended.pk}).status_code == 200
    assert client.get(url, {"shift": ended.pk + 1000}).status_code == 404
    assert client.get(url, {"shift": "x"}).status_code == 200


def test_a_line_that_has_no_shift_yet_has_a_page(plant: Plant, signed_in: SignIn) -> None:
    assert "within a minute" in page(signed_in("operator"), plant)


def test_what_was_put_in_force_names_the_machine_and_says_why_in_the_language_of_the_reader(
    plant: Plant, signed_in: SignIn
) -> None:
    now = timezone.now()
    Handover.objects.create(line=plant.line, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=7))
    told = {"action": "limits.draw", "now": now, "line": plant.line.pk, "actor": "train"}
    with audit.atomic():
        audit.record(obj=plant.coater, reason="the shift so far", **told)
        audit.record(obj=plant.streams["loading/1-top"], reason="the shift so far", **told)
        audit.record(obj=plant.line, **told | {"action": "plant.store"})
    found = signed_in("viewer").get(f"/lines/{plant.line.key}/shift/", headers={"Accept-Language": "ko"})
    part = found.content.decode().split("<h2>버전</h2>")[1]
    assert part.count("<span>코터 · ") == 1
    assert "<span>로딩량, 레인 1 상면 · " in part
    assert part.count("지금까지의 근무") == 2


def test_a_change_that_was_put_before_the_supervisor_says_in_words_why(plant: Plant, signed_in: SignIn) -> None:
    now = timezone.now()
    Handover.objects.create(line=plant.line, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=7))
    factories.snapshot(plant, now)
    change = factories.offered(plant, now, pump_top=61.0)
    Change.objects.filter(pk=change.pk).update(state="expired", reason="move_too_large")
    assert "the move is large" in (found := page(signed_in("viewer"), plant))
    assert "move_too_large" not in found
