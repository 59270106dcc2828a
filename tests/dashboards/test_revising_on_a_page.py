"""Undo, other values and withdrawal: on the page of a change and over the API alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from control.models import Change
from dashboards.permissions import now
from tests.factories import Plant, snapshot

SignIn = Callable[[str], Client]


@pytest.fixture
def applied(plant: Plant, change: Change) -> Change:
    """A change that the machine took a minute ago."""
    at = now() - timedelta(minutes=1)
    Change.objects.filter(pk=change.pk).update(state="verifying", applied_at=at, decided_at=at)
    snapshot(plant, now(), pump_top=60.3)
    change.refresh_from_db()
    return change


def decide(client: Client, change: Change, verb: str, **more: object) -> Any:
    return client.post(f"/changes/{change.pk}/decide/", {"verb": verb, "key": f"{verb}-1", **more})


def ask(client: Client, change: Change, verb: str, body: dict[str, Any], key: str = "k") -> Any:
    url = f"/api/v1/changes/{change.pk}/{verb}"
    return client.post(url, json.dumps(body), content_type="application/json", headers={"Idempotency-Key": key})


def page(client: Client, change: Change) -> str:
    return client.get(f"/changes/{change.pk}/").content.decode()


def test_undo_is_one_tap_with_a_countdown_and_leads_to_the_new_change(applied: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    told = page(client, applied)
    button = told[told.index('value="undo"') : told.index('value="undo"') + 500]
    assert "data-until" in button
    answer = decide(client, applied, "undo")
    back = Change.objects.get(undoes=applied)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/changes/{back.pk}/")
    assert f'<a href="/changes/{applied.pk}/">Takes change {applied.pk} back</a>' in page(client, back)
    after = page(client, applied)
    assert f"Change {back.pk} takes it back" in after
    assert 'value="undo"' not in after


def test_the_same_tap_twice_makes_one_way_back(applied: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    first, again = decide(client, applied, "undo"), decide(client, applied, "undo")
    assert first.headers["Location"] == again.headers["Location"]
    assert Change.objects.filter(undoes=applied).count() == 1


def test_after_its_time_there_is_no_button_and_the_refusal_is_told_in_words(applied: Change, signed_in: SignIn) -> None:
    Change.objects.filter(pk=applied.pk).update(applied_at=now() - timedelta(minutes=11))
    client = signed_in("operator")
    assert 'value="undo"' not in page(client, applied)
    answer = decide(client, applied, "undo")
    assert (answer.status_code, "too long ago" in answer.content.decode()) == (409, True)


def test_who_may_not_propose_sees_no_button(applied: Change, signed_in: SignIn) -> None:
    for name in ("viewer", "engineer"):
        assert 'value="undo"' not in page(signed_in(name), applied)
        assert decide(signed_in(name), applied, "undo").status_code == 403


def test_undo_over_the_api_answers_with_the_new_change(applied: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    assert client.get(f"/api/v1/changes/{applied.pk}").json()["undoable_until"] is not None
    first, again = (ask(client, applied, "undo", {}) for _ in range(2))
    back = Change.objects.get(undoes=applied)
    assert first.json() == {"id": back.pk, "state": "pending_operator", "version": back.version}
    assert again.headers["Idempotent-Replayed"] == "true"
    assert client.get(f"/api/v1/changes/{back.pk}").json()["undoes"] == applied.pk


def test_the_form_for_other_values_shows_limits_step_and_authority(change: Change, signed_in: SignIn) -> None:
    told = page(signed_in("operator"), change)
    form = told[told.index("Propose other values") : told.index("Propose these values")]
    for text in ('value="60.300"', "20.00 … 100.00", "3.00", "59.400 … 60.600", "58.200 … 61.800"):
        assert text in form, text
    assert "Propose other values" not in page(signed_in("viewer"), change)


def test_other_values_are_a_change_of_ones_own_with_links_both_ways(change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    answer = decide(client, change, "edit", version=change.version, **{"to-pump_top": "60,15"})
    mine = Change.objects.get(supersedes=change)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/changes/{mine.pk}/")
    told = page(client, mine)
    for text in (f"Proposed by {mine.author.username}", f"Other values for change {change.pk}", "Changed by a person"):
        assert text in told, text
    assert f"Change {mine.pk} took its place" in page(client, change)
    assert "Signed by somebody else at this screen" in told
    assert decide(client, mine, "approve", version=mine.version, key="own").status_code == 403
    assert decide(signed_in("operator2"), mine, "approve", version=mine.version).status_code == 302


def test_what_is_left_as_it_was_shown_keeps_its_decimals(change: Change, signed_in: SignIn) -> None:
    change.moves.update(to_value=60.30004)
    answer = decide(signed_in("operator"), change, "edit", version=change.version, **{"to-pump_top": "60.300"})
    assert (answer.status_code, "proposed already" in answer.content.decode()) == (422, True)


@pytest.mark.parametrize(("typed", "words"), [("sixty", "not a number"), ("65", "58.2 … 61.8")])
def test_values_that_cannot_be_are_told_with_what_can(
    change: Change, signed_in: SignIn, typed: str, words: str
) -> None:
    answer = decide(signed_in("operator"), change, "edit", version=change.version, **{"to-pump_top": typed})
    assert (answer.status_code, words in answer.content.decode()) == (422, True)


def test_other_values_over_the_api(change: Change, signed_in: SignIn) -> None:
    client, body = signed_in("operator"), {"version": change.version, "values": {"pump_top": 60.2}}
    told = ask(client, change, "edit", body).json()
    found = client.get(f"/api/v1/changes/{told['id']}").json()
    assert (found["author"], found["supersedes"], found["moves"][0]["to_value"]) == (
        f"operator@{change.line.key}", change.pk, 60.2,
    )  # fmt: skip
    assert client.get(f"/api/v1/changes/{change.pk}").json()["superseded_by"] == told["id"]
    late = ask(client, change, "edit", body, key="late")
    assert (late.status_code, late.json()["code"]) == (409, "overtaken")
    for wrong in ({"version": 1, "values": {}}, {"version": 1, "values": {"pump_top": "x"}}, {"version": 1}):
        assert ask(client, change, "edit", wrong, key=str(wrong)[:80]).json()["code"] == "invalid"


def test_ones_own_is_withdrawn_and_the_controllers_is_not_offered_for_it(change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    assert 'value="withdraw"' not in page(client, change)
    decide(client, change, "edit", version=change.version, **{"to-pump_top": "60.2"})
    mine = Change.objects.get(supersedes=change)
    assert 'value="withdraw"' in page(client, mine)
    assert 'value="withdraw"' in page(signed_in("supervisor"), mine)
    assert 'value="withdraw"' not in page(signed_in("operator2"), mine)
    assert decide(client, mine, "withdraw", version=mine.version).status_code == 302
    mine.refresh_from_db()
    assert mine.state == "withdrawn"


def test_withdrawing_and_asking_over_the_api(change: Change, signed_in: SignIn) -> None:
    body = {"version": change.version}
    assert ask(signed_in("operator"), change, "withdraw", body).json()["code"] == "no_permission"
    up = ask(signed_in("operator"), change, "ask", body, key="up").json()
    assert up["state"] == "pending_supervisor"
    body = {"version": up["version"], "reason": "not now"}
    assert ask(signed_in("supervisor"), change, "withdraw", body).json()["state"] == "withdrawn"


@pytest.mark.parametrize("verb", ["undo", "edit", "withdraw", "ask"])
def test_for_an_outsider_there_is_no_such_change(change: Change, signed_in: SignIn, verb: str) -> None:
    body = {} if verb == "undo" else {"version": 1} | ({"values": {"pump_top": 60.2}} if verb == "edit" else {})
    assert ask(signed_in("outsider"), change, verb, body).status_code == 404
    assert ask(Client(), change, verb, body).status_code == 401
