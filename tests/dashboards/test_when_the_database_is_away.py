"""PostgreSQL refuses while a page or the API is asked: come back, says the answer, and nothing was done."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from django.test import Client

from tests.factories import Plant, plant

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Plant:
    return plant()


@pytest.fixture
def client(line: Plant) -> Client:
    browser = Client(raise_request_exception=False)
    browser.force_login(line.person("operator"))
    return browser


def away(execute, sql, params, many, context):
    raise OperationalError("the connection is lost")


@pytest.mark.parametrize("path", ["/inbox/", "/api/v1/changes"])
def test_it_is_said_with_503_and_when_to_come_back(client: Client, path: str) -> None:
    with connection.execute_wrapper(away):
        answer = client.get(path)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "database" in answer.content.decode()


def test_the_api_says_it_by_a_code(client: Client) -> None:
    with connection.execute_wrapper(away):
        assert client.get("/api/v1/changes").json()["code"] == "database_away"


def test_another_failure_is_a_500_that_tells_no_secrets(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args, **kwargs):
        raise RuntimeError("a secret")

    monkeypatch.setattr("dashboards.api.changes.queries.visible", broken)
    answer = client.get("/api/v1/changes")
    assert (answer.status_code, answer.json()["code"]) == (500, "failed")
    assert "secret" not in answer.content.decode()
