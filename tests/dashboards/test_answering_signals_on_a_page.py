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
