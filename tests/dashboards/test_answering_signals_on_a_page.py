"""What is done to signals on their page: once for each form, and a refusal has words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from control.models import Signal
from tests.factories import Plant


@pytest.fixture
def signal(plant: Plant) -> Signal:
    now = timezone.now()
    at = {"first_at": now, "last_at": now, "raised_at": now, "value": 21.0}
    return Signal.objects.create(line=plant.line, stream=plant.streams["loading/1-top"], rule=1, **at)


@pytest.mark.parametrize("verb", ["acknowledge", "shelve", "unshelve"])
def test_a_form_without_its_key_is_refused_in_words_and_changes_nothing(
    plant: Plant, signal: Signal, signed_in: Callable[[str], Client], verb: str
) -> None:
    where = f"/lines/{plant.line.key}/signals/" if verb == "acknowledge" else f"/signals/{signal.pk}/"
    sent = {"signal": signal.pk, "minutes": "5", "reason": "x"}
    answer = signed_in("operator").post(f"{where}{verb}/", sent)
    assert answer.status_code == 422
    signal.refresh_from_db()
    assert (signal.acknowledged_at, signal.closed_at) == (None, None)


def test_an_answer_is_a_cause_and_an_action_by_their_codes(
    plant: Plant, signal: Signal, signed_in: Callable[[str], Client]
) -> None:
    client, where = signed_in("operator"), f"/signals/{signal.pk}/close/"
    page = client.get(f"/lines/{plant.line.key}/signals/").content.decode()
    assert all(f'<option value="{key}">' in page for key in ("batch", "watched", "other"))
    assert client.post(where, {"cause": "batch"}).status_code == 422
    assert signed_in("viewer").post(where, {"cause": "batch"}).status_code == 403
    assert client.post(where, {"cause": "batch", "action": "other"}).status_code == 422
    assert client.post(where, {"cause": "batch", "action": "watched"}).status_code == 302
    signal.refresh_from_db()
    assert (signal.action and signal.action.key, signal.action_taken) == ("watched", "")
    lane = client.get(f"/lanes/{plant.streams['loading/1-top'].lane_id}/signals/").content.decode()
    assert f"Batch change · {signal.action}" in lane
    audit = signed_in("auditor").get("/audit/").content.decode()
    assert str(signal.action) in audit


def test_a_script_that_knows_no_code_still_says_it_in_words(
    plant: Plant, signal: Signal, signed_in: Callable[[str], Client]
) -> None:
    client, where = signed_in("operator"), f"/api/v1/signals/{signal.pk}/close"
    told = {"content_type": "application/json", "headers": {"Idempotency-Key": "a-key-of-mine"}}
    assert client.post(where, {"cause": "batch", "action_taken": "Waited"}, **told).json()["action"] == "other"
    (closed,) = client.get(f"/api/v1/lines/{plant.line.pk}/signals?open=false").json()
    assert (closed["cause"], closed["action"], closed["action_taken"]) == ("batch", "other", "Waited")


def test_a_machine_off_its_recipe_is_told_with_the_names_of_its_tags(
    plant: Plant, signed_in: Callable[[str], Client]
) -> None:
    now = timezone.now()
    at = {"first_at": now, "last_at": now, "raised_at": now}
    told = {"kind": "recipe_drift", "detail": "coater.pump_top 60 → 60.8 rpm, coater.gone 1 → 2"}
    Signal.objects.create(line=plant.line, **at, **told)
    page = signed_in("viewer").get(f"/lines/{plant.line.key}/signals/").content.decode()
    assert "Coater: Pump top 60 → 60.8 rpm, Coater: gone 1 → 2" in page
