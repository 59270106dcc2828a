"""Every role, every page, every method: what may be seen is seen, the rest does not exist."""

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
            f"/models/runs/{proposed(plant)}/{verb}/": {"reason": "Because"}
            for verb in ("cancel", "promote", "decline")
        },
        f"{limits(plant)}draft/": {"method": "moving_range", "reason": "x"},
        f"{limits(plant)}1/activate/": {"reason": "x"},
        f"{limits(plant)}1/discard/": {},
        **{f"/shifts/{shift(plant)}/{verb}/": {"text": "x", "key": verb} for verb in ("notes", "give", "accept")},
        f"/lines/{plant.line.key}/signals/acknowledge/": {"signal": raised(plant), "key": "k3"},
        f"/signals/{raised(plant)}/shelve/": {"minutes": "5", "reason": "x", "key": "k4"},
        f"/signals/{raised(plant)}/unshelve/": {"key": "k5"},
        f"/lines/{plant.line.key}/events/": {"kind": "splice", "minutes_ago": "0", "key": "k2"},
    }


@pytest.mark.parametrize("name", SEES)
def test_who_has_a_role_on_the_line_sees_its_pages(plant: Plant, change: Change, signed_in: SignIn, name: str) -> None:
    client = signed_in(name)
    for url in [*pages(plant, change), "/", "/inbox/", "/inbox/now/"]:
        assert client.get(url).status_code == 200, url


def test_for_an_outsider_the_line_does_not_exist(plant: Plant, change: Change, signed_in: SignIn) -> None:
    client = signed_in("outsider")
    for url in pages(plant, change):
        assert client.get(url).status_code == 404, url
    for url, form in writes(plant, change).items():
        assert client.post(url, form).status_code == 404, url
    assert plant.line.name not in client.get("/").content.decode()


def test_being_a_superuser_of_django_shows_no_line(plant: Plant, change: Change, signed_in: SignIn) -> None:
    assert signed_in("root").get(f"/lines/{plant.line.key}/").status_code == 404


def test_whoever_is_not_signed_in_is_sent_to_the_door(plant: Plant, change: Change) -> None:
    for url in [*pages(plant, change), "/", "/inbox/", "/audit/"]:
        assert Client().get(url).headers["Location"].startswith("/accounts/login/"), url
    for url, form in writes(plant, change).items():
        assert Client().post(url, form).status_code == 302, url


@pytest.mark.parametrize("name", ["viewer", "admin", "auditor"])
def test_who_only_looks_finds_no_button_and_is_refused_by_every_door(
    plant: Plant, change: Change, signed_in: SignIn, name: str
) -> None:
    client = signed_in(name)
    for url in [*pages(plant, change), "/", "/inbox/"]:
        assert "data-writes" not in client.get(url).content.decode(), url
    for url, form in writes(plant, change).items():
        assert client.post(url, form).status_code == 403, url
    change.refresh_from_db()
    assert change.state == "pending_operator"
    assert TrainingRun.objects.get().state == "proposed"


@pytest.mark.parametrize("name", [*SEES, "outsider"])
def test_the_audit_is_for_those_who_may_audit(plant: Plant, change: Change, signed_in: SignIn, name: str) -> None:
    expected = 200 if name in AUDITS else 403
    assert signed_in(name).get("/audit/").status_code == expected
    assert signed_in(name).get("/audit.csv").status_code == expected


@pytest.mark.parametrize("name", [*SEES, "outsider"])
def test_limits_are_for_those_who_may_audit_and_their_buttons_for_the_engineer(
    plant: Plant, change: Change, signed_in: SignIn, name: str
) -> None:
    expected = 200 if name in AUDITS else 404 if name == "outsider" else 403
    assert signed_in(name).get(limits(plant)).status_code == expected


def test_opening_a_page_never_writes(plant: Plant, change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    for url in (*writes(plant, change), "/inbox/reject/", "/station/"):
        assert client.get(url).status_code == 405, url


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
    form = {"cause": "batch", "action_taken": "Waited for the next batch"}
    assert signed_in("viewer").post(f"/signals/{signal.pk}/close/", form).status_code == 403
    assert signed_in("outsider").post(f"/signals/{signal.pk}/close/", form).status_code == 404
    assert signed_in("operator").post(f"/signals/{signal.pk}/close/", form).status_code == 302
    signal.refresh_from_db()
    assert signal.closed_by == plant.person("operator")
