"""Approve, reject, ask: from the change page and the inbox."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation

from control.actions import loops
from control.models import Change, Tag
from dashboards import wording
from dashboards.names import Names
from dashboards.permissions import now
from dashboards.templatetags.apc import number, signed
from tests import factories
from tests.dashboards.conftest import PASSWORD
from tests.factories import Plant

SignIn = Callable[[str], Client]
WithPassword = Callable[[str], User]


def decide(client: Client, change: Change, verb: str, **more: object) -> int:
    form = {"verb": verb, "key": f"{verb}-1", "version": change.version, **more}
    return client.post(f"/changes/{change.pk}/decide/", form).status_code


def test_an_operator_approves_what_is_within_his_authority(change: Change, signed_in: SignIn) -> None:
    assert decide(signed_in("operator"), change, "approve") == 302
    change.refresh_from_db()
    assert (change.state, change.decided_by.username.partition("@")[0]) == ("approved", "operator")


def test_the_language_of_the_approver_changes_nothing(change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    client.cookies["django_language"] = "ko"
    with translation.override("ko"):
        assert decide(client, change, "approve") == 302


def test_who_comes_second_reads_who_was_first(change: Change, signed_in: SignIn) -> None:
    decide(signed_in("operator"), change, "approve")
    form = {"verb": "approve", "key": "other", "version": change.version}
    answer = signed_in("operator2").post(f"/changes/{change.pk}/decide/", form)
    assert answer.status_code == 409
    assert "operator@" in answer.content.decode()


def test_a_wrong_version_is_told_which_was_seen_and_which_it_is(change: Change, signed_in: SignIn) -> None:
    form = {"verb": "approve", "key": "old", "version": change.version - 1}
    page = signed_in("operator").post(f"/changes/{change.pk}/decide/", form).content.decode()
    assert f"Version</th><td>{change.version - 1}</td><td>{change.version}</td>" in page


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_refusal_names_what_has_moved_as_the_machine_does(
    plant: Plant, change: Change, signed_in: SignIn, language: str
) -> None:
    Tag.objects.filter(pk=plant.tags["pump_top"].pk).update(name="Pump, top side", name_ko="상면 펌프")
    factories.snapshot(plant, timezone.now(), pump_top=61.5)
    form = {"verb": "approve", "key": "k", "version": change.version}
    answer = signed_in("operator").post(f"/changes/{change.pk}/decide/", form, headers={"accept-language": language})
    named = {"en": "Pump, top side", "ko": "상면 펌프"}[language]
    assert answer.status_code == 409
    assert f'<th scope="row">{named}</th><td>60</td><td>61.5</td>' in answer.content.decode()


def test_a_refusal_names_the_stream_that_is_not_relied_on(plant: Plant) -> None:
    named = Names(plant.line.pk).of_machine(plant.coater)
    told = {"loading/1-top": {"is": "doubted"}, "pump_top:high": {"is": 1.0}, "state": {"is": "applied"}}
    with translation.override("en"):
        words = [row[0] for row in wording.differences(told, named)]
        assert words == [str(plant.streams["loading/1-top"]), f"{plant.tags['pump_top']}: upper machine limit", "State"]


def test_the_same_form_sent_twice_has_one_effect(change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    assert [decide(client, change, "approve") for _ in range(2)] == [302, 302]
    assert Change.objects.get(pk=change.pk).version == change.version + 1


def test_the_history_says_what_was_tried_and_why_it_was_refused(change: Change, signed_in: SignIn) -> None:
    decide(signed_in("operator"), change, "approve")
    decide(signed_in("operator2"), change, "approve", key="late")
    page = signed_in("viewer").get(f"/changes/{change.pk}/").content.decode()
    assert "<td>approval refused</td><td>Somebody decided or it changed before you" in page


def test_the_history_names_the_reason_of_a_rejection(change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    decide(client, change, "reject", code="sensor_odd", text="twice today")
    page = client.get(f"/changes/{change.pk}/").content.decode()
    assert "<td>rejected</td><td>Sensor odd" in page
    assert "sensor_odd" not in page


def test_rejecting_needs_a_reason(change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    assert decide(client, change, "reject", code="no_such_reason") == 422
    assert decide(client, change, "reject", code="sensor_odd", key="again") == 302
    change.refresh_from_db()
    assert (change.state, change.reason_code.key) == ("rejected", "sensor_odd")


def test_asking_the_supervisor_takes_the_decision_away_from_the_operator(
    change: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    assert decide(signed_in("operator"), change, "ask_supervisor") == 302
    change.refresh_from_db()
    assert decide(signed_in("operator2"), change, "approve") == 403
    with_password("supervisor")
    assert decide(signed_in("supervisor"), change, "approve", password=PASSWORD) == 302


def test_the_page_never_offers_a_lit_approve_button(change: Change, signed_in: SignIn) -> None:
    page = signed_in("operator").get(f"/changes/{change.pk}/").content.decode()
    button = page[page.index('value="approve"') - 60 : page.index('value="approve"') + 60]
    assert "disabled" in button
    assert "autofocus" not in page


def test_the_page_says_the_change_in_one_sentence_with_contributions(change: Change, signed_in: SignIn) -> None:
    page = signed_in("operator").get(f"/changes/{change.pk}/").content.decode()
    assert "Raise Pump top by 0.5 % (60.00 to 60.30 rpm)" in page
    assert "+0.300" in page


def test_what_was_fed_forward_and_the_limits_that_were_met_are_told_by_the_names_of_the_tags(
    change: Change, signed_in: SignIn
) -> None:
    shares = [{"name": "solids", "amount": 0.3}, {"name": "coater:loading", "amount": 0.1}]
    change.moves.update(contributions=shares)
    constraints = ["pump_top:high", "coater:loading/1-top:not_fed", "sum_zero"]
    Change.objects.filter(pk=change.pk).update(evidence=change.evidence | {"constraints": constraints})
    page = signed_in("operator").get(f"/changes/{change.pk}/").content.decode()
    assert "Fed forward: Solids" in page
    assert "Fed forward: Coater: Loading" in page
    assert "Pump top: upper machine limit" in page
    assert "Coater: Loading, Lane 1 top: late or missing" in page
    assert "moves that must cancel" in page


def test_the_inbox_says_which_guardrail_blocked_a_change(change: Change, signed_in: SignIn) -> None:
    Change.objects.filter(pk=change.pk).update(state="blocked", reason="machine_silent")
    assert "Blocked by a guardrail" in (page := signed_in("operator").get("/inbox/").content.decode())
    assert "the machine sends no data" in page


@pytest.mark.parametrize(("value", "told"), [(-0.0004, "+0.000"), (-0.0006, "-0.001"), (0.0, "+0.000")])
def test_what_rounds_to_nothing_has_no_minus(value: float, told: str) -> None:
    assert signed(value, 3) == told
    assert number(value, 3) == told.removeprefix("+")


def test_the_inbox_rejects_what_is_ticked_and_leaves_what_has_changed(change: Change, signed_in: SignIn) -> None:
    form = {"change": f"{change.pk}:{change.version - 1}", "code": "sensor_odd", "key": "b1"}
    client = signed_in("operator")
    client.post("/inbox/reject/", form)
    assert Change.objects.get(pk=change.pk).state == "pending_operator"
    client.post("/inbox/reject/", form | {"change": f"{change.pk}:{change.version}", "key": "b2"})
    assert Change.objects.get(pk=change.pk).state == "rejected"


def test_hold_is_one_tap_and_only_a_signed_supervisor_ends_it(
    plant: Plant, change: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("supervisor")
    operator, supervisor = signed_in("operator"), signed_in("supervisor")
    assert operator.post(f"/lines/{plant.line.key}/hold/").status_code == 302
    assert "hold-on" in operator.get(f"/lines/{plant.line.key}/held/").content.decode()
    assert decide(operator, change, "approve") == 409
    release = f"/holds/{plant.line.holds.get().pk}/release/"
    supervisor.post(release, {"key": "r1", "reason": "checked", "password": "wrong"})
    assert plant.line.holds.filter(ended_at__isnull=True).exists()
    supervisor.post(release, {"key": "r1", "reason": "checked", "password": PASSWORD})
    assert not plant.line.holds.filter(ended_at__isnull=True).exists()


def test_a_held_line_says_since_when_and_by_whom(plant: Plant, signed_in: SignIn) -> None:
    loops.hold(plant.line, actor=plant.person("operator"), now=now(), reason="wrong foil")
    page = signed_in("viewer").get(f"/lines/{plant.line.key}/").content.decode()
    assert "wrong foil" in page
    assert "KST" in page


def test_whoever_works_on_the_line_gets_the_form_to_end_a_hold_without_a_reload(
    plant: Plant, signed_in: SignIn
) -> None:
    def head(name: str) -> str:
        return signed_in(name).get(f"/lines/{plant.line.key}/held/").content.decode()

    before = head("supervisor")
    assert ("/release/" in before, 'class="hold"' in before) == (False, True)
    loops.hold(plant.line, actor=plant.person("operator"), now=now())
    held = head("supervisor")
    assert ("/release/" in held, 'class="hold"' in held) == (True, False)
    assert ("/release/" in head("viewer"), "/release/" in head("operator")) == (False, True)
    assert ('data-signer=""' in head("operator"), 'data-signer=""' in held) == (True, False)
    mark = 'data-content="'
    assert before.partition(mark)[2].partition('"')[0] != held.partition(mark)[2].partition('"')[0]


def test_a_held_loop_leaves_the_button_for_the_line(plant: Plant, signed_in: SignIn) -> None:
    loops.hold(plant.loop, actor=plant.person("operator"), now=now())
    head = signed_in("supervisor").get(f"/lines/{plant.line.key}/held/").content.decode()
    assert ("hold-on" in head, 'class="hold"' in head, "/release/" in head) == (True, True, True)


def unconfirmed(change: Change) -> Change:
    Change.objects.filter(pk=change.pk).update(state="unconfirmed", taken_at=now())
    change.refresh_from_db()
    return change


def test_a_supervisor_says_what_he_found_of_an_unconfirmed_write(change: Change, signed_in: SignIn) -> None:
    client = signed_in("supervisor")
    assert "It was done" in client.get(f"/changes/{unconfirmed(change).pk}/").content.decode()
    assert decide(client, change, "was_not_done") == 422
    assert decide(client, change, "was_not_done", text="The display says 60.0 rpm.", key="again") == 302
    change.refresh_from_db()
    assert change.state == "write_failed"


def test_an_operator_does_not_say_it(change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")
    assert "It was done" not in client.get(f"/changes/{unconfirmed(change).pk}/").content.decode()
    assert decide(client, change, "was_done", text="I think so.") == 403
    change.refresh_from_db()
    assert change.state == "unconfirmed"
