"""Anyone on the line may stop; only a supervisor lets go again or changes the mode."""

from datetime import timedelta

import pytest

from control.actions import loops
from control.actions.errors import Conflict, Invalid, NoPermission, Unsigned
from control.actions.signing import Hand
from control.actions.situation import on_hold
from control.core import modes
from control.models import AuditEntry, Hold, Loop, Mode, ModeSpell, Signature
from tests.factories import NOW, Plant, grant, hand, make_area, make_loop, plant

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
    loops.hold(other, actor=line.person("operator"), now=NOW)
    assert on_hold(other)
    assert not on_hold(line.loop)


def test_a_hold_on_the_site_stops_every_line_of_it_and_no_other(line):
    second, elsewhere = plant("anode-1", area=line.area), plant("cathode-9", area=make_area("other"))
    boss = line.person("operator")
    with pytest.raises(NoPermission):
        loops.hold(line.site, actor=boss, now=NOW)
    grant(boss, "operator", site=line.site)
    loops.hold(line.site, actor=boss, now=NOW)
    assert [on_hold(one.loop) for one in (line, second, elsewhere)] == [True, True, False]


def test_the_reason_may_come_afterwards_from_anyone_who_might_have_stopped(line):
    held = loops.hold(line.line, actor=line.person("operator"), now=NOW)
    with pytest.raises(NoPermission):
        loops.hold_reason(held, "foil torn", actor=line.person("viewer"), now=NOW)
    loops.hold_reason(held, "foil torn", actor=line.person("operator2"), now=NOW)
    held.refresh_from_db()
    assert held.reason == "foil torn"
    assert AuditEntry.objects.get(action="line.hold_reason").reason == "foil torn"


def test_only_a_supervisor_lets_go_again_and_says_why(line):
    held = loops.hold(line.line, actor=line.person("operator"), now=NOW)
    with pytest.raises(NoPermission):
        loops.release(held, by=hand(line.person("operator")), now=NOW, reason="all clear")
    with pytest.raises(Invalid):
        loops.release(held, by=hand(line.person("supervisor")), now=NOW, reason=" ")
    loops.release(held, by=hand(line.person("supervisor")), now=NOW, reason="all clear")
    assert not on_hold(line.loop)
    assert Hold.objects.get().ended_by == line.person("supervisor")
    with pytest.raises(Conflict):
        loops.release(held, by=hand(line.person("supervisor")), now=NOW, reason="all clear")


def test_leaving_hold_is_signed_with_the_password(line):
    held = loops.hold(line.line, actor=line.person("operator"), now=NOW)
    with pytest.raises(Unsigned):
        loops.release(held, by=Hand(line.person("supervisor")), now=NOW, reason="all clear")
    assert on_hold(line.loop)
    loops.release(held, by=hand(line.person("supervisor")), now=NOW, reason="all clear")
    signed = Signature.objects.get(object_type="hold", object_id=str(held.pk))
    assert (signed.meaning, signed.method) == ("leave_hold", "password")


def test_no_loop_is_in_automatic_mode_when_hold_ends(line):
    held = loops.hold(line.line, actor=line.person("operator"), now=NOW)
    Loop.objects.update(actual_mode="auto", requested_mode="auto")
    loops.release(held, by=hand(line.person("supervisor")), now=NOW, reason="all clear")
    assert Loop.objects.get().actual_mode == "supervised"


def test_a_supervisor_sets_the_mode_with_a_reason(line):
    with pytest.raises(NoPermission):
        loops.request(line.loop, modes.Mode.SHADOW, by=Hand(line.person("operator")), now=NOW, reason="trial")
    loops.request(line.loop, modes.Mode.SHADOW, by=Hand(line.person("supervisor")), now=NOW, reason="trial")
    assert (line.loop.requested_mode, line.loop.actual_mode, line.loop.mode_since) == ("shadow", "shadow", NOW)


def test_every_stretch_of_a_mode_is_kept_with_its_reason(line):
    for minutes, mode in enumerate((modes.Mode.SHADOW, modes.Mode.SUPERVISED)):
        at = NOW + timedelta(minutes=minutes)
        loops.request(line.loop, mode, by=Hand(line.person("supervisor")), now=at, reason=f"trial {minutes}")
    told = ModeSpell.objects.order_by("since").values_list("actual", "since", "until", "code", "detail", "by")
    boss, later = line.person("supervisor").pk, NOW + timedelta(minutes=1)
    assert list(told) == [
        ("shadow", NOW, later, "asked", "trial 0", boss),
        ("supervised", later, None, "asked", "trial 1", boss),
    ]


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
