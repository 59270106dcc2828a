"""Anyone on the line may stop; only a supervisor lets go again or changes the mode."""

import pytest

from control.actions import loops
from control.actions.errors import Conflict, Invalid, NoPermission
from control.actions.situation import on_hold
from control.core import modes
from control.models import AuditEntry, Hold, Loop, Mode
from tests.factories import NOW, Plant, hand, make_loop, plant

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Plant:
    return plant()


def test_the_modes_in_the_database_are_those_of_the_core():
    assert Mode.values == list(modes.Mode)


@pytest.mark.parametrize("who", ["operator", "supervisor", "engineer"])
def test_anyone_on_the_line_holds_it_without_giving_a_reason(line, who):
    loops.hold(line.line, actor=line.person(who), now=NOW)
    assert on_hold(line.loop)


@pytest.mark.parametrize("who", ["viewer", "outsider", "root"])
def test_others_do_not(line, who):
    with pytest.raises(NoPermission):
        loops.hold(line.line, actor=line.person(who), now=NOW)
    assert not on_hold(line.loop)


def test_holding_twice_is_one_hold(line):
    first = loops.hold(line.line, actor=line.person("operator"), now=NOW)
    assert loops.hold(line.line, actor=line.person("supervisor"), now=NOW) == first
    assert AuditEntry.objects.filter(action="line.hold").count() == 1


def test_a_hold_on_one_loop_leaves_the_other_alone(line):
    other = make_loop(line.coater, "loading-bottom")
    loops.hold(line.line, actor=line.person("operator"), now=NOW, loop=other)
    assert on_hold(other)
    assert not on_hold(line.loop)


def test_only_a_supervisor_lets_go_again_and_says_why(line):
    loops.hold(line.line, actor=line.person("operator"), now=NOW)
    with pytest.raises(NoPermission):
        loops.release(line.line, by=hand(line.person("operator")), now=NOW, reason="all clear")
    with pytest.raises(Invalid):
        loops.release(line.line, by=hand(line.person("supervisor")), now=NOW, reason=" ")
    loops.release(line.line, by=hand(line.person("supervisor")), now=NOW, reason="all clear")
    assert not on_hold(line.loop)
    assert Hold.objects.get().ended_by == line.person("supervisor")
    with pytest.raises(Conflict):
        loops.release(line.line, by=hand(line.person("supervisor")), now=NOW, reason="all clear")


def test_a_supervisor_sets_the_mode_with_a_reason(line):
    with pytest.raises(NoPermission):
        loops.set_mode(line.loop, modes.Mode.SHADOW, actor=line.person("operator"), now=NOW, reason="trial")
    loops.set_mode(line.loop, modes.Mode.SHADOW, actor=line.person("supervisor"), now=NOW, reason="trial")
    assert (line.loop.requested_mode, line.loop.actual_mode, line.loop.mode_since) == ("shadow", "shadow", NOW)


def test_nobody_gets_automatic_mode_by_asking(line):
    with pytest.raises(Invalid):
        loops.set_mode(line.loop, modes.Mode.AUTO, actor=line.person("supervisor"), now=NOW, reason="busy")


def test_a_demotion_keeps_what_was_asked_for_and_says_why(line):
    Loop.objects.update(requested_mode="auto", actual_mode="auto")
    assert loops.demote(line.loop, modes.Mode.SUPERVISED, actor="dispatcher", code="unconfirmed", now=NOW)
    line.loop.refresh_from_db()
    assert (line.loop.requested_mode, line.loop.actual_mode) == ("auto", "supervised")
    assert line.loop.mode_reasons == [{"code": "unconfirmed", "detail": "", "at": NOW.isoformat()}]


def test_a_demotion_never_raises_a_mode(line):
    Loop.objects.update(actual_mode="shadow")
    assert not loops.demote(line.loop, modes.Mode.SUPERVISED, actor="dispatcher", code="unconfirmed", now=NOW)
    assert Loop.objects.get().actual_mode == "shadow"
