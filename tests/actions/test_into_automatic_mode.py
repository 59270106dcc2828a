"""Into automatic mode only with every condition met and a supervisor's signature; what is missing is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from control.actions import loops, standing
from control.actions.errors import Conflict, NoPermission, Unsigned
from control.actions.signing import Hand
from control.core.figures import Figures
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.promotion import Condition, conditions, unmet
from control.core.types import MeasuredBy, Quality, Rule
from control.models import (
    AuditEntry,
    Change,
    Handshake,
    Lease,
    ModeSpell,
    Point,
    Recipe,
    Signal,
    Signature,
    VersionState,
)
from tests.factories import NOW, SETTINGS, Plant, grant, hand, plant, point
from tests.proven import DAY, HOUR, decided, prove, roll

pytestmark = pytest.mark.django_db


@pytest.fixture
def proven() -> Plant:
    line = plant()
    prove(line)
    return line


def ask(line: Plant, who: str = "supervisor", **told) -> None:
    loops.request(line.loop, Mode.AUTO, **{"by": hand(line.person(who)), "now": NOW, "reason": "proven"} | told)


def test_with_all_conditions_met_a_signature_enters_automatic_mode(proven):
    ask(proven)
    assert (proven.loop.requested_mode, proven.loop.actual_mode, proven.loop.mode_reasons) == ("auto", "auto", [])
    signed = Signature.objects.get(object_type="loop", object_id=str(proven.loop.pk))
    assert (signed.meaning, signed.method, signed.user) == ("enter_auto", "password", proven.person("supervisor"))


def test_without_the_password_it_does_not(proven):
    with pytest.raises(Unsigned):
        ask(proven, by=Hand(proven.person("supervisor")))
    proven.loop.refresh_from_db()
    assert proven.loop.actual_mode == "supervised"


@pytest.mark.parametrize("who", ["operator", "engineer", "admin", "viewer", "outsider"])
def test_only_a_supervisor_may(proven, who):
    with pytest.raises(NoPermission):
        ask(proven, who)


def _short_time(line):
    ModeSpell.objects.update(since=NOW - 13 * DAY)


def _few_decisions(line):
    Change.objects.filter(pk__in=Change.objects.filter(state=State.REJECTED).values("pk")).delete()
    Change.objects.filter(state=State.INEFFECTIVE).first().delete()


def _often_rejected(line):
    for n in range(10):
        decided(line, State.REJECTED, NOW - timedelta(minutes=n + 1))


def _often_in_vain(line):
    for n in range(10):
        decided(line, State.INEFFECTIVE, NOW - timedelta(minutes=n + 1))


def _out_of_contract(line):
    roll(line, "loading/2-top", 2, NOW - 3 * HOUR, NOW - 2 * HOUR, measured=20.2)


def _another_model(line):
    for stream in SETTINGS["cvs"]:
        roll(line, stream, 2, NOW - 3 * HOUR, NOW, model="m2")


def _doubtful(line):
    point(line, "loading/3-top", NOW + timedelta(seconds=1), 20.0, by=MeasuredBy.PREDICTION, quality=Quality.DOUBTFUL)


def _silent(line):
    Point.objects.update(at=NOW - timedelta(minutes=1))


def _no_recipe(line):
    Recipe.objects.update(state=VersionState.SUPERSEDED)


def _deaf(line):
    Handshake.objects.update(heard_at=NOW - timedelta(seconds=11))


def _out_of_spec(line):
    Signal.objects.create(
        line=line.line, stream=line.streams["loading/1-top"], rule=Rule.OUT_OF_SPEC, priority=1, first_at=NOW,
        last_at=NOW, last_seq=1, value=30.0, raised_at=NOW,
    )  # fmt: skip


def _unconfirmed(line):
    decided(line, State.UNCONFIRMED, NOW - 100 * DAY)


def _held(line):
    loops.hold(line.site, actor=_everywhere(line), now=NOW)


def _everywhere(line):
    grant(line.person("operator"), "operator", site=line.site)
    return line.person("operator")


def _went_down(line):
    ModeSpell.objects.create(
        loop=line.loop,
        requested="auto",
        actual="supervised",
        since=NOW - timedelta(minutes=29),
        until=NOW,
        code="splice",
    )


MISSING: list[tuple[Callable[[Plant], None], Condition]] = [
    (_short_time, Condition.SUPERVISED_DAYS),
    (_few_decisions, Condition.DECISIONS),
    (_often_rejected, Condition.ACCEPTED),
    (_often_in_vain, Condition.EFFECTIVE),
    (_out_of_contract, Condition.VM_ERROR),
    (_another_model, Condition.VM_ERROR),
    (_doubtful, Condition.INPUTS_GOOD),
    (_silent, Condition.INPUTS_GOOD),
    (_no_recipe, Condition.RECIPE),
    (_deaf, Condition.HANDSHAKE),
    (_out_of_spec, Condition.NO_PRIORITY_1),
    (_unconfirmed, Condition.NO_PRIORITY_1),
    (_held, Condition.NOT_HELD),
    (_went_down, Condition.CALM),
]


@pytest.mark.parametrize(("spoil", "condition"), MISSING, ids=[row[0].__name__ for row in MISSING])
def test_every_unmet_condition_is_named_with_its_figure(proven, spoil, condition):
    spoil(proven)
    found = unmet(conditions(standing.standing(proven.loop, NOW), Figures()))
    assert [one.condition for one in found] == [condition]
    with pytest.raises(Conflict) as refused:
        ask(proven)
    assert refused.value.code == "auto_conditions_unmet"
    assert list(refused.value.difference) == [condition]
    proven.loop.refresh_from_db()
    assert (proven.loop.requested_mode, proven.loop.actual_mode) == ("supervised", "supervised")
    told = AuditEntry.objects.get(action="loop.mode.refused").new
    assert condition in told


def test_a_loop_that_has_shown_nothing_wants_nearly_everything():
    line = plant()
    found = unmet(conditions(standing.standing(line.loop, NOW), Figures()))
    met = {Condition.RECIPE, Condition.NO_PRIORITY_1, Condition.NOT_HELD, Condition.CALM}
    assert {one.condition for one in found} == set(Condition) - met


def test_after_going_down_it_waits_for_calm_and_a_person(proven):
    ask(proven)
    loops.demote(proven.loop, Mode.SUPERVISED, actor="watch", code="splice", now=NOW)
    with pytest.raises(Conflict):
        ask(proven)
    later = NOW + timedelta(minutes=30)
    Handshake.objects.update(heard_at=later)
    for stream in SETTINGS["cvs"]:
        point(proven, stream, later, 20.0, by=MeasuredBy.PREDICTION)
    ask(proven, by=hand(proven.person("supervisor"), later), now=later)
    assert proven.loop.actual_mode == "auto"


def test_what_is_asked_of_a_silent_line_is_given_as_far_as_it_goes(proven):
    now = NOW + timedelta(minutes=5)
    Lease.objects.create(line=proven.line, holder="d", fence=1, since=NOW, expires_at=now + HOUR)
    loops.request(proven.loop, Mode.SUPERVISED, by=Hand(proven.person("supervisor")), now=now, reason="again")
    assert (proven.loop.requested_mode, proven.loop.actual_mode) == ("supervised", "shadow")
    assert proven.loop.mode_reasons[0]["code"] == "very_stale"
