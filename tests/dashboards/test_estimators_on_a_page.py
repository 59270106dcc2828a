"""New prediction models on the model health page: submitted there, reviewed on the page of a version."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from control.models import Estimator, TrainingPlan, TrainingRun, Version
from tests.actions.test_estimators_under_review import LANES, proposed, stored
from tests.factories import Plant

SignIn = Callable[[str], Client]
WithPassword = Callable[[str], User]
PASSWORD = "a long enough one"


@pytest.fixture
def run(plant: Plant) -> TrainingRun:
    for lane in LANES:
        stored(plant, lane, 0.1)
    return proposed(plant, lane_1=0.05)


def read(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_an_engineer_submits_and_a_supervisor_signs(
    plant: Plant, run: TrainingRun, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("supervisor")
    engineer, supervisor, health = signed_in("engineer"), signed_in("supervisor"), f"/models/{plant.coater.pk}/"
    assert "Submit for review" in read(engineer, health)
    assert "Submit for review" not in read(supervisor, health)
    assert engineer.post(f"/models/runs/{run.pk}/submit/", {"reason": "Better"}).status_code == 302
    version = Version.objects.latest("pk")
    assert f'href="/versions/{version.pk}/"' in read(engineer, health)
    assert "Submit for review" not in read(engineer, health)
    review = read(supervisor, f"/versions/{version.pk}/")
    assert "Loading, Lane 1 top · mean error" in review
    assert "-50.0" in review.replace("−", "-")
    told = {"key": "a", "seen": version.sha256, "when": "now", "password": PASSWORD}
    assert supervisor.post(f"/versions/{version.pk}/decide/approve/", told).status_code == 302
    assert Estimator.objects.get(run=run).state == "active"
    assert f'href="/versions/{version.pk}/">v2' in read(supervisor, f"/lines/{plant.line.key}/versions/")
    assert "New estimators wait" not in read(engineer, health)


def test_an_earlier_version_is_drafted_again_from_its_page(
    plant: Plant, run: TrainingRun, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("supervisor")
    engineer, supervisor = signed_in("engineer"), signed_in("supervisor")
    engineer.post(f"/models/runs/{run.pk}/submit/", {"reason": "Better"})
    version = Version.objects.latest("pk")
    told = {"key": "a", "seen": version.sha256, "when": "now", "password": PASSWORD}
    supervisor.post(f"/versions/{version.pk}/decide/approve/", told)
    first = f"/versions/{version.base_id}/"
    assert "Draft it again" in read(engineer, first)
    assert "Draft it again" not in read(supervisor, first)
    assert engineer.post(f"{first}decide/again/", {"key": "b", "reason": "It hunts"}).status_code == 302
    back = Version.objects.latest("pk")
    assert (back.state, back.base, back.content) == ("draft", version, version.base.content)


def test_over_the_api_the_newest_run_is_submitted_once_for_a_key(
    plant: Plant, run: TrainingRun, signed_in: SignIn
) -> None:
    url, engineer = f"/api/v1/equipment/{plant.coater.pk}/models/submit", signed_in("engineer")
    told = {"content_type": "application/json", "headers": {"Idempotency-Key": "k"}}
    answers = [engineer.post(url, json.dumps({"reason": "Better"}), **told) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["kind"], answers[0].json()["state"]) == ("estimators", "in_review")
    assert Version.objects.filter(source="training").count() == 1


def test_without_a_run_that_passed_there_is_nothing_to_submit(plant: Plant, signed_in: SignIn) -> None:
    url, told = f"/api/v1/equipment/{plant.coater.pk}/models/submit", {"content_type": "application/json"}
    told |= {"data": json.dumps({"reason": "x"}), "headers": {"Idempotency-Key": "k"}}
    answers = [signed_in(who).post(url, **told) for who in ("engineer", "viewer")]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (409, "nothing_proposed"), (403, "no_permission"),
    ]  # fmt: skip


def test_a_plan_that_puts_in_force_is_signed_by_somebody_else_at_the_engineers_screen(
    plant: Plant, signed_in: SignIn, with_password: WithPassword
) -> None:
    supervisor, engineer = with_password("supervisor"), signed_in("engineer")
    form = {"every_rolls": "20", "then": "put_in_force", "reason": "Nights"}
    asked = engineer.post(f"/models/{plant.coater.pk}/plan/", form)
    assert asked.status_code == 403
    assert "put in force without another look" in html.unescape(asked.content.decode())
    assert not TrainingPlan.objects.exists()
    signed = form | {"signer": supervisor.username, "password": PASSWORD}
    assert engineer.post(f"/models/{plant.coater.pk}/plan/", signed).status_code == 302
    row = TrainingPlan.objects.get()
    assert (row.decided_by, row.approved_by) == (plant.person("engineer"), supervisor)
    assert f"Approved by {supervisor.username}" in read(engineer, f"/models/{plant.coater.pk}/")


def test_a_plan_that_nobody_else_has_signed_says_that_it_only_proposes(plant: Plant, signed_in: SignIn) -> None:
    TrainingPlan.objects.create(
        equipment=plant.coater, every_rolls=5, then="put_in_force", decided_by=plant.person("engineer"),
        decided_at=plant.roll.started_at - timedelta(days=1), reason="Of last year",
    )  # fmt: skip
    assert "it only proposes" in read(signed_in("viewer"), f"/models/{plant.coater.pk}/")
