"""The change page after the verdict: what was promised beside what the gauge saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from django.test import Client

from control.core.effect import Outcome, judge
from control.models import Change, Characteristic
from tests.factories import SETTINGS, Plant

SignIn = Callable[[str], Client]


@pytest.fixture
def judged(change: Change) -> Callable[..., Change]:
    def store(*realised: float) -> Change:
        outcomes = [Outcome(key, 0.1, came, 0.15) for key, came in zip(SETTINGS["cvs"], realised, strict=False)]
        verdict = judge(outcomes)
        effect = {"measured": True, "streams": [asdict(one) for one in outcomes], **asdict(verdict)}
        return stored(change, "effective" if verdict.effective else "ineffective", effect)

    return store


def stored(change: Change, state: str, effect: dict[str, object]) -> Change:
    Change.objects.filter(pk=change.pk).update(state=state, effect=effect)
    change.refresh_from_db()
    return change


def page(client: Client, change: Change) -> str:
    return client.get(f"/changes/{change.pk}/now/").content.decode()


def test_before_the_verdict_nothing_is_said_of_it(change: Change, signed_in: SignIn) -> None:
    assert "Promised and what came" not in page(signed_in("viewer"), change)


def test_every_stream_has_its_row_in_its_own_decimals(
    plant: Plant, judged: Callable[..., Change], signed_in: SignIn
) -> None:
    Characteristic.objects.update(decimals=3)
    told = page(signed_in("viewer"), judged(0.0812, 0.12, 0.1))
    assert "It came as predicted" in told
    assert [text in told for text in ("+0.100", "+0.081", "± 0.150")] == [True] * 3
    assert str(plant.streams["loading/3-top"]) in told


def test_a_miss_says_that_it_did_not_come_and_where(judged: Callable[..., Change], signed_in: SignIn) -> None:
    told = page(signed_in("viewer"), judged(-0.4, 0.1))
    assert "It did not come as predicted" in told
    assert (told.count("outside</td>"), told.count("<td>inside</td>")) == (1, 1)


def test_what_was_not_measured_is_said_to_be_unknown(change: Change, signed_in: SignIn) -> None:
    told = page(signed_in("viewer"), stored(change, "ineffective", {"measured": False}))
    assert "the effect is not known" in told
    assert "Realised change" not in told


def test_a_stream_that_is_gone_keeps_its_key(judged: Callable[..., Change], signed_in: SignIn) -> None:
    change = judged(0.1)
    change.effect["streams"][0]["stream"] = "loading/99-top"
    assert "loading/99-top" in page(signed_in("viewer"), stored(change, change.state, change.effect))
