"""Signals of one cause call once, by urgency, at most so often; what is seen or shelved calls nobody."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from control.actions import attention, changes, shelving, signals
from control.actions.errors import Conflict, Invalid, NoPermission
from control.core.figures import Figures
from control.core.types import Rule
from control.models import AuditEntry, Change, Mode, Shelf, Signal
from control.queries.signals import board
from tests import factories
from tests.factories import NOW, Plant

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
EVERY = tuple(f"loading/{lane}-top" for lane in factories.LANES)


@pytest.fixture
def plant() -> Plant:
    return factories.plant()


def broke(plant: Plant, at: datetime = NOW, rule: Rule = Rule.TREND, streams: tuple[str, ...] = EVERY[:1]) -> None:
    points = [(plant.streams[one].pk, int(rule), at, 1, 21.0) for one in streams]
    signals.note(signals.gathered(points), now=at)


def told(plant: Plant, now: datetime = NOW) -> tuple[int, int, int]:
    found = board(plant.line, now)
    return len(found.calling), len(found.waiting), len(found.shelved)


def another(plant: Plant, at: datetime, rule: Rule = Rule.TREND) -> Signal:
    """A signal of a cause of its own: those before it are answered."""
    Signal.objects.update(closed_at=at, closed_by=plant.person("operator"), action_taken="x")
    broke(plant, at, rule)
    return Signal.objects.latest("pk")


def exhausted(plant: Plant) -> None:
    """Recommendations have called as often as may be at once."""
    for _ in range(Figures().call_burst):
        factories.snapshot(plant, NOW)
        change = factories.offered(plant, NOW)
        told = {"actor": plant.person("operator"), "code": factories.reason_code().key, "now": NOW}
        changes.reject(change.pk, version=change.version, **told)
        Change.objects.filter(pk=change.pk).update(state_since=NOW - timedelta(hours=1))


@pytest.mark.parametrize(
    ("rule", "priority"),
    [(Rule.OUT_OF_SPEC, 1), (Rule.BEYOND_3_SIGMA, 2), (Rule.EWMA, 2), (Rule.TREND, 3), (Rule.RUN_ONE_SIDE, 3)],
)
def test_what_leaves_the_specification_is_the_most_urgent(plant: Plant, rule: Rule, priority: int) -> None:
    broke(plant, rule=rule)
    assert Signal.objects.get().priority == priority


def test_lanes_of_one_machine_that_break_rules_together_call_once(plant: Plant) -> None:
    broke(plant, streams=EVERY)
    broke(plant, NOW + 9 * MINUTE, Rule.RUN_ONE_SIDE)
    assert Signal.objects.filter(joins=None).count() == 1
    (leader,) = board(plant.line, NOW).calling
    assert (leader.more, attention.rate(plant.line.pk, NOW + 9 * MINUTE).calls) == (4, 1)


def test_after_ten_minutes_it_is_another_cause(plant: Plant) -> None:
    broke(plant)
    broke(plant, NOW + 11 * MINUTE, Rule.RUN_ONE_SIDE)
    assert Signal.objects.filter(joins=None).count() == 2


def test_what_is_more_urgent_joins_nothing_that_is_less(plant: Plant) -> None:
    broke(plant, rule=Rule.TREND)
    broke(plant, rule=Rule.OUT_OF_SPEC, streams=EVERY[1:])
    assert list(Signal.objects.filter(joins=None).order_by("id").values_list("priority", flat=True)) == [3, 1]


def test_what_breaks_at_once_is_led_by_the_most_urgent(plant: Plant) -> None:
    broke(plant, rule=Rule.TREND | Rule.OUT_OF_SPEC | Rule.BEYOND_3_SIGMA)
    assert Signal.objects.get(joins=None).priority == 1


def test_one_answer_is_for_all_of_the_same_cause(plant: Plant) -> None:
    broke(plant, streams=EVERY)
    cause, operator = factories.cause_code(), plant.person("operator")
    action = factories.action_code()
    signals.close(Signal.objects.get(joins=None), cause=cause, action=action, actor=operator, now=NOW)
    assert not Signal.objects.filter(closed_at=None).exists()
    assert AuditEntry.objects.get(action="signal.close").new["joined"] == 3


def test_over_a_shift_calls_stay_under_one_in_ten_minutes_and_the_urgent_always_comes(plant: Plant) -> None:
    for minute in range(0, 480, 3):
        another(plant, NOW + minute * MINUTE)
        attention.call_waiting(NOW + minute * MINUTE)
    end = NOW + 480 * MINUTE
    rate = attention.rate(plant.line.pk, end)
    assert 30 <= rate.calls <= rate.budget == 48
    assert rate.each_ten_minutes <= 1.0
    for second in range(5):
        at = end + timedelta(seconds=second)
        assert another(plant, at, Rule.OUT_OF_SPEC).called_at == at


def test_what_had_to_wait_comes_when_there_is_room_again(plant: Plant) -> None:
    for second in range(8):
        row = another(plant, NOW + timedelta(seconds=second))
    assert row.called_at is None
    assert told(plant) == (0, 1, 0)
    later = NOW + timedelta(hours=1)
    attention.call_waiting(later)
    row.refresh_from_db()
    assert row.called_at == later


def test_a_recommendation_waits_when_people_were_called_enough_and_a_newer_one_in_its_place_does_not(
    plant: Plant,
) -> None:
    exhausted(plant)
    at = NOW + timedelta(seconds=6)
    factories.snapshot(plant, at)
    offer = {"loop": plant.loop, "evidence": {}, "actor": "controller"}
    assert changes.propose(proposal=factories.proposal(at), now=at, **offer) is None
    later = at + timedelta(minutes=13)
    factories.snapshot(plant, later)
    assert changes.propose(proposal=factories.proposal(later), now=later, **offer) is not None
    newer = later + timedelta(seconds=5)
    assert changes.propose(proposal=factories.proposal(newer, now=19.6, pump_top=60.8), now=newer, **offer) is not None
    assert Change.objects.filter(supersedes__isnull=False).count() == 1


def test_what_is_urgent_keeps_no_recommendation_back(plant: Plant) -> None:
    for second in range(20):
        another(plant, NOW - timedelta(seconds=second), Rule.OUT_OF_SPEC)
    factories.snapshot(plant, NOW)
    assert factories.offered(plant, NOW) is not None


def test_signals_leave_half_of_the_burst_to_recommendations(plant: Plant) -> None:
    for second in range(8):
        another(plant, NOW + timedelta(seconds=second))
    factories.snapshot(plant, NOW)
    assert attention.rate(plant.line.pk, NOW + MINUTE).calls == 5
    assert factories.offered(plant, NOW) is not None


def test_a_loop_in_automatic_mode_asks_nobody_and_is_not_kept_waiting(plant: Plant) -> None:
    exhausted(plant)
    plant.loop.actual_mode = Mode.AUTO
    plant.loop.save()
    assert factories.offered(plant, NOW).state == "veto"


def test_an_acknowledged_signal_still_wants_a_cause(plant: Plant) -> None:
    broke(plant)
    broke(plant, rule=Rule.OUT_OF_SPEC)
    ids = list(Signal.objects.values_list("pk", flat=True))
    operator = plant.person("operator")
    assert signals.acknowledge(plant.line, ids, actor=operator, now=NOW) == 2
    assert signals.acknowledge(plant.line, ids, actor=plant.person("operator2"), now=NOW) == 0
    assert set(Signal.objects.values_list("acknowledged_by", "closed_at")) == {(operator.pk, None)}
    assert AuditEntry.objects.filter(action="signal.acknowledge").count() == 2
    with pytest.raises(NoPermission):
        signals.acknowledge(plant.line, ids, actor=plant.person("viewer"), now=NOW)


def test_another_lines_signals_are_not_acknowledged(plant: Plant) -> None:
    other = factories.plant("cathode-2", area=plant.area)
    broke(other)
    ids = list(Signal.objects.values_list("pk", flat=True))
    assert signals.acknowledge(plant.line, ids, actor=plant.person("operator"), now=NOW) == 0


def test_a_shelved_rule_is_stored_and_calls_nobody_until_its_time_is_over(plant: Plant) -> None:
    broke(plant)
    shelving.shelve(
        Signal.objects.get(), minutes=30, reason="gauge is serviced", actor=plant.person("operator"), now=NOW
    )
    assert told(plant, NOW) == (0, 0, 1)
    again = another(plant, NOW + MINUTE)
    assert again.called_at is None
    attention.call_waiting(NOW + 29 * MINUTE)
    assert told(plant, NOW + 29 * MINUTE) == (0, 0, 1)
    attention.call_waiting(NOW + 30 * MINUTE)
    assert told(plant, NOW + 30 * MINUTE) == (1, 0, 0)


def test_what_is_taken_off_the_shelf_calls_again(plant: Plant) -> None:
    broke(plant)
    row, operator = Signal.objects.get(), plant.person("operator")
    shelving.shelve(row, minutes=30, reason="gauge", actor=operator, now=NOW)
    shelving.unshelve(row, actor=operator, now=NOW + MINUTE)
    assert told(plant, NOW + MINUTE) == (1, 0, 0)
    with pytest.raises(Conflict):
        shelving.unshelve(row, actor=operator, now=NOW + MINUTE)


@pytest.mark.parametrize(("minutes", "reason"), [(0, "x"), (-5, "x"), (481, "x"), (30, " ")])
def test_it_is_shelved_for_a_time_and_with_a_reason(plant: Plant, minutes: int, reason: str) -> None:
    broke(plant)
    with pytest.raises(Invalid):
        shelving.shelve(Signal.objects.get(), minutes=minutes, reason=reason, actor=plant.person("operator"), now=NOW)
    assert not Shelf.objects.exists()


@pytest.mark.parametrize(
    "told",
    [
        {"until": NOW + timedelta(hours=25)},
        {"until": NOW},
        {"until": datetime.max.replace(tzinfo=NOW.tzinfo)},
        {"reason": ""},
    ],
)
def test_the_database_itself_shelves_nothing_for_ever(plant: Plant, told: dict[str, object]) -> None:
    row = {"since": NOW, "until": NOW + MINUTE, "reason": "x"} | told
    with pytest.raises(IntegrityError), transaction.atomic():
        Shelf.objects.create(stream=plant.streams[EVERY[0]], rule=1, by=plant.person("operator"), **row)


def test_a_failed_write_is_one_urgent_signal_of_its_loop_until_it_is_answered(plant: Plant) -> None:
    for second in range(2):
        signals.raise_(
            plant.line, Signal.Kind.WRITE_FAILED, loop=plant.loop, detail="#7", now=NOW + timedelta(seconds=second)
        )
    row = Signal.objects.get()
    assert (row.priority, row.points, row.called_at, row.stream) == (1, 2, NOW, None)
    with pytest.raises(Invalid):
        shelving.shelve(row, minutes=5, reason="x", actor=plant.person("operator"), now=NOW)
    cause = factories.cause_code()
    signals.close(row, cause=cause, action=factories.action_code(), actor=plant.person("operator"), now=NOW)
    signals.raise_(plant.line, Signal.Kind.WRITE_FAILED, loop=plant.loop, now=NOW)
    assert Signal.objects.count() == 2


@pytest.mark.parametrize("told", [{"priority": 0}, {"priority": 4}, {"kind": "unconfirmed"}, {"acknowledged_at": NOW}])
def test_a_signal_that_says_nothing_clear_is_refused_by_the_database(plant: Plant, told: dict[str, object]) -> None:
    broke(plant)
    with pytest.raises(IntegrityError), transaction.atomic():
        Signal.objects.update(**told)
