"""Every trigger takes a loop out of automatic mode, caused on the twin: scans come in, passes and watch do the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from control.actions import loops, process_events, watching
from control.core.demotion import Trigger
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.process_events import Kind
from control.core.twin.scenario import Event
from control.core.types import Quality
from control.models import (
    AuditEntry,
    Change,
    Handshake,
    Lease,
    Loop,
    ModeSpell,
    Recipe,
    SetPointMove,
    Tag,
    VersionState,
)
from tests.factories import cast
from tests.running import Running, running, shared
from tests.trials import seeds

pytestmark = [pytest.mark.django_db]
TRAINED_S = 2400
FOR_EVER = timedelta(days=365)


@pytest.fixture(scope="module", autouse=True)
def proven(django_db_setup: None, django_db_blocker) -> Iterator[Running]:
    """A line with models that have met their measurements; what a test does to it is undone."""
    with shared(django_db_blocker):
        line = running(ran_s=TRAINED_S)
        line.advance()
        line.train()
        line.run(300)
        line.advance()
        yield line


class Auto:
    """The line in a world of its own, with one loop in automatic mode and a dispatcher that answers."""

    def __init__(self, line: Running, key: str = "loading-top") -> None:
        self.line = line.again()
        self.key, self.heard = key, True
        Lease.objects.update_or_create(
            line=line.line,
            defaults={"holder": "test", "fence": 1, "since": line.now, "expires_at": line.now + FOR_EVER},
        )
        self.hear()
        self.raise_()

    @property
    def loop(self) -> Loop:
        return Loop.objects.select_related("equipment__line").get(equipment__line=self.line.line, key=self.key)

    def raise_(self) -> None:
        told = {"requested_mode": Mode.AUTO, "actual_mode": Mode.AUTO, "mode_reasons": [], "mode_since": self.line.now}
        Loop.objects.filter(pk=self.loop.pk).update(**told)

    def lower(self) -> None:
        Loop.objects.filter(pk=self.loop.pk).update(actual_mode=Mode.SUPERVISED)

    def disturb(self, kind: str, **told: object) -> None:
        self.line.twin.disturb(Event(kind, **told))

    def second(self, alter: Callable[[object], object] = lambda scan: scan) -> None:
        """One scan of every machine, as ``alter`` leaves it, and what is done with it."""
        self.line.store([alter(scan) for scan in self.line.scans(1)])
        self.line.advance()
        self.hear()

    def minute(self) -> None:
        """The same for a minute, of which the machine told all at once."""
        self.line.run(60)
        self.line.advance()
        self.hear()

    def silence(self, seconds: int = 1) -> None:
        self.line.now += timedelta(seconds=seconds)
        self.hear()

    def hear(self) -> None:
        now = self.line.now
        if self.heard:
            Handshake.objects.update_or_create(equipment=self.loop.equipment, defaults={"heard_at": now})
        watching.watch(now)

    def until_down(self, most: int, alter: Callable[[object], object] = lambda scan: scan) -> int:
        """Seconds until the loop has left automatic mode."""
        for second in range(1, most + 1):
            self.second(alter)
            if self.loop.actual_mode != Mode.AUTO:
                return second
        raise AssertionError(f"still in automatic mode after {most} s")

    @property
    def why(self) -> str:
        return self.loop.mode_reasons[0]["code"] if self.loop.mode_reasons else ""


@pytest.fixture
def auto(proven) -> Auto:
    return Auto(proven)


@pytest.fixture
def press(proven) -> Auto:
    return Auto(proven, "thickness")


def test_a_loop_stays_in_automatic_mode_while_all_is_well(auto):
    for _ in range(30):
        auto.second()
    assert (auto.loop.actual_mode, auto.why) == (Mode.AUTO, "")


@pytest.mark.parametrize("kind", ["tags_missing", "tags_nan"])
def test_an_input_that_is_bad_for_more_than_two_scans(auto, kind):
    auto.disturb(kind, equipment="coater", tags=("solids",), duration_s=2)
    for _ in range(4):
        auto.second()
    assert auto.loop.actual_mode == Mode.AUTO
    auto.disturb(kind, equipment="coater", tags=("solids",), duration_s=60)
    assert auto.until_down(5) == 3
    assert auto.why == Trigger.BAD_INPUT


def test_a_bad_input_that_stays_brings_the_loop_to_shadow(auto):
    auto.disturb("tags_missing", equipment="coater", tags=("pump_top",), duration_s=60)
    for _ in range(12):
        auto.second()
    assert (auto.loop.actual_mode, auto.why) == (Mode.SHADOW, Trigger.VERY_STALE)


def test_no_data_for_more_than_two_scans_and_for_more_than_ten(auto):
    seen = []
    for _ in range(12):
        auto.silence()
        seen.append((auto.loop.actual_mode, auto.why))
    assert seen == [
        *2 * [(Mode.AUTO, "")],
        *8 * [(Mode.SUPERVISED, Trigger.STALE)],
        *2 * [(Mode.SHADOW, Trigger.VERY_STALE)],
    ]


def test_measured_out_of_specification_twice(auto):
    auto.disturb("gauge_bias", equipment="coater", size=0.06, duration_s=600)
    auto.until_down(60)
    assert auto.why == Trigger.OUT_OF_SPEC


def test_a_prediction_that_errs_beyond_three_sigma_of_its_own_history(auto):
    auto.disturb("gauge_bias", equipment="coater", size=0.012, duration_s=600)
    auto.until_down(60)
    assert auto.why == Trigger.VM_ERROR


def test_a_machine_unlike_the_training_of_its_model(auto):
    def hot(scan):
        at = scan.tags.index("slurry_temperature") if scan.equipment == "coater" else None
        return scan if at is None else replace(scan, values=_with(scan.values, at, 60.0))

    auto.until_down(40, hot)
    assert auto.why in (Trigger.UNLIKE_TRAINING, Trigger.NOT_RELIABLE, Trigger.BAD_INPUT)


def _with(values, at, value):
    return (*values[:at], value, *values[at + 1 :])


def test_a_gauge_that_contradicts_itself(press):
    press.disturb("gauge_bias", equipment="press", size=0.05, duration_s=600)
    press.until_down(90)
    assert press.why == Trigger.IDENTITY


def test_a_line_that_stops(auto):
    auto.disturb("line_stop", duration_s=60)
    auto.until_down(60)
    assert auto.why == Trigger.LINE_STOP


def test_a_splice(auto):
    auto.disturb("splice")
    auto.until_down(3)
    assert auto.why == Trigger.SPLICE


def test_another_batch_of_slurry(auto):
    auto.disturb("solids_step", size=0.001)
    auto.until_down(3)
    assert auto.why == Trigger.LOT


def test_another_recipe(auto):
    told = {"actor": "test", "now": auto.line.now, "note": "v1 → v2"}
    process_events.caused(auto.line.line, Kind.PRODUCT_CHANGE, **told)
    auto.until_down(3)
    assert auto.why == Trigger.RECIPE


def test_a_hand_on_the_knob(auto):
    auto.disturb("hand_move", equipment="coater", tags=("pump_top",), size=0.01)
    auto.until_down(5)
    assert (auto.why, auto.loop.mode_reasons[0]["detail"]) == (Trigger.HAND_MOVE, "pump_top")


def test_a_write_of_ours_is_taken_for_no_hand(auto):
    change = written(auto, 0.3)
    auto.disturb("hand_move", equipment="coater", tags=("pump_top",), size=0.3 / 62.0)
    for _ in range(3):
        auto.minute()
    assert auto.loop.actual_mode == Mode.AUTO, auto.why
    assert change.state == State.APPLIED


def written(auto: Auto, delta: float, *, minutes_ago: int = 0, percent: float = 0.4) -> Change:
    """A change of the pump that the dispatcher has written."""
    at, tag = (
        auto.line.now - timedelta(minutes=minutes_ago),
        Tag.objects.get(equipment=auto.loop.equipment, key="pump_top"),
    )
    change = Change.objects.create(
        loop=auto.loop, line=auto.line.line, state=State.APPLIED, proposed_at=at, expires_at=at, state_since=at,
        size_percent=percent, needs="operator", evidence={}, decided_at=at, taken_at=at, applied_at=at,
    )  # fmt: skip
    SetPointMove.objects.create(change=change, tag=tag, from_value=62.0, to_value=62.0 + delta)
    return change


def test_three_moves_the_same_way_each_as_large_as_allowed(auto):
    for n in (2, 1):
        written(auto, 0.31, minutes_ago=20 * n, percent=0.5)
        auto.hear()
        assert auto.loop.actual_mode == Mode.AUTO
    written(auto, 0.31, percent=0.5)
    auto.hear()
    assert auto.why == Trigger.SAME_WAY


def test_a_parameter_at_a_limit_of_the_machine(auto):
    recipe = Recipe.objects.get(line=auto.line.line, state=VersionState.ACTIVE)
    recipe.content["specs"]["coater.loading"]["target"] = 20.2
    recipe.save()
    Tag.objects.filter(equipment=auto.loop.equipment, key="pump_top").update(machine_high=62.1)
    auto.until_down(10)
    assert (auto.why, auto.loop.mode_reasons[0]["detail"]) == (Trigger.CLAMPED, "pump_top:high")


def test_a_machine_that_does_not_answer_for_ten_seconds(auto):
    auto.heard = False
    assert auto.until_down(12) == 11
    assert auto.why == Trigger.HEARTBEAT


def test_intervals_that_hold_less_than_they_promise(auto):
    auto.lower()
    for n in range(30):
        auto.disturb("gauge_bias", equipment="coater", size=(-1) ** n * 0.01, duration_s=20)
        auto.line.run(20)
        auto.line.advance()
    auto.raise_()
    auto.until_down(30)
    assert auto.why == Trigger.COVERAGE


def test_hold(auto):
    people = cast(auto.line.line)
    loops.hold(auto.line.line, actor=people["operator"], now=auto.line.now)
    assert (auto.loop.actual_mode, auto.why) == (Mode.SUPERVISED, Trigger.HOLD)


def test_the_same_cause_writes_one_row(auto):
    auto.disturb("tags_missing", equipment="coater", tags=("solids",), duration_s=600)
    for _ in range(9):
        auto.second()
    rows = AuditEntry.objects.filter(action="loop.mode", object_id=str(auto.loop.pk))
    assert list(rows.values_list("new__code", flat=True)) == [Trigger.BAD_INPUT]


def test_nothing_returns_to_automatic_mode_by_itself_and_silence_ends_once(auto):
    auto.silence(12)
    assert auto.loop.actual_mode == Mode.SHADOW
    for _ in range(9):
        auto.second()
    assert auto.loop.actual_mode == Mode.SHADOW
    for _ in range(3):
        auto.second()
    assert (auto.loop.actual_mode, auto.loop.requested_mode) == (Mode.SUPERVISED, Mode.AUTO)
    auto.silence(12)
    for _ in range(30):
        auto.second()
    assert auto.loop.actual_mode == Mode.SHADOW, "lifted twice within half an hour"
    assert ModeSpell.objects.filter(loop=auto.loop, code="lifted").count() == 1


def test_what_was_counting_down_is_taken_back(auto):
    Change.objects.create(
        loop=auto.loop, line=auto.line.line, state=State.VETO, proposed_at=auto.line.now,
        expires_at=auto.line.now + FOR_EVER, state_since=auto.line.now, size_percent=0.1, needs="operator", evidence={},
    )  # fmt: skip
    auto.disturb("splice")
    auto.until_down(3)
    assert Change.objects.values_list("state", "reason").get() == (State.WITHDRAWN, Trigger.SPLICE)


def test_a_backlog_is_no_news_of_now(auto):
    auto.line.run(60)
    auto.line.now += timedelta(seconds=60)
    auto.line.advance()
    assert (auto.loop.actual_mode, auto.why) == (Mode.SUPERVISED, Trigger.STALE)


def test_a_loop_of_the_other_side_stays(auto):
    other = Auto(auto.line, "loading-bottom")
    other.disturb("hand_move", equipment="coater", tags=("pump_top",), size=0.01)
    for _ in range(5):
        other.second()
    assert (auto.loop.actual_mode, other.loop.actual_mode) == (Mode.SUPERVISED, Mode.AUTO)


NOISY = ("solids", "slurry_density", "viscosity", "pump_pressure_top", "filter_dp_bottom", "dryer_temperature_1")
SPOILT: dict[str, Callable[[float, float], tuple[float | None, Quality]]] = {
    "missing": lambda value, frozen: (None, Quality.MISSING),
    "bad": lambda value, frozen: (value, Quality.BAD),
    "doubtful": lambda value, frozen: (value, Quality.DOUBTFUL),
    "nan": lambda value, frozen: (float("nan"), Quality.GOOD),
    "out of range": lambda value, frozen: (1e9, Quality.GOOD),
    "frozen": lambda value, frozen: (frozen, Quality.GOOD),
}
SCANS_TO_SHED = 3


@pytest.mark.parametrize("seed", seeds(range(len(SPOILT) + 1), more=500))
def test_bad_input_sheds_within_three_scans_and_nothing_is_written(auto, seed):
    kind, tag = [*SPOILT, "stale"][seed % (len(SPOILT) + 1)], Random(seed).choice(NOISY)
    first: list[float] = []

    def spoil(scan):
        if scan.equipment != "coater":
            return scan
        at = scan.tags.index(tag)
        first.append(scan.values[at])
        value, quality = SPOILT[kind](scan.values[at], first[0])
        quality = (*scan.quality[:at], quality, *scan.quality[at + 1 :])
        return replace(scan, values=_with(scan.values, at, value), quality=quality)

    for _ in range(SCANS_TO_SHED + (kind == "frozen")):  # the first of a frozen tag is a value like any other
        auto.silence() if kind == "stale" else auto.second(spoil)
    assert (auto.loop.actual_mode, auto.why) == (Mode.SUPERVISED, "stale" if kind == "stale" else "bad_input"), kind
    assert not Change.objects.exclude(state=State.WITHDRAWN).exists()
    for _ in range(3):
        auto.second()
    assert auto.loop.actual_mode == Mode.SUPERVISED
