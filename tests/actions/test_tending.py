"""What time does to changes."""

from datetime import timedelta

import pytest

from control.actions import changes, loops
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import MeasuredBy
from control.models import Change, Loop
from tests.factories import NOW, Plant, alive, approved, offered, plant, point, reason_code, snapshot

pytestmark = pytest.mark.django_db
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def state_after(change: Change, now) -> str:
    alive(change.loop.equipment, now)
    changes.tend(now)
    return Change.objects.get(pk=change.pk).state


def test_what_nobody_decides_expires(line):
    change = offered(line)
    assert state_after(change, change.expires_at - SECOND) != State.EXPIRED
    assert state_after(change, change.expires_at) == State.EXPIRED


def test_what_is_approved_but_never_taken_expires_too_also_under_hold(line):
    change = approved(line)
    loops.hold(line.line, actor=line.person("operator"), now=NOW)
    assert state_after(change, change.expires_at) == State.EXPIRED


def test_with_four_fifths_of_its_life_gone_the_supervisor_is_asked(line):
    change = offered(line)  # lives nine minutes
    assert state_after(change, NOW + 7 * MINUTE) == State.PENDING_OPERATOR
    assert state_after(change, NOW + 0.8 * 9 * MINUTE) == State.PENDING_SUPERVISOR
    change.refresh_from_db()
    assert change.needs == "supervisor"


def test_hold_freezes_escalation(line):
    change = offered(line)
    loops.hold(line.line, actor=line.person("operator"), now=NOW)
    assert state_after(change, NOW + 8 * MINUTE) == State.PENDING_OPERATOR


@pytest.fixture
def counting_down(line) -> Change:
    Loop.objects.update(actual_mode=Mode.AUTO, requested_mode=Mode.AUTO)
    line.loop.refresh_from_db()
    return offered(line)


def test_nobody_objecting_the_change_is_approved_when_the_veto_window_ends(line, counting_down):
    assert state_after(counting_down, NOW + 29 * SECOND) == State.VETO
    snapshot(line, NOW + 30 * SECOND)
    assert state_after(counting_down, NOW + 30 * SECOND) == State.APPROVED
    counting_down.refresh_from_db()
    assert (counting_down.decided_by, counting_down.decided_at) == (None, NOW + 30 * SECOND)


def test_a_veto_is_a_rejection(line, counting_down):
    reason_code()
    told = {"version": counting_down.version, "code": "wrong_direction", "now": NOW}
    changes.reject(counting_down.pk, actor=line.person("operator"), **told)
    assert state_after(counting_down, NOW + MINUTE) == State.REJECTED


def test_hold_takes_the_countdown_back_and_leaves_automatic_mode(line, counting_down):
    loops.hold(line.line, actor=line.person("operator"), now=NOW)
    snapshot(line, NOW + MINUTE)
    assert state_after(counting_down, NOW + MINUTE) == State.WITHDRAWN
    line.loop.refresh_from_db()
    assert line.loop.actual_mode == Mode.SUPERVISED


def test_a_countdown_ends_without_approval_when_the_world_has_changed(line, counting_down):
    snapshot(line, NOW + 30 * SECOND, pump_top=61.0)
    assert state_after(counting_down, NOW + 30 * SECOND) == State.SUPERSEDED


def test_a_countdown_ends_without_approval_when_the_loop_has_left_automatic_mode(line, counting_down):
    Loop.objects.update(actual_mode=Mode.SUPERVISED)
    snapshot(line, NOW + 30 * SECOND)
    assert state_after(counting_down, NOW + 30 * SECOND) == State.SUPERSEDED


def applied(line: Plant, *, moved: float, lanes=(1, 2, 3, 4), by=MeasuredBy.GAUGE) -> Change:
    """A change that promised +0.099 on every lane; the gauge saw ``moved``."""
    change = approved(line)
    Change.objects.filter(pk=change.pk).update(state=State.APPLIED, applied_at=NOW)
    for lane in lanes:
        for seconds in range(5, 120, 20):
            point(line, f"loading/{lane}-top", NOW - seconds * SECOND, 19.9, by=by)
            point(line, f"loading/{lane}-top", NOW + (30 + seconds) * SECOND, 19.9 + moved, by=by)
    return change


DUE = NOW + 30 * SECOND + 2 * MINUTE + 2 * MINUTE  # settled, watched, and through the gauge


def test_an_applied_change_is_watched_until_its_foil_has_passed_the_gauge(line):
    change = applied(line, moved=0.1)
    assert state_after(change, NOW + SECOND) == State.VERIFYING
    assert state_after(change, DUE - SECOND) == State.VERIFYING


@pytest.mark.parametrize(
    ("moved", "verdict"), [(0.1, "effective"), (0.2, "effective"), (-0.3, "ineffective"), (0.6, "ineffective")]
)
def test_the_realised_change_is_held_against_the_predicted_one(line, moved, verdict):
    change = applied(line, moved=moved)
    changes.tend(NOW + SECOND)
    assert state_after(change, DUE) == verdict
    change.refresh_from_db()
    first = change.effect["streams"][0]
    assert first["predicted"] == pytest.approx(0.099)
    assert first["realised"] == pytest.approx(moved)


def test_foil_made_before_the_disturbance_does_not_count_as_before(line):
    snapshot(line, NOW + 2 * MINUTE)
    change = approved(line, NOW + 2 * MINUTE)
    applied_at = NOW + 2 * MINUTE + 40 * SECOND
    Change.objects.filter(pk=change.pk).update(state=State.VERIFYING, applied_at=applied_at)
    for lane in (1, 2, 3, 4):
        stream = f"loading/{lane}-top"
        for seconds in range(5, 120, 5):
            before = 19.9 if seconds <= 40 else 20.4
            point(line, stream, applied_at - seconds * SECOND, before)
            point(line, stream, applied_at + (30 + seconds) * SECOND, 20.0)
    assert state_after(change, applied_at + 5 * MINUTE) == State.EFFECTIVE


def test_predictions_are_no_proof_of_an_effect(line):
    change = applied(line, moved=0.1, by=MeasuredBy.PREDICTION)
    assert state_after(change, DUE) == State.VERIFYING


def test_an_effect_that_is_never_measured_counts_as_none(line):
    change = applied(line, moved=0.1, lanes=(1,))
    assert state_after(change, DUE + 29 * MINUTE) == State.VERIFYING
    assert state_after(change, DUE + 30 * MINUTE) == State.INEFFECTIVE
    change.refresh_from_db()
    assert change.effect == {"measured": False}


def test_two_ineffective_changes_in_a_row_demote_the_loop(line):
    modes = []
    for _ in range(2):
        Loop.objects.update(actual_mode=Mode.SUPERVISED)
        change = applied(line, moved=0.6)
        Loop.objects.update(actual_mode=Mode.AUTO)
        state_after(change, NOW + SECOND)
        assert state_after(change, DUE) == State.INEFFECTIVE
        modes.append(Loop.objects.get().actual_mode)
    assert modes == [Mode.AUTO, Mode.SUPERVISED]
