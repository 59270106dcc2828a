"""The ladder of a loop on its page and over the API, and HOLD at three places."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from control.actions import loops
from control.core.demotion import Trigger
from control.core.modes import Mode
from control.core.promotion import Condition, Met
from control.models import Hold, Loop, ModeSpell, Signature
from dashboards import wording
from tests.dashboards.conftest import PASSWORD
from tests.factories import Plant, grant
from tests.proven import prove

SignIn = Callable[[str], Client]
WithPassword = Callable[[str], User]


def at(plant: Plant) -> str:
    return f"/loops/{plant.loop.pk}/"


def ask(client: Client, plant: Plant, mode: str, key: str = "k", **more: str) -> Any:
    return client.post(f"{at(plant)}mode/", {"mode": mode, "reason": "trial", "key": key, **more})


def api(client: Client, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/v1{path}", json.dumps(body or {}), content_type="application/json", headers=headers)


def test_the_page_lists_every_condition_and_says_which_are_not_met(plant: Plant, signed_in: SignIn) -> None:
    page = signed_in("viewer").get(at(plant)).content.decode()
    assert "50 decisions: 0 so far" in page
    assert "the loop cannot be released yet" in page
    assert page.count("<td>✓ met") == 4
    assert "mode/" not in page


@pytest.mark.parametrize(
    ("condition", "has", "needed", "told"),
    [
        (Condition.SUPERVISED_DAYS, 0.339, 7.0, "7 days in supervised mode: 8 h so far"),
        (Condition.VM_ERROR, 0.00474, 24.0, "Every roll within its predicted interval for 24 h: 17 s"),
        (Condition.HANDSHAKE, 20.4, 30.0, "The machine answers the dispatcher; last heard: 20 s ago"),
        (Condition.HANDSHAKE, float("inf"), 30.0, "The machine answers the dispatcher; last heard: never"),
        (Condition.CALM, float("inf"), 1800.0, "30 min since the loop last went down: it never did"),
        (Condition.ACCEPTED, 0.5, 0.9, "90 % of them accepted: 50 %"),
    ],
)
def test_a_condition_is_told_as_a_person_would(condition: Condition, has: float, needed: float, told: str) -> None:
    assert wording.condition(Met(condition, False, has, needed)) == told


def test_a_supervisor_asks_for_a_mode_on_the_page(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("supervisor")
    assert ask(client, plant, "shadow").status_code == 302
    assert ask(client, plant, "shadow").status_code == 302
    assert ModeSpell.objects.values_list("actual", "code", "by").get() == (
        "shadow", "asked", plant.person("supervisor").pk,
    )  # fmt: skip
    assert "Asked for trial" in client.get(at(plant)).content.decode()


@pytest.mark.parametrize(("who", "status"), [("operator", 403), ("engineer", 403), ("viewer", 403), ("outsider", 404)])
def test_others_do_not(plant: Plant, signed_in: SignIn, who: str, status: int) -> None:
    assert ask(signed_in(who), plant, "shadow").status_code == status
    body = {"mode": "shadow", "reason": "trial"}
    assert api(signed_in(who), f"/loops/{plant.loop.pk}/mode", body, "k2").status_code == status
    assert Loop.objects.get().actual_mode == "supervised"


def test_what_is_missing_for_automatic_mode_is_told(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("supervisor")
    page = ask(client, plant, "auto")
    assert page.status_code == 409
    assert "Days in supervised mode" in page.content.decode()
    told = api(client, f"/loops/{plant.loop.pk}/mode", {"mode": "auto", "reason": "trial"}, "k2")
    assert (told.status_code, told.json()["code"]) == (409, "auto_conditions_unmet")
    assert told.json()["difference"]["decisions"] == {"is": 0, "needed": 50}


def test_a_proven_loop_is_released_with_a_password_at_the_screen(
    plant: Plant, signed_in: SignIn, with_password: WithPassword
) -> None:
    prove(plant, timezone.now())
    boss, operator = with_password("supervisor"), signed_in("operator")
    assert "Release for automatic mode" in signed_in("supervisor").get(at(plant)).content.decode()
    assert ask(signed_in("supervisor"), plant, "auto").status_code == 403
    assert ask(operator, plant, "auto", signer=boss.username, password="wrong").status_code == 403
    assert Loop.objects.get().actual_mode == "supervised"
    assert ask(operator, plant, "auto", signer=boss.username, password=PASSWORD).status_code == 302
    signed = Signature.objects.get()
    assert (signed.user, signed.screen_of, signed.meaning) == (boss, plant.person("operator"), "enter_auto")
    assert Loop.objects.get().actual_mode == "auto"


def test_the_api_tells_modes_conditions_and_stretches(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("supervisor")
    body = {"mode": "advisory", "reason": "trial"}
    first, again = (api(client, f"/loops/{plant.loop.pk}/mode", body, "k") for _ in range(2))
    assert first.json() == again.json() == {"id": plant.loop.pk, "requested": "advisory", "actual": "advisory"}
    assert again.headers["Idempotent-Replayed"] == "true"
    told = client.get(f"/api/v1/loops/{plant.loop.pk}").json()
    assert {one["condition"] for one in told["conditions"]} == set(Condition)
    assert [spell["actual"] for spell in told["spells"]] == ["advisory"]
    assert client.get("/api/v1/loops").json()[0]["requested"] == "advisory"
    assert api(client, f"/loops/{plant.loop.pk}/mode", {"mode": "fast", "reason": "x"}, "k3").status_code == 422
    assert api(Client(), f"/loops/{plant.loop.pk}/mode", body, "k4").status_code == 401


SCOPES = ["loop", "line", "site"]


def places(plant: Plant) -> dict[str, tuple[str, str]]:
    """Where each scope is held: on a page, and over the API."""
    return {
        "loop": (f"/loops/{plant.loop.pk}/hold/", f"/loops/{plant.loop.pk}/hold"),
        "line": (f"/lines/{plant.line.key}/hold/", f"/lines/{plant.line.pk}/hold"),
        "site": (f"/sites/{plant.site.key}/hold/", f"/sites/{plant.site.key}/hold"),
    }


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("by_api", [False, True])
def test_hold_takes_one_tap_without_key_reason_or_password(
    plant: Plant, signed_in: SignIn, scope: str, by_api: bool
) -> None:
    grant(plant.person("operator"), "operator", site=plant.site)
    client, (page, path) = signed_in("operator"), places(plant)[scope]
    for _ in range(2):
        answer = api(client, path) if by_api else client.post(page)
        assert answer.status_code == (200 if by_api else 302)
    held = Hold.objects.get()
    assert held.scope == {"loop": plant.loop, "line": plant.line, "site": plant.site}[scope]
    assert "hold-on" in client.get(f"/lines/{plant.line.key}/held/").content.decode()
    assert "hold-on" in client.get(at(plant)).content.decode()


@pytest.mark.parametrize("scope", SCOPES)
def test_who_may_not_stop_is_told(plant: Plant, signed_in: SignIn, scope: str) -> None:
    page, path = places(plant)[scope]
    assert signed_in("viewer").post(page).status_code == 403
    assert api(signed_in("viewer"), path).status_code == 403
    assert signed_in("outsider").post(page).status_code == 404
    assert api(Client(), path).status_code == 401
    assert not Hold.objects.exists()


def test_a_line_alone_does_not_stop_the_site(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("supervisor")
    assert client.post(f"/sites/{plant.site.key}/hold/").status_code == 403
    assert "HOLD all of" not in client.get(f"/lines/{plant.line.key}/").content.decode()


def test_the_reason_is_given_afterwards_and_the_end_is_signed(
    plant: Plant, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("supervisor")
    operator, supervisor = signed_in("operator"), signed_in("supervisor")
    held = api(operator, f"/lines/{plant.line.pk}/hold").json()
    assert (held["line"], held["reason"], held["settled"]) == (plant.line.key, "", True)
    assert operator.post(f"/holds/{held['id']}/reason/", {"reason": "foil torn"}).status_code == 302
    assert [row["reason"] for row in operator.get("/api/v1/holds").json()] == ["foil torn"]
    release = {"reason": "mended"}
    assert api(supervisor, f"/holds/{held['id']}/release", release, "r").json()["code"] == "signature_needed"
    signed = {**release, "password": PASSWORD}
    assert api(supervisor, f"/holds/{held['id']}/release", signed, "r").json() == {"id": held["id"], "ended": True}
    assert api(supervisor, f"/holds/{held['id']}/release", signed, "r2").status_code == 409
    assert operator.get("/api/v1/holds").json() == []


@pytest.mark.parametrize("trigger", list(Trigger))
def test_every_reason_to_go_down_has_words(trigger: Trigger) -> None:
    assert wording.mode_reason({"code": trigger, "detail": "x"}) != f"{trigger} x"


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_has_words(mode: Mode) -> None:
    assert wording.MODES[mode]
    assert wording.MODES_MEAN[mode]


@pytest.mark.parametrize("condition", list(Condition))
def test_every_condition_has_words(condition: Condition) -> None:
    assert condition in wording.CONDITIONS


def test_a_loop_that_went_down_says_why(plant: Plant, signed_in: SignIn) -> None:
    Loop.objects.update(requested_mode="auto", actual_mode="auto")
    loops.demote(plant.loop, Mode.SUPERVISED, actor="watch", code=Trigger.SPLICE, now=timezone.now())
    page = signed_in("viewer").get(at(plant)).content.decode()
    assert "A splice or a new roll" in page
