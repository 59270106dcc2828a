"""What /healthz and /readyz tell a load balancer."""

from __future__ import annotations

import pytest
from django.db import DatabaseError
from django.test import Client
from pytest_django import Settings

from dashboards.views import health


def test_healthz_asks_nothing_of_the_servers(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_tells_each_dependency_and_is_ready_before_the_first_data(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "database": {"ok": True},
        "redis": {"ok": True},
        "worker": {"ok": True, "age_s": None},
        "ingest": {"ok": False, "age_s": None},
    }


@pytest.mark.django_db
def test_without_redis_it_is_not_ready(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nonexistent/valkey.sock"
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["redis"] == {"ok": False}


@pytest.mark.django_db
def test_without_the_database_it_is_not_ready_and_says_no_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise DatabaseError("connection to server at 10.0.0.1 failed")

    monkeypatch.setattr(health, "worker", refuse)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert b"10.0.0.1" not in response.content


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_answers_to_reading_only(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
