"""A part of a change on its page and over the API; advice; and what is looked back on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from control.actions import changes
from control.models import Change, Loop
from dashboards.permissions import now
from tests import factories
from tests.factories import Plant

SignIn = Callable[[str], Client]


@pytest.fixture
def bundle(plant: Plant) -> Change:
    """The pump and two bolts, which were solved for apart."""
    at = now()
    factories.snapshot(plant, at)
    told = factories.proposal(at, pump_top=60.3, bolt_top_1=504.0, bolt_top_2=496.0)
    found = changes.propose(loop=plant.loop, proposal=told, evidence={}, actor="pipeline", now=at)
    assert found is not None
    return found


def page(client: Client, change: Change) -> str:
    return client.get(f"/changes/{change.pk}/").content.decode()


def ask(client: Client, change: Change, body: dict[str, Any], key: str = "k") -> Any:
    url, headers = f"/api/v1/changes/{change.pk}/approve", {"Idempotency-Key": key}
    return client.post(url, json.dumps(body), content_type="application/json", headers=headers)


def test_each_part_has_its_effect_and_its_button(bundle: Change, signed_in: SignIn) -> None:
    told = page(signed_in("operator"), bundle)
    parts = told[told.index("Parts that may be approved alone") : told.index("Propose other values")]
    assert (parts.count("Approve part"), parts.count("Raise Bolt top 1 by 0.8 %")) == (2, 1)
    row = parts[parts.index("<tbody><tr>") : parts.index("</tr>", parts.index("<tbody>"))]
    assert [text in row for text in (">20.00<", ">19.88<", ">19.98<", ">19.92<", ">20.02<")] == [True] * 5
    assert "Approve part" not in page(signed_in("viewer"), bundle)


def test_what_goes_together_is_not_offered_in_parts(change: Change, signed_in: SignIn) -> None:
    assert "Parts that may be approved alone" not in page(signed_in("operator"), change)


def test_approving_a_part_leaves_the_rest_out_and_says_so(bundle: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    form = {"verb": "approve", "key": "p", "version": bundle.version, "part": "0"}
    assert client.post(f"/changes/{bundle.pk}/decide/", form).status_code == 302
    told = page(client, bundle)
    assert "Left out, because only a part was approved" in told
    assert "19.88 → <b>19.98</b>" in told
    assert [row.tag.key for row in bundle.moves.all()] == ["pump_top"]


def test_a_part_that_is_none_is_refused_in_words(bundle: Change, signed_in: SignIn) -> None:
    form = {"verb": "approve", "key": "p", "version": bundle.version, "part": "7"}
    answer = signed_in("operator").post(f"/changes/{bundle.pk}/decide/", form)
    assert (answer.status_code, "solved for by themselves" in answer.content.decode()) == (422, True)


def test_parts_over_the_api(bundle: Change, signed_in: SignIn) -> None:
    client, url = signed_in("operator"), f"/api/v1/changes/{bundle.pk}"
    assert [move["part"] for move in client.get(url).json()["moves"]] == [0, 1, 1]
    wrong = ask(client, bundle, {"version": bundle.version, "parts": [0, 2]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "no_such_part")
    assert ask(client, bundle, {"version": bundle.version, "parts": [1]}, key="b").json()["state"] == "approved"
    found = client.get(url).json()
    assert [move["tag"] for move in found["moves"]] == ["bolt_top_1", "bolt_top_2"]
    assert [(move["tag"], move["left_out"]) for move in found["left_out"]] == [("pump_top", True)]
    assert found["expected"][0]["after"] == pytest.approx(19.88 + 0.04)
    assert found["evidence"]["expected"][0]["after"] == pytest.approx(19.88 + 0.33 * 0.3 + 0.04)


def test_advice_is_typed_at_the_machine_and_no_button_promises_more(change: Change, signed_in: SignIn) -> None:
    Loop.objects.update(actual_mode="advisory")
    told = page(signed_in("operator"), change)
    assert ("set it at the machine" in told, 'value="approve"' in told, 'value="reject"' in told) == (True, False, True)


@pytest.mark.parametrize(
    ("hindsight", "words"),
    [
        ({"measured": False}, "Too few streams were measured afterwards"),
        (
            {"measured": True, "verdict": "would_have_helped", "gain": 2.4},
            "Would have helped. Nearer to the targets by +2.4",
        ),
        ({"measured": True, "verdict": "no_difference", "gain": -0.3}, "No difference"),
        ({"measured": True, "verdict": "would_have_harmed", "gain": -4.0}, "Would have harmed"),
    ],
)
def test_what_was_rejected_is_looked_back_on(
    change: Change, signed_in: SignIn, hindsight: dict[str, Any], words: str
) -> None:
    client = signed_in("viewer")
    assert "Looking back" not in page(client, change)
    stream = {"stream": "loading/1-top", "target": 20.0, "stood": 19.61, "forgone": 0.1, "half_width": 0.1}
    told = hindsight | ({"streams": [stream]} if hindsight["measured"] else {})
    Change.objects.update(state="rejected", hindsight=told)
    shown = page(client, change)
    assert words in shown
    assert ("<b>19.61</b>" in shown, ">19.71<" in shown) == (hindsight["measured"], hindsight["measured"])
    assert client.get(f"/api/v1/changes/{change.pk}").json()["hindsight"] == told


def test_the_page_of_a_loop_and_the_api_tell_what_became_of_its_recommendations(
    plant: Plant, change: Change, signed_in: SignIn
) -> None:
    told = {"measured": True, "verdict": "would_have_helped"}
    Change.objects.update(state="rejected", hindsight=told)
    client = signed_in("viewer")
    shown = client.get(f"/loops/{plant.loop.pk}/").content.decode()
    row = '<th scope="row">Rejected</th><td class="n">1</td><td>Would have helped: 1</td>'
    assert row in shown
    record = client.get(f"/api/v1/loops/{plant.loop.pk}").json()["record"]
    assert record[1] == {"outcome": "rejected", "number": 1, "verdicts": {"would_have_helped": 1}}
