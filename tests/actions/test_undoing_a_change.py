"""The way back of an applied change: a new change of a person, for a while."""

from datetime import timedelta

import pytest

from control.actions import changes, revising
from control.actions.errors import Conflict, NoPermission, Refused, Stale
from control.actions.loops import hold
from control.core.lifecycle import State
from control.models import Change
from tests.factories import NOW, Plant, approved, hand, plant, snapshot

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def applied(line: Plant) -> Change:
    change = approved(line)
    Change.objects.filter(pk=change.pk).update(state=State.VERIFYING, applied_at=NOW)
    snapshot(line, NOW + MINUTE, pump_top=60.3)
    return change


def test_undoing_is_a_new_change_back_that_somebody_else_approves(line):
    change = applied(line)
    back = changes.undo(change.pk, actor=line.person("operator"), now=NOW + MINUTE)
    row = back.moves.get()
    assert (row.from_value, row.to_value, back.undoes, back.author) == (60.3, 60.0, change, line.person("operator"))
    with pytest.raises(NoPermission):
        changes.approve(back.pk, by=hand(line.person("operator")), version=back.version, now=NOW + MINUTE)
    changes.approve(back.pk, by=hand(line.person("operator2")), version=back.version, now=NOW + MINUTE)


def test_undoing_is_offered_for_ten_minutes(line):
    change = applied(line)
    with pytest.raises(Refused, match="a little while ago"):
        changes.undo(change.pk, actor=line.person("operator"), now=NOW + 11 * MINUTE)


def test_what_was_moved_again_since_is_not_undone(line):
    change = applied(line)
    snapshot(line, NOW + 2 * MINUTE, pump_top=61.0)
    with pytest.raises(Stale):
        changes.undo(change.pk, actor=line.person("operator"), now=NOW + 2 * MINUTE)
    change.refresh_from_db()
    assert change.state == State.VERIFYING


def test_what_the_way_back_is_expected_to_do_is_the_reverse_of_the_move(line):
    change = applied(line)
    back = changes.undo(change.pk, actor=line.person("operator"), now=NOW + MINUTE)
    for was, will in zip(change.evidence["expected"], back.evidence["expected"], strict=True):
        assert (will["now"], will["do_nothing"], will["after"]) == (was["after"], was["after"], was["do_nothing"])


def test_a_change_that_was_never_applied_has_no_way_back(line):
    change = approved(line)
    assert revising.undoable_until(change) is None
    with pytest.raises(Refused, match="a little while ago"):
        changes.undo(change.pk, actor=line.person("operator"), now=NOW)


def test_under_hold_nothing_is_undone(line):
    change = applied(line)
    hold(line.line, actor=line.person("operator"), now=NOW)
    with pytest.raises(Conflict, match="HOLD"):
        changes.undo(change.pk, actor=line.person("operator"), now=NOW + MINUTE)


def test_who_only_looks_undoes_nothing(line):
    change = applied(line)
    with pytest.raises(NoPermission):
        changes.undo(change.pk, actor=line.person("viewer"), now=NOW + MINUTE)
