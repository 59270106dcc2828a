"""A write that was refused before any action heard of it stands in the record: once, and no stranger fills it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from control.models import AuditEntry, Change
from dashboards import permissions
from dashboards.refused import MOST, Heard
from tests.factories import NOW, Plant

SignIn = Callable[[str], Client]
pytestmark = pytest.mark.django_db


def rows() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="request.refused").order_by("number"))


@pytest.mark.parametrize(
    ("name", "url", "status"),
    [
        ("operator", "/no/such/address/", 404),
        ("operator", "/changes/999999/decide/", 404),
        ("operator", "/accounts/logout/", 302),
        ("outsider", "/inbox/now/", 405),
    ],
)
def test_only_a_refusal_is_recorded(plant: Plant, signed_in: SignIn, name: str, url: str, status: int) -> None:
    assert signed_in(name).post(url).status_code == status
    assert [row.new["path"] for row in rows()] == [url] * (status == 404)


def test_who_may_not_enter_the_administration_is_recorded(plant: Plant, signed_in: SignIn) -> None:
    url = "/admin/control/change/1/delete/"
    assert signed_in("viewer").post(url).status_code == 302
    assert [(row.actor, row.new["path"], row.new["status"]) for row in rows()] == [(plant.person("viewer"), url, 401)]


def test_a_request_that_cannot_be_read_or_is_too_long_is_recorded(
    plant: Plant, signed_in: SignIn, settings: Any
) -> None:
    client, url = signed_in("operator"), f"/lines/{plant.line.key}/hold/"
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    assert client.post(url, {"a": 1, "b": 2}).status_code == 400
    assert [row.new["status"] for row in rows()] == [400]


def test_the_row_says_who_what_and_how_it_ended(plant: Plant, signed_in: SignIn) -> None:
    headers = {"Idempotency-Key": "k"}
    answer = signed_in("operator").post(
        "/api/v1/changes/999999/approve", json.dumps({"version": 1}), content_type="application/json", headers=headers
    )
    assert answer.status_code == 404
    [row] = rows()
    assert (row.actor, row.object_type, row.object_id) == (plant.person("operator"), "request", "POST")
    told = {"path": "/api/v1/changes/999999/approve", "status": 404, "code": "not_found", "address": "127.0.0.1"}
    assert row.new == told


def test_a_form_that_is_not_as_it_should_be_is_recorded(plant: Plant, change: Change, signed_in: SignIn) -> None:
    client, headers = signed_in("operator"), {"Idempotency-Key": "k"}
    url = f"/api/v1/changes/{change.pk}/approve"
    assert client.post(url, "{}", content_type="application/json", headers=headers).status_code == 422
    assert [row.new["status"] for row in rows()] == [422]


def test_what_an_action_refused_is_recorded_by_it_alone(plant: Plant, change: Change, signed_in: SignIn) -> None:
    client, headers = signed_in("viewer"), {"Idempotency-Key": "k"}
    url, body = f"/api/v1/changes/{change.pk}/approve", json.dumps({"version": change.version})
    for _ in range(2):  # the second time the stored answer is given again
        assert client.post(url, body, content_type="application/json", headers=headers).status_code == 403
    assert AuditEntry.objects.filter(action="change.approve.refused").count() == 1
    assert rows() == []


def test_reading_leaves_no_row(plant: Plant, signed_in: SignIn) -> None:
    assert signed_in("operator").get("/no/such/address/").status_code == 404
    assert rows() == []


def test_a_form_from_another_site_is_recorded(plant: Plant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(plant.person("operator"))
    assert client.post(f"/lines/{plant.line.key}/hold/").status_code == 403
    assert [(row.actor_name, row.new["status"]) for row in rows()] == [(plant.person("operator").username, 403)]


def test_a_stranger_has_one_row_a_minute(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    client, at = Client(), NOW
    monkeypatch.setattr(permissions, "now", lambda: at)
    client.handler.load_middleware()
    for _ in range(5):
        assert client.post(f"/lines/{plant.line.key}/hold/").status_code == 302
        assert client.post("/api/v1/changes/1/approve").status_code == 401
    assert [(row.actor, row.actor_name, row.new["status"]) for row in rows()] == [(None, "nobody", 401)]
    at += timedelta(minutes=1)
    client.post("/wp-login.php")
    assert [row.new["path"] for row in rows()][1:] == ["/wp-login.php"]


def test_many_strangers_have_so_many_rows_a_minute_together() -> None:
    told = Heard()
    heard: list[Any] = [told.first_time(None, f"10.0.{n // 256}.{n % 256}", NOW) for n in range(1000)]
    assert sum(heard) == MOST
    assert told.first_time(7, "10.0.0.1", NOW)  # whoever is signed in has rows of his own
    assert told.first_time(None, "10.0.0.1", NOW + timedelta(minutes=1))


def test_a_person_has_one_row_a_minute_for_one_address_and_status(
    plant: Plant, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, at = signed_in("operator"), NOW
    monkeypatch.setattr(permissions, "now", lambda: at)
    for path in ("/a/", "/b/", "/a/"):
        client.post(path)
    assert [row.new["path"] for row in rows()] == ["/a/", "/b/"]
    for n in range(100):
        client.post(f"/{n}/")
    assert len(rows()) == MOST
    at += timedelta(minutes=1)
    client.post("/a/")
    assert len(rows()) == MOST + 1
