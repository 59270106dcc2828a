"""Model health: what everyone on the line reads, and what an engineer decides there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from control.core.types import MeasuredBy, Verdict
from control.models import Cursor, Point, RollValue, TrainingPlan, TrainingRun
from tests.factories import Plant

SignIn = Callable[[str], Client]


def page(plant: Plant) -> str:
    return f"/models/{plant.coater.pk}/"


def predicted(plant: Plant, *, verdict: Verdict = Verdict.IN, off: float = 0.05, doubt: int = 0) -> None:
    """Ten predictions of one lane, each with the gauge's value of the same metre."""
    cursor, now = Cursor.objects.get(pk=plant.coater.pk), timezone.now()
    for i in range(10):
        at = now - timedelta(seconds=60 - i)
        shared = {
            "equipment": plant.coater, "at": at, "known_at": at, "stream": plant.streams["loading/1-top"], "roll": 7,
            "web_m": 100.0 + i, "rules": 0,
        }  # fmt: skip
        Point.objects.create(
            seq=2 * i + 1, by=0, value=20.0, low=19.9, high=20.1, reliance=0.8, similarity=0.5, quality=0,
            verdict=verdict, **shared,
        )  # fmt: skip
        Point.objects.create(
            seq=2 * i + 2, by=MeasuredBy.GAUGE, value=20.0 + off, predicted=20.0, quality=int(doubt > 0), verdict=0,
            doubt=doubt, **shared,
        )  # fmt: skip
    cursor.head_seq = 20
    cursor.save()


def test_error_bias_and_trust_of_every_lane_are_told_with_the_product(plant: Plant, signed_in: SignIn) -> None:
    predicted(plant)
    text = signed_in("viewer").get(page(plant)).content.decode()
    row = text.split('id="streams"')[1].split("</tr>")[1]
    assert "NMC cathode" in row
    assert "0.050" in row
    assert "+0.050" in row
    assert "0.80" in row


def test_a_lane_whose_model_cannot_tell_asks_for_a_sample(plant: Plant, signed_in: SignIn) -> None:
    predicted(plant, verdict=Verdict.MEASURE)
    text = signed_in("operator").get(page(plant)).content.decode()
    asked = text.split("<h2>Samples asked")[1].split("</section>")[0]
    assert plant.streams["loading/1-top"].lane.key.split("-")[0] in asked
    assert "take a sample" in asked


def test_why_values_were_not_believed_is_counted(plant: Plant, signed_in: SignIn) -> None:
    predicted(plant, doubt=3)
    assert "three quantities contradict 10" in signed_in("viewer").get(page(plant)).content.decode()


def test_an_engineer_plans_retrains_and_cancels_and_others_find_no_button(plant: Plant, signed_in: SignIn) -> None:
    client, url = signed_in("engineer"), page(plant)
    assert "data-writes" not in signed_in("supervisor").get(url).content.decode()
    form = {
        "every_rolls": "20",
        "every_hours": "",
        "history_hours": "48",
        "then": "propose",
        "reason": "Batches change",
    }
    assert client.post(f"{url}plan/", form).status_code == 302
    plan = TrainingPlan.objects.get()
    assert (plan.every_rolls, plan.every_hours, plan.history_hours) == (20, None, 48.0)
    assert "every 20 rolls" in client.get(url).content.decode()
    assert client.post(f"{url}retrain/").status_code == 302
    run = TrainingRun.objects.get()
    assert "Waiting for a worker" in client.get(f"{url}training/").content.decode()
    assert client.post(f"/models/runs/{run.pk}/cancel/").status_code == 302
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_plan_without_hours_of_history_takes_the_usual_ones(plant: Plant, signed_in: SignIn) -> None:
    form = {"every_rolls": "20", "every_hours": "", "history_hours": "", "then": "propose", "reason": "Batches change"}
    assert signed_in("engineer").post(f"{page(plant)}plan/", form).status_code == 302
    assert TrainingPlan.objects.get().history_hours == 24.0


@pytest.mark.parametrize("form", [{"every_rolls": "1.5"}, {"every_hours": "x"}, {"every_hours": "-3"}, {"then": "y"}])
def test_a_plan_that_cannot_be_read_is_refused_in_words(plant: Plant, signed_in: SignIn, form: dict[str, str]) -> None:
    told = {"then": "propose", "reason": "Because", **form}
    assert signed_in("engineer").post(f"{page(plant)}plan/", told).status_code == 422
    assert not TrainingPlan.objects.exists()


def test_a_run_that_works_shows_how_far_it_is_and_how_long_it_will_take(plant: Plant, signed_in: SignIn) -> None:
    now = timezone.now()
    TrainingRun.objects.create(
        equipment=plant.coater, state="not_better", asked_at=now, started_at=now - timedelta(hours=1),
        ended_at=now - timedelta(hours=1) + timedelta(seconds=80), share=1.0,
        verdict={"why": "worse", "detail": "7.0 %", "ratio": 1.07, "streams": {}},
    )  # fmt: skip
    TrainingRun.objects.create(
        equipment=plant.coater, state="running", asked_at=now, started_at=now - timedelta(seconds=20), heard_at=now,
        step="fitting", share=0.1,
    )  # fmt: skip
    text = signed_in("viewer").get(f"{page(plant)}training/").content.decode()
    assert "Fitting the models" in text
    assert '<progress max="1" value="0.25' in text
    assert "left" in text
    assert "worse than those in force by 7.0 %" in text


def test_both_values_of_a_roll_are_on_the_page_and_in_the_api(plant: Plant, signed_in: SignIn) -> None:
    now, stream = timezone.now(), plant.streams["loading/2-top"]
    RollValue.objects.create(
        equipment=plant.coater, stream=stream, roll=7, made_from=now, made_to=now, model="f" * 64, seq=5, first=20.012,
        first_low=19.9, first_high=20.1, first_n=1800, first_at=now, by=MeasuredBy.LAB, measured=20.3, measured_n=1,
        second=20.111, second_low=20.0, second_high=20.2, second_at=now,
    )  # fmt: skip
    client = signed_in("viewer")
    text = client.get(page(plant)).content.decode().split('id="rolls"')[1]
    assert "20.01" in text
    assert "20.11" in text
    url = f"/api/v1/equipment/{plant.coater.pk}/rolls"
    row = client.get(url).json()[0]
    assert (row["key"], row["first"], row["second"], row["by"]) == ("loading/2-top", 20.012, 20.111, "lab")
    assert signed_in("outsider").get(url).status_code == 404
    assert Client().get(url).status_code == 401


def test_a_word_that_is_no_decision_is_not_found(plant: Plant, signed_in: SignIn) -> None:
    run = TrainingRun.objects.create(equipment=plant.coater, asked_at=timezone.now())
    assert signed_in("engineer").post(f"/models/runs/{run.pk}/delete/").status_code == 404
    assert signed_in("outsider").post(f"/models/runs/{run.pk}/cancel/").status_code == 404
