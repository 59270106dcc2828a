"""Advisory mode, and an operator who is quicker at the panel: what somebody has set himself is noticed."""

from datetime import timedelta

import pytest

from control.actions import changes, loops, sizing
from control.core.lifecycle import State
from control.core.modes import Mode
from control.models import AuditEntry, Change, Loop, SetPointMove
from tests.factories import NOW, Plant, alive, approved, offered, plant, snapshot

pytestmark = pytest.mark.django_db
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def advised(line: Plant, **to: float) -> Change:
    Loop.objects.update(actual_mode=Mode.ADVISORY, requested_mode=Mode.ADVISORY)
    line.loop.refresh_from_db()
    return offered(line, **to)


def typed(line: Plant, *seconds: int, **values: float) -> None:
    """Scans that show these values, so many seconds after the proposal."""
    for second in seconds:
        snapshot(line, NOW + second * SECOND, **values)


def after(change: Change, now=NOW + MINUTE) -> Change:
    alive(change.loop.equipment, now)
    changes.tend(now)
    change.refresh_from_db()
    return change


def test_what_the_operator_types_in_advisory_mode_is_applied_and_watched(line):
    change = advised(line, pump_top=60.3)
    typed(line, 30, 31, pump_top=60.29)
    done = after(change)
    assert (done.state, done.applied_at, done.decided_by) == (State.VERIFYING, NOW + 30 * SECOND, None)
    assert done.moves.get().read_back == 60.29
    actions = AuditEntry.objects.order_by("number").values_list("action", flat=True)
    assert list(actions)[-2:] == ["change.follow", "change.watch"]
    line.loop.refresh_from_db()
    assert line.loop.last_move_at == NOW + 30 * SECOND


@pytest.mark.parametrize(
    ("scans", "values"),
    [
        ((31,), {"pump_top": 60.3}),  # one scan may be a spike
        ((30, 31), {"pump_top": 60.2}),  # somewhere else
        ((30, 31), {}),  # nothing was moved
    ],
)
def test_one_scan_another_value_or_none_is_no_following(line, scans, values):
    change = advised(line, pump_top=60.3)
    typed(line, *scans, **values)
    assert after(change).state == State.PENDING_OPERATOR


def test_a_bad_reading_proves_nothing(line):
    change = advised(line, pump_top=60.3)
    for second in (30, 31):
        snapshot(line, NOW + second * SECOND, bad=("pump_top",), pump_top=60.3)
    assert after(change).state == State.PENDING_OPERATOR


def test_a_bundle_is_followed_when_all_of_it_is_there(line):
    change = advised(line, pump_top=60.3, bolt_top_1=504.0, bolt_top_2=496.0)
    typed(line, 30, 31, pump_top=60.3, bolt_top_1=504.0)
    assert after(change, NOW + 40 * SECOND).state == State.PENDING_OPERATOR
    typed(line, 50, 51, pump_top=60.3, bolt_top_1=504.0, bolt_top_2=496.0)
    assert after(change).state == State.VERIFYING


def test_what_stood_there_before_it_was_proposed_was_not_followed(line):
    change = advised(line, pump_top=60.3)
    typed(line, -2, -1, pump_top=60.3)
    assert after(change).state == State.PENDING_OPERATOR


def test_whoever_is_quicker_at_the_panel_in_supervised_mode_is_noticed_too(line):
    change = offered(line, pump_top=60.3)
    typed(line, 30, 31, pump_top=60.3)
    assert after(change).state == State.VERIFYING


def test_hold_hides_no_fact(line):
    change = advised(line, pump_top=60.3)
    loops.hold(line.line, actor=line.person("operator"), now=NOW)
    typed(line, 30, 31, pump_top=60.3)
    assert after(change).state == State.VERIFYING


def test_what_is_approved_is_the_dispatchers(line):
    change = approved(line, pump_top=60.3)
    typed(line, 30, 31, pump_top=60.3)
    assert after(change).state == State.APPROVED


def test_it_counts_as_moved_in_the_shift(line):
    change = advised(line, pump_top=60.6)
    typed(line, 30, 31, pump_top=60.6)
    after(change)
    row = SetPointMove(tag=line.tags["pump_top"], from_value=60.0, to_value=60.6)
    assert sizing.weigh([row], line.recipe, NOW + MINUTE).shift_percent == pytest.approx(2.0)


def test_the_way_back_that_somebody_sets_himself_takes_the_change_back(line):
    change = approved(line, pump_top=60.3)
    Change.objects.update(state=State.EFFECTIVE, applied_at=NOW)
    snapshot(line, NOW + SECOND, pump_top=60.3)
    back = changes.undo(change.pk, actor=line.person("operator"), now=NOW + SECOND)
    typed(line, 30, 31, pump_top=60.0)
    assert after(back).state == State.VERIFYING
    change.refresh_from_db()
    assert change.state == State.REVERTED
