"""A script with a person's token: what it may, what it never may, and how its person makes and ends it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from control.actions import tokens
from control.models import Answer, ApiToken, Change, Grant, Signature
from tests.dashboards.conftest import PASSWORD
from tests.factories import Plant, hand

SignIn = Callable[[str], Client]
WithPassword = Callable[[str], User]


def script(person: User, *, acts: bool = True) -> Client:
    now = timezone.now()
    _row, secret = tokens.make("reports", days=30, acts=acts, by=hand(person, now), now=now)
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})


def send(client: Client, path: str, key: str = "k", **body: Any) -> Any:
    headers = {"Idempotency-Key": key}
    return client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers)


def test_it_is_its_person_without_cookie_and_csrf(plant: Plant, change: Change) -> None:
    client = script(plant.person("operator"))
    assert client.get("/api/v1/me").json()["roles"] == {plant.line.key: ["operator"]}
    assert send(client, f"/changes/{change.pk}/approve", version=change.version).status_code == 200
    change.refresh_from_db()
    assert change.decided_by == plant.person("operator")
    assert Signature.objects.filter(meaning="approve").get().station == "token reports"


def test_one_that_only_reads_is_refused_everything_else(plant: Plant, change: Change) -> None:
    client = script(plant.person("operator"), acts=False)
    assert client.get(f"/api/v1/changes/{change.pk}").status_code == 200
    answer = send(client, f"/changes/{change.pk}/approve", version=change.version)
    assert (answer.status_code, answer.json()["code"]) == (403, "token_reads")
    assert send(client, f"/lines/{plant.line.pk}/hold").status_code == 403


def test_it_has_the_rights_of_the_moment(plant: Plant, change: Change) -> None:
    client = script(plant.person("operator"))
    Grant.objects.filter(user=plant.person("operator")).update(valid_to=timezone.now())
    assert client.get(f"/api/v1/changes/{change.pk}").status_code == 404
    assert client.get("/api/v1/lines").json() == []


def test_what_takes_a_password_takes_it_every_time(
    plant: Plant, change: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    supervisor = with_password("supervisor")
    browser, client = signed_in("supervisor"), script(supervisor)
    assert browser.post("/sign/", {"password": PASSWORD}).status_code == 204
    client.cookies["apc_session"] = browser.cookies["apc_session"].value  # a session beside the token helps nothing
    hold = send(client, f"/lines/{plant.line.pk}/hold").json()["id"]
    assert send(client, "/sign", password=PASSWORD).status_code == 204
    answer = send(client, f"/holds/{hold}/release", key="a", reason="clear")
    assert (answer.status_code, answer.json()["code"]) == (403, "signature_needed")
    assert send(client, f"/holds/{hold}/release", key="a", reason="clear", password=PASSWORD).status_code == 200


def test_a_worthless_one_is_refused_though_there_is_a_session(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("operator")
    answer = client.get("/api/v1/lines", headers={"Authorization": "Bearer apc_nothing"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


def test_it_opens_no_page(plant: Plant) -> None:
    client = script(plant.person("operator"))
    for url in ("/", "/tokens/", "/audit/", "/admin/"):
        assert client.get(url).status_code == 302, url


def test_no_token_begets_another(plant: Plant, with_password: WithPassword) -> None:
    client = script(with_password("operator"))
    answer = send(client, "/tokens", name="x", days=9, acts=True, password=PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (403, "session_needed")
    assert ApiToken.objects.count() == 1


def test_on_its_page_it_is_made_with_the_password_shown_once_and_revoked(
    plant: Plant, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("operator")
    client, form = signed_in("operator"), {"name": "reports", "days": "30"}
    asked = client.post("/tokens/make/", form)
    assert (asked.status_code, asked.templates[0].name) == (403, "sign/page.html")
    answer = client.post("/tokens/make/", {**form, "password": PASSWORD})
    [secret] = re.findall(r"apc_[\w-]{43}", answer.content.decode())
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret not in client.get("/tokens/").content.decode()
    bearer = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/me", headers=bearer).status_code == 200
    token = ApiToken.objects.get()
    assert not token.acts
    assert signed_in("supervisor").post(f"/tokens/{token.pk}/revoke/", {"key": "k"}).status_code == 404
    assert client.post(f"/tokens/{token.pk}/revoke/", {"key": "k"}).status_code == 302
    assert Client().get("/api/v1/me", headers=bearer).status_code == 401


def test_over_the_api_it_is_the_same(plant: Plant, signed_in: SignIn, with_password: WithPassword) -> None:
    with_password("operator")
    client = signed_in("operator")
    assert send(client, "/tokens", name="x", days=9).json()["code"] == "signature_needed"
    made = send(client, "/tokens", name="x", days=9, acts=True, password=PASSWORD)
    assert made.status_code == 201
    assert made.json()["secret"] not in json.dumps(list(Answer.objects.values()), default=str)
    [told] = client.get("/api/v1/tokens").json()
    assert (told["name"], told["acts"], "secret" in told) == ("x", True, False)
    assert send(client, f"/tokens/{told['id']}/revoke", key="r").status_code == 200
    assert send(client, f"/tokens/{told['id']}/revoke", key="s").json()["code"] == "token_revoked"
    assert send(client, "/tokens", name="x", days=400, password=PASSWORD).status_code == 422


@pytest.mark.parametrize("form", [{"days": "400"}, {"days": "x"}, {"name": " "}])
def test_a_form_that_cannot_be_meant_is_refused_in_words(
    plant: Plant, signed_in: SignIn, with_password: WithPassword, form: dict[str, str]
) -> None:
    with_password("operator")
    told = {"name": "reports", "days": "30", "password": PASSWORD} | form
    assert signed_in("operator").post("/tokens/make/", told).status_code == 422
    assert not ApiToken.objects.exists()
