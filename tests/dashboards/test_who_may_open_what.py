"""What those find who may not do much; who meets what at every address is in test_permissions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from control.models import Change, Handover, Signal, TrainingRun
from tests.factories import LONG_AGO, Plant

SEES = ("viewer", "operator", "supervisor", "engineer", "admin", "auditor")
AUDITS = {"supervisor", "engineer", "admin", "auditor"}
SignIn = Callable[[str], Client]


def pages(plant: Plant, change: Change) -> list[str]:
    lane = plant.streams["loading/1-top"].lane_id
    return [
        f"/models/{plant.coater.pk}/", f"/models/{plant.coater.pk}/training/",
        f"/lines/{plant.line.key}/", f"/lines/{plant.line.key}/now/", f"/lanes/{lane}/", f"/lanes/{lane}/signals/",
        f"/lanes/{lane}/capability/",
        f"/changes/{change.pk}/", f"/changes/{change.pk}/now/", f"/loops/{plant.loop.pk}/",
        f"/lines/{plant.line.key}/shift/", f"/lines/{plant.line.key}/shift/now/",
        f"/lines/{plant.line.key}/signals/", f"/lines/{plant.line.key}/signals/now/",
        f"/lines/{plant.line.key}/versions/", f"/lines/{plant.line.key}/versions/recipe/new/",
    ]  # fmt: skip


def limits(plant: Plant) -> str:
    return f"/streams/{plant.streams['loading/1-top'].pk}/limits/"


def proposed(plant: Plant) -> int:
    """A training that waits for a decision."""
    run, _ = TrainingRun.objects.get_or_create(
        equipment=plant.coater, state="proposed", defaults={"asked_at": timezone.now()}
    )
    return int(run.pk)


def raised(plant: Plant) -> int:
    """A signal that waits for an answer."""
    at = {"first_at": LONG_AGO, "last_at": LONG_AGO, "raised_at": LONG_AGO, "value": 21.0, "line": plant.line}
    row, _ = Signal.objects.get_or_create(stream=plant.streams["loading/1-top"], rule=1, closed_at=None, defaults=at)
    return int(row.pk)


def shift(plant: Plant) -> int:
    """The shift that runs."""
    day = {"starts_at": LONG_AGO, "ends_at": LONG_AGO + timedelta(days=999)}
    return int(Handover.objects.get_or_create(line=plant.line, report__isnull=True, defaults=day)[0].pk)


def writes(plant: Plant, change: Change) -> dict[str, dict[str, object]]:
    decision = {"version": change.version, "code": "sensor_odd"}
    return {
        f"/changes/{change.pk}/decide/": {**decision, "verb": "approve", "key": "k1"},
        f"/lines/{plant.line.key}/hold/": {},
        f"/models/{plant.coater.pk}/retrain/": {},
        f"/models/{plant.coater.pk}/kinds/": {"main": "pls", "reference": "ridge", "reason": "Because"},
        f"/models/{plant.coater.pk}/outside/": {"reason": "Because"},
        f"/models/{plant.coater.pk}/plan/": {"then": "propose", "reason": "Because"},
        f"/loops/{plant.loop.pk}/tune/": {"number": "1", "reason": "Because", "key": "k6"},
        **{
            f"/models/runs/{proposed(plant)}/{verb}/": {"reason": "Because"} for verb in ("cancel", "submit", "decline")
        },
        f"{limits(plant)}draft/": {"method": "moving_range", "reason": "x"},
        **{f"/shifts/{shift(plant)}/{verb}/": {"text": "x", "key": verb} for verb in ("notes", "give", "accept")},
        f"/lines/{plant.line.key}/signals/acknowledge/": {"signal": raised(plant), "key": "k3"},
        f"/signals/{raised(plant)}/shelve/": {"minutes": "5", "reason": "x", "key": "k4"},
        f"/signals/{raised(plant)}/unshelve/": {"key": "k5"},
        f"/lines/{plant.line.key}/versions/recipe/draft/": {"reason": "Because", "key": "k7"},
        f"/lines/{plant.line.key}/hooks/make/": {"url": "https://hooks.example.com/", "action": "change.confirm"},
        f"/lines/{plant.line.key}/events/": {"kind": "splice", "minutes_ago": "0", "key": "k2"},
    }


@pytest.mark.parametrize("name", ["viewer", "admin", "auditor"])
def test_who_only_looks_finds_no_button(plant: Plant, change: Change, signed_in: SignIn, name: str) -> None:
    client = signed_in(name)
    for url in [*pages(plant, change), "/", "/inbox/"]:
        assert "data-writes" not in client.get(url).content.decode(), url


def test_a_decision_without_its_csrf_token_is_refused(plant: Plant, change: Change) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(plant.person("operator"))
    for url, form in writes(plant, change).items():
        assert client.post(url, form).status_code == 403, url


def test_an_operator_answers_a_signal_and_a_viewer_cannot(plant: Plant, signed_in: SignIn) -> None:
    now = timezone.now()
    signal = Signal.objects.create(
        line=plant.line, stream=plant.streams["loading/1-top"], rule=1, first_at=now, last_at=now, last_seq=1,
        value=21.0, raised_at=now,
    )  # fmt: skip
    form = {"cause": "batch", "action": "watched", "action_taken": "Waited for the next batch"}
    assert signed_in("viewer").post(f"/signals/{signal.pk}/close/", form).status_code == 403
    assert signed_in("outsider").post(f"/signals/{signal.pk}/close/", form).status_code == 404
    assert signed_in("operator").post(f"/signals/{signal.pk}/close/", form).status_code == 302
    signal.refresh_from_db()
    assert signal.closed_by == plant.person("operator")
