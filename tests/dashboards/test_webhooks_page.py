"""Engineers make and stop webhooks on a page or over the API; the secret is shown once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from control.models import Answer, Webhook
from tests.factories import Plant

SignIn = Callable[[str], Client]
URL = "https://hooks.example.com/apc"


@pytest.fixture(autouse=True)
def _a_host(settings: Any) -> None:
    settings.APC_WEBHOOK_HOSTS = ["hooks.example.com"]


def make(client: Client, plant: Plant, **form: Any) -> Any:
    told = {"url": URL, "action": ["change.confirm"], "reason": "the historian asks"} | form
    return client.post(f"/lines/{plant.line.key}/hooks/make/", told)


def ask(client: Client, path: str, key: str | None = None, **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers)


def test_an_engineer_makes_one_sees_its_secret_once_and_stops_it(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    answer = make(client, plant)
    hook = Webhook.objects.get()
    assert answer.headers["Cache-Control"].count("no-store") == 1
    assert answer.content.decode().count("shown this once") == 1
    assert "shown this once" not in client.get(f"/lines/{plant.line.key}/hooks/").content.decode()
    assert make(client, plant).status_code == 409
    assert client.post(f"/hooks/{hook.pk}/try/", {"key": "k0"}).status_code == 409
    assert client.post(f"/hooks/{hook.pk}/stop/", {"key": "k"}).status_code == 302
    hook.refresh_from_db()
    assert not hook.is_active


def test_over_the_api_it_is_the_same(plant: Plant, signed_in: SignIn) -> None:
    client, url = signed_in("engineer"), f"/lines/{plant.line.pk}/webhooks"
    made = ask(client, url, url=URL, actions=["change.confirm"])
    assert made.status_code == 200
    assert len(made.json()["secret"]) == 64
    (told,) = client.get(f"/api/v1{url}").json()
    assert (told["url"], "secret" in told, "nonce" in told) == (URL, False, False)
    assert ask(client, url, url=URL, actions=["change.confirm"]).json()["code"] == "hook_is_there"
    assert ask(client, url, url="https://x.example/", actions=["change.confirm"]).json()["code"] == "host_not_allowed"
    assert ask(client, url, url=URL + "/2", actions=["audit.forge"]).json()["code"] == "unknown_choice"
    assert ask(client, f"/webhooks/{told['id']}/try", "k1").json()["code"] == "hook_does_not_wait"
    assert ask(client, f"/webhooks/{told['id']}/stop", "k2").status_code == 200
    assert made.json()["secret"] not in json.dumps(list(Answer.objects.values()), default=str)


@pytest.mark.parametrize("name", ["viewer", "operator", "supervisor", "admin", "auditor", "outsider"])
def test_others_are_refused_by_every_door(plant: Plant, signed_in: SignIn, name: str) -> None:
    make(signed_in("engineer"), plant)
    hook, client, status = Webhook.objects.get(), signed_in(name), 404 if name == "outsider" else 403
    assert client.get(f"/lines/{plant.line.key}/hooks/").status_code == status
    assert make(client, plant, url=URL + "/2").status_code == status
    for verb in ("stop", "try"):
        assert client.post(f"/hooks/{hook.pk}/{verb}/", {"key": verb}).status_code == status
        assert ask(client, f"/webhooks/{hook.pk}/{verb}", f"api {verb}").status_code == status
    assert client.get(f"/api/v1/lines/{plant.line.pk}/webhooks").status_code == status
    assert ask(client, f"/lines/{plant.line.pk}/webhooks", url=URL, actions=["change.confirm"]).status_code == status
    assert Webhook.objects.get().is_active
