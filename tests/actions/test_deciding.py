"""What a decider may do with a change, and what stops him."""

from dataclasses import replace
from datetime import timedelta

import pytest

from control.actions import changes, loops
from control.actions.errors import Conflict, Expired, Invalid, NoPermission, NotFound, Refused, Stale, Unsound
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import MeasuredBy, Quality
from control.models import AuditEntry, Change, Estimator, Limits, Loop, Recipe, Tag, VersionState
from tests.factories import (
    LONG_AGO,
    NOW,
    Plant,
    approved,
    hand,
    make_loop,
    make_recipe,
    offered,
    plant,
    point,
    reason_code,
    snapshot,
)

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def approve(line: Plant, change: Change, who: str = "operator", now=NOW, version: int | None = None) -> Change:
    return changes.approve(change.pk, by=hand(line.person(who), now), version=version or change.version, now=now)


def state_of(change: Change) -> str:
    return Change.objects.get(pk=change.pk).state


def test_a_small_move_is_put_before_the_operator_who_approves_it(line):
    change = offered(line)
    assert (change.state, change.needs) == (State.PENDING_OPERATOR, "operator")
    approve(line, change)
    change.refresh_from_db()
    assert (change.state, change.decided_by, change.decided_at) == (State.APPROVED, line.person("operator"), NOW)
    actions = AuditEntry.objects.order_by("number").values_list("action", "actor_name")
    assert list(actions) == [
        ("change.propose", "controller"),
        ("change.offer", "controller"),
        ("signature.give", "operator@cathode-1"),
        ("change.approve", "operator@cathode-1"),
    ]


@pytest.mark.parametrize("who", ["viewer", "engineer", "admin", "auditor", "outsider", "root"])
def test_nobody_but_operators_and_supervisors_approves(line, who):
    change = offered(line)
    with pytest.raises((NoPermission, NotFound)):
        approve(line, change, who)
    assert state_of(change) == State.PENDING_OPERATOR


def test_who_may_not_see_a_line_is_told_that_there_is_no_such_change(line):
    with pytest.raises(NotFound):
        approve(line, offered(line), "outsider")
    with pytest.raises(NotFound):
        changes.approve(987654321, by=hand(line.person("operator")), version=1, now=NOW)


def test_a_user_switched_off_a_moment_ago_approves_nothing(line):
    change, operator = offered(line), line.person("operator")
    type(operator).objects.filter(pk=operator.pk).update(is_active=False)
    with pytest.raises(NotFound):
        approve(line, change)


def test_the_second_of_two_reads_who_was_first_and_when(line):
    change = offered(line)
    approve(line, change)
    with pytest.raises(Conflict) as refusal:
        approve(line, change, "operator2", NOW + SECOND)
    assert refusal.value.difference == {
        "state": "approved", "version": change.version + 1, "since": NOW.isoformat(), "by": "operator@cathode-1",
    }  # fmt: skip
    assert state_of(change) == State.APPROVED


def test_a_decision_on_a_version_that_is_no_longer_the_present_one_is_refused(line):
    change = offered(line)
    changes.ask_supervisor(change.pk, actor=line.person("operator"), version=change.version, now=NOW)
    with pytest.raises(Conflict):
        approve(line, change, "supervisor")
    assert state_of(change) == State.PENDING_SUPERVISOR


def _operator_moves_the_pump(line: Plant) -> None:
    snapshot(line, NOW + SECOND, pump_top=60.1)


def _pump_goes_bad(line: Plant) -> None:
    snapshot(line, NOW + SECOND, bad=("pump_top",))


def _another_recipe(line: Plant) -> None:
    Recipe.objects.update(state=VersionState.SUPERSEDED)
    make_recipe(line.line, number=2)


def _other_limits(line: Plant) -> None:
    Limits.objects.create(
        stream=line.streams["loading/1-top"], chart="i_mr", number=1, state="active", mean=20, sigma=0.1, n=100,
        method="mr", window_from=LONG_AGO, window_to=NOW, rules=1,
    )  # fmt: skip


def _another_estimator(line: Plant) -> None:
    Estimator.objects.create(
        stream=line.streams["loading/2-top"], number=1, state="active", content={}, sha256="0" * 64,
        trained_from=LONG_AGO, trained_to=NOW, created_at=NOW,
    )  # fmt: skip


def _other_settings(line: Plant) -> None:
    Loop.objects.update(settings_number=2)


def _another_mode_that_writes(line: Plant) -> None:
    Loop.objects.update(actual_mode=Mode.AUTO)


@pytest.mark.parametrize(
    ("happening", "what"),
    [
        (_operator_moves_the_pump, {"pump_top": {"seen": 60.0, "is": 60.1}}),
        (_pump_goes_bad, {"pump_top": {"seen": 60.0, "is": None}}),
        (_another_recipe, {"recipe": {"seen": "nmc v1", "is": "nmc v2"}}),
        (_other_limits, {"limits": {"seen": {}, "is": {"loading/1-top i_mr": 1}}}),
        (_another_estimator, {"estimators": {"seen": {}, "is": {"loading/2-top": 1}}}),
        (_other_settings, {"settings": {"seen": 1, "is": 2}}),
        (_another_mode_that_writes, {"mode": {"seen": "supervised", "is": "auto"}}),
    ],
)
def test_whatever_is_no_longer_as_seen_refuses_with_the_difference_and_ends_the_change(line, happening, what):
    change = offered(line)
    happening(line)
    with pytest.raises(Stale) as refusal:
        approve(line, change, now=NOW + SECOND)
    assert refusal.value.difference == what
    assert refusal.value.status == 409
    assert state_of(change) == State.SUPERSEDED


def test_a_parameter_within_its_deadband_is_where_it_was(line):
    change = offered(line)
    snapshot(line, NOW + SECOND, pump_top=60.02)
    approve(line, change, now=NOW + SECOND)


def test_without_a_fresh_snapshot_nothing_is_approved(line):
    change = offered(line)
    with pytest.raises(Stale) as refusal:
        approve(line, change, now=NOW + 11 * SECOND)
    assert list(refusal.value.difference) == ["newest snapshot"]


@pytest.mark.parametrize(
    ("at", "quality", "what"),
    [(NOW, Quality.DOUBTFUL, "doubtful"), (NOW, Quality.BAD, "bad"), (NOW - 11 * SECOND, Quality.GOOD, "11:59:49")],
)
def test_on_a_newest_prediction_that_is_doubtful_or_left_behind_nothing_is_approved(line, at, quality, what):
    change = offered(line)
    point(line, "loading/2-top", at - SECOND, 19.9, by=MeasuredBy.PREDICTION)
    point(line, "loading/2-top", at, 19.9, by=MeasuredBy.PREDICTION, quality=quality)
    with pytest.raises(Unsound) as refused:
        approve(line, change)
    assert refused.value.code == "inputs_not_good"
    assert what in refused.value.difference["loading/2-top"]["is"]
    assert state_of(change) == State.WITHDRAWN


def test_a_good_newest_prediction_makes_up_for_a_doubtful_one_before(line):
    change = offered(line)
    point(line, "loading/2-top", NOW - SECOND, 19.9, by=MeasuredBy.PREDICTION, quality=Quality.DOUBTFUL)
    point(line, "loading/2-top", NOW, 19.9, by=MeasuredBy.PREDICTION)
    approve(line, change)
    assert state_of(change) == State.APPROVED


def test_evidence_older_than_a_change_may_live_is_refused(line):
    change = offered(line)
    evidence = change.evidence | {"seen_at": (NOW - timedelta(hours=1)).isoformat()}
    Change.objects.filter(pk=change.pk).update(evidence=evidence)
    with pytest.raises(Stale) as refusal:
        approve(line, change)
    assert list(refusal.value.difference) == ["evidence"]


def test_a_move_that_no_longer_fits_the_machine_is_nobodys(line):
    change = offered(line)
    Tag.objects.filter(key="pump_top").update(machine_high=60.2)
    with pytest.raises(NoPermission, match="machine_limit"):
        approve(line, change, "supervisor")


def test_what_has_expired_is_refused_and_ended(line):
    change = offered(line)
    snapshot(line, change.expires_at)
    with pytest.raises(Expired):
        approve(line, change, now=change.expires_at)
    assert state_of(change) == State.EXPIRED


@pytest.mark.parametrize("mode", [Mode.ADVISORY, Mode.SHADOW, Mode.OFF])
def test_a_mode_that_does_not_write_takes_no_approval(line, mode):
    change = offered(line)
    Loop.objects.update(actual_mode=mode)
    with pytest.raises(Refused) as refusal:
        approve(line, change)
    assert refusal.value.code == "mode_does_not_write"


def test_hold_freezes_approval_but_not_rejection(line):
    change = offered(line)
    loops.hold(line.line, actor=line.person("operator"), now=NOW)
    with pytest.raises(Conflict) as refusal:
        approve(line, change)
    assert refusal.value.code == "on_hold"
    assert state_of(change) == State.PENDING_OPERATOR
    reason_code()
    rejected = changes.reject(
        change.pk, actor=line.person("operator"), version=change.version, code="wrong_direction", now=NOW
    )
    assert state_of(rejected) == State.REJECTED


def test_a_move_beyond_the_operator_waits_for_the_supervisor(line):
    change = offered(line, pump_top=60.9)  # 1.5 %
    assert (change.state, change.needs) == (State.PENDING_SUPERVISOR, "supervisor")
    with pytest.raises(NoPermission) as refusal:
        approve(line, change)
    assert refusal.value.code == "beyond_authority"
    approve(line, change, "supervisor")


def test_a_move_beyond_the_supervisor_is_blocked_at_once(line):
    change = offered(line, pump_top=62.4)  # 4 %
    assert (change.state, change.needs, change.reason) == (State.BLOCKED, "nobody", "move_too_large")


def test_moves_of_a_shift_are_summed(line):
    for to in (60.6, 59.4, 60.6):  # 1 % each, whichever way
        Change.objects.filter(pk=approved(line, pump_top=to).pk).update(state=State.EFFECTIVE)
    change = offered(line, pump_top=60.3)
    assert (change.needs, change.reason) == ("supervisor", "shift_sum")
    Change.objects.exclude(pk=change.pk).update(decided_at=NOW - timedelta(hours=8, seconds=1))
    Change.objects.filter(pk=change.pk).update(state=State.EXPIRED)
    assert offered(line, pump_top=60.3).needs == "operator"


def test_the_sum_is_counted_again_at_the_moment_of_approval(line):
    change = offered(line, pump_top=60.6)
    other = replace(line, loop=make_loop(line.coater, "loading-again"))
    for _ in range(3):
        Change.objects.filter(pk=approved(other, pump_top=60.6).pk).update(state=State.EFFECTIVE)
    with pytest.raises(NoPermission, match="shift_sum"):
        approve(line, change)


def test_author_and_approver_are_different_people(line):
    change = offered(line)
    Change.objects.filter(pk=change.pk).update(author=line.person("operator"))
    with pytest.raises(NoPermission) as refusal:
        approve(line, change)
    assert refusal.value.code == "own_change"
    approve(line, change, "operator2")


def test_a_rejection_needs_a_known_reason_and_its_sentence(line):
    change = offered(line)
    reason_code("other", needs_text=True)
    told = {"actor": line.person("operator"), "version": change.version, "now": NOW}
    with pytest.raises(Invalid):
        changes.reject(change.pk, code="because", **told)
    with pytest.raises(Invalid):
        changes.reject(change.pk, code="other", text=" ", **told)
    changes.reject(change.pk, code="other", text="cleaning the die", **told)
    change.refresh_from_db()
    assert (change.state, change.reason_code.key, change.reason) == (State.REJECTED, "other", "cleaning the die")


def test_two_doubts_about_a_sensor_in_an_hour_demote_the_loop(line):
    reason_code("sensor_doubtful")
    Loop.objects.update(actual_mode=Mode.AUTO, requested_mode=Mode.AUTO)
    line.loop.refresh_from_db()
    for minutes, to in ((0, 60.3), (30, 59.5)):
        now = NOW + timedelta(minutes=minutes)
        snapshot(line, now)
        change = offered(line, now, pump_top=to)
        changes.reject(
            change.pk, actor=line.person("operator"), version=change.version, code="sensor_doubtful", now=now
        )
    line.loop.refresh_from_db()
    assert (line.loop.requested_mode, line.loop.actual_mode) == (Mode.AUTO, Mode.SUPERVISED)
    assert line.loop.mode_reasons[0]["code"] == "sensor_doubtful"


def test_only_the_author_or_a_supervisor_takes_a_change_back(line):
    change = offered(line)
    told = {"version": change.version, "now": NOW, "reason": "line stops soon"}
    with pytest.raises(NoPermission):
        changes.withdraw(change.pk, actor=line.person("operator"), **told)
    changes.withdraw(change.pk, actor=line.person("supervisor"), **told)
    assert state_of(change) == State.WITHDRAWN


def test_every_refused_attempt_is_a_row_of_the_audit(line):
    change = offered(line)
    with pytest.raises(NoPermission):
        approve(line, change, "viewer")
    row = AuditEntry.objects.order_by("-number")[0]
    assert (row.action, row.actor_name, row.object_id) == (
        "change.approve.refused",
        "viewer@cathode-1",
        str(change.pk),
    )
    assert row.new["code"] == "no_permission"
