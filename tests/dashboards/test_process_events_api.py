"""Events of the process over the API: told once by who may, read by who sees the line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from control.models import ProcessEvent
from tests.factories import Plant

SignIn = Callable[[str], Client]


def url(plant: Plant) -> str:
    return f"/api/v1/lines/{plant.line.pk}/events"


def told(**more: Any) -> dict[str, Any]:
    return {"kind": "batch_change", "at": timezone.now().isoformat(), "note": "batch 42", **more}


def post(client: Client, plant: Plant, body: dict[str, Any], key: str | None = "k-1") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(url(plant), json.dumps(body), content_type="application/json", headers=headers)


def test_an_event_is_told_once_however_often_it_is_sent(plant: Plant, signed_in: SignIn) -> None:
    client, body = signed_in("operator"), told()
    first, again = post(client, plant, body), post(client, plant, body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json() == again.json()
    assert ProcessEvent.objects.count() == 1
    assert post(client, plant, told(kind="splice")).json()["code"] == "idempotency_key_reused"
    assert post(client, plant, body, key="k-2").json()["code"] == "already_recorded"


def test_what_was_told_is_read_newest_first(plant: Plant, signed_in: SignIn) -> None:
    now = timezone.now()
    for minutes, kind in ((20, "filter_change"), (10, "splice"), (5, "batch_change")):
        body = told(kind=kind, at=(now - timedelta(minutes=minutes)).isoformat(), equipment="coater", side="top")
        assert post(signed_in("operator"), plant, body, key=kind).status_code == 200
    client = signed_in("viewer")
    rows = client.get(url(plant)).json()
    assert [row["kind"] for row in rows] == ["batch_change", "splice", "filter_change"]
    assert (rows[0]["equipment"], rows[0]["side"], rows[0]["recorded_by"]) == ("coater", "top", "operator@cathode-1")
    since = client.get(url(plant), {"from": (now - timedelta(minutes=12)).isoformat(), "kind": "splice"}).json()
    assert [row["kind"] for row in since] == ["splice"]


@pytest.mark.parametrize(("who", "status", "code"), [("viewer", 403, "no_permission"), ("outsider", 404, "not_found")])
def test_who_may_not_tell_is_told_so(plant: Plant, signed_in: SignIn, who: str, status: int, code: str) -> None:
    answer = post(signed_in(who), plant, told())
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not ProcessEvent.objects.exists()


def test_an_outsider_reads_nothing_and_nobody_without_signing_in(plant: Plant, signed_in: SignIn) -> None:
    assert signed_in("outsider").get(url(plant)).status_code == 404
    assert Client().get(url(plant)).status_code == 401


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "earthquake"}, "invalid"),
        ({"at": "2026-11-21T12:00:00"}, "no_offset"),
        ({"at": "2020-01-01T00:00:00Z"}, "not_now"),
        ({"side": "left"}, "invalid"),
        ({"note": "x" * 201}, "invalid"),
        ({"more": 1}, "invalid"),
        ({"equipment": "press"}, "not_found"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else given,
)
def test_what_makes_no_event_is_refused(plant: Plant, signed_in: SignIn, change: dict[str, Any], code: str) -> None:
    answer = post(signed_in("operator"), plant, told(**change))
    assert answer.json()["code"] == code
    assert not ProcessEvent.objects.exists()


def test_it_needs_a_key(plant: Plant, signed_in: SignIn) -> None:
    assert post(signed_in("operator"), plant, told(), key=None).status_code == 422


def test_the_description_of_the_api_has_it() -> None:
    paths = Client().get("/api/v1/openapi.json").json()["paths"]
    assert {"get", "post"} <= paths["/api/v1/lines/{line_id}/events"].keys()
