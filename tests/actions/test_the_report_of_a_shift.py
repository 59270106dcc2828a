"""The report says what happened in the shift, each thing once and in the shift in which it happened."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from control.actions import changes, loops, process_events, shifts, signals, tuning, versions
from control.core.modes import Mode
from control.core.process_events import Kind
from control.core.types import Rule
from control.models import Change, Handover, Signal
from tests import factories
from tests.actions.test_handing_over_a_shift import BEGIN, END
from tests.factories import Plant

pytestmark = pytest.mark.django_db
MIDDLE = BEGIN + timedelta(hours=4)
NEXT = END + timedelta(hours=8)


@pytest.fixture
def plant() -> Plant:
    found = factories.plant()
    shifts.make_due(BEGIN)
    return found


def report(ends_at: datetime = END) -> dict[str, Any]:
    shifts.make_due(ends_at)
    told: dict[str, Any] = Handover.objects.get(ends_at=ends_at).report
    return json.loads(json.dumps(told))


def offered(plant: Plant, at: datetime) -> Change:
    factories.snapshot(plant, at)
    return factories.offered(plant, at)


def applied(plant: Plant, at: datetime) -> Change:
    change = offered(plant, at)
    Change.objects.filter(pk=change.pk).update(
        state="effective", applied_at=at, decided_at=at, decided_by=plant.person("operator"), state_since=at
    )
    return change


def reject(change: Change, plant: Plant, at: datetime) -> None:
    code = factories.reason_code().key
    changes.reject(change.pk, actor=plant.person("operator"), version=change.version, code=code, now=at)


def signal(plant: Plant, at: datetime, stream: str = "loading/1-top") -> Signal:
    broken = signals.gathered([(plant.streams[stream].pk, int(Rule.TREND), at, 1, 21.0)])
    signals.note(broken, now=at)
    return Signal.objects.latest("pk")


def ids(told: dict[str, Any], kind: str) -> list[int]:
    return [row["id"] for row in told["changes"][kind]]


def test_a_change_is_told_once_in_the_shift_in_which_it_ended(plant: Plant) -> None:
    rejected = offered(plant, MIDDLE)
    reject(rejected, plant, MIDDLE)
    made = applied(plant, MIDDLE + timedelta(minutes=20))
    waiting = offered(plant, END - timedelta(minutes=1))
    first = report()
    assert (ids(first, "rejected"), ids(first, "applied"), ids(first, "open")) == (
        [rejected.pk], [made.pk], [waiting.pk]
    )  # fmt: skip
    assert first["changes"]["counts"] == {"rejected": 1, "applied": 1, "open": 1}
    reject(waiting, plant, END + timedelta(minutes=1))
    second = report(NEXT)
    assert second["changes"]["counts"] == {"rejected": 1}
    assert ids(second, "rejected") == [waiting.pk]


def test_a_report_that_is_made_late_tells_how_things_stood_at_the_end(plant: Plant) -> None:
    waiting = offered(plant, END - timedelta(minutes=1))
    loops.hold(plant.line, actor=plant.person("operator"), now=END - timedelta(minutes=1))
    raised = signal(plant, MIDDLE)
    reject(waiting, plant, END + timedelta(minutes=1))
    late = END + timedelta(minutes=2)
    loops.request(plant.loop, Mode.SHADOW, by=factories.hand(plant.person("supervisor"), late), now=late, reason="x")
    answer(raised, plant, END + timedelta(minutes=2))
    shifts.make_due(END + timedelta(minutes=5))
    told = report()
    assert told["changes"]["counts"] == {"open": 1}
    assert told["modes"][0]["actual"] == "supervised"
    assert told["holds"][0]["ended_at"] is None
    assert told["signals"] == {"raised": 1, "answered": 0, "without": 1, "open": told["signals"]["open"]}


def answer(row: Signal, plant: Plant, at: datetime) -> None:
    cause = factories.cause_code()
    signals.close(row, cause=cause, action=factories.action_code(), actor=plant.person("operator"), now=at)


def test_modes_are_told_with_their_changes_and_since_when(plant: Plant) -> None:
    supervisor = factories.hand(plant.person("supervisor"), MIDDLE)
    loops.request(plant.loop, Mode.ADVISORY, by=supervisor, now=MIDDLE, reason="pump is odd")
    (told,) = report()["modes"]
    assert (told["key"], told["requested"], told["actual"]) == ("coater.loading-top", "advisory", "advisory")
    assert told["since"] == MIDDLE.isoformat()
    assert [(one["to"], one["by"], one["reason"]) for one in told["changed"]] == [
        ("advisory", "supervisor@cathode-1", "pump is odd")
    ]
    assert report(NEXT)["modes"][0]["changed"] == []


def test_moves_are_summed_beside_what_a_shift_may_bring(plant: Plant) -> None:
    for minutes in (0, 20):
        applied(plant, MIDDLE + timedelta(minutes=minutes))
    (told,) = report()["moves"]
    assert (told["key"], told["times"], told["operator"], told["supervisor"]) == ("coater.pump_top", 2, 3.0, 5.0)
    assert told["percent"] == pytest.approx(2 * 100 * 0.3 / 60)
    assert report(NEXT)["moves"] == []


def test_signals_without_a_cause_are_told_and_the_answered_ones_counted(plant: Plant) -> None:
    answer(signal(plant, MIDDLE), plant, MIDDLE + timedelta(minutes=1))
    left = signal(plant, MIDDLE, "loading/3-top")
    told = report()["signals"]
    assert (told["raised"], told["answered"], told["without"]) == (2, 1, 1)
    assert [(row["id"], row["key"]) for row in told["open"]] == [(left.pk, "coater.loading/3-top")]
    assert report(NEXT)["signals"]["raised"] == 0


def test_a_hold_is_told_in_every_shift_it_reaches_into(plant: Plant) -> None:
    hold = loops.hold(plant.line, actor=plant.person("operator"), now=MIDDLE, reason="foil torn")
    assert [(row["by"], row["reason"]) for row in report()["holds"]] == [("operator@cathode-1", "foil torn")]
    at = END + timedelta(hours=1)
    loops.release(hold, by=factories.hand(plant.person("supervisor"), at), now=at, reason="mended")
    assert report(NEXT)["holds"][0]["ended_by"] == "supervisor@cathode-1"
    assert report(NEXT + timedelta(hours=8))["holds"] == []


def test_an_outage_is_a_gap_of_more_than_ten_scans(plant: Plant) -> None:
    for second in (*range(0, 60, 10), *range(71, 120, 10)):  # 11 s between two
        factories.snapshot(plant, BEGIN + timedelta(seconds=second))
    gaps = [(row["from"], row["to"]) for row in report()["outages"]]
    assert gaps == [
        ((BEGIN + timedelta(seconds=50)).isoformat(), (BEGIN + timedelta(seconds=71)).isoformat()),
        ((BEGIN + timedelta(seconds=111)).isoformat(), END.isoformat()),
    ]


def test_events_are_told_in_the_shift_that_learned_of_them(plant: Plant) -> None:
    before = END - timedelta(minutes=5)
    process_events.record(
        plant.line, Kind.FILTER_CHANGE, at=before, actor=plant.person("operator"), now=END + timedelta(minutes=5),
        equipment=plant.coater, note="new cartridge",
    )  # fmt: skip
    assert report()["events"] == []
    assert [(row["kind"], row["note"], row["at"]) for row in report(NEXT)["events"]] == [
        ("filter_change", "new cartridge", before.isoformat())
    ]


def test_what_was_put_in_force_is_told(plant: Plant) -> None:
    settings = plant.loop.settings | {"deadband": 0.08}
    told = {"actor": plant.person("engineer"), "now": MIDDLE}
    draft = tuning.draft(plant.loop, settings, reason="too many approvals", **told)
    versions.submit(draft.pk, **told)
    by = factories.hand(plant.person("supervisor"), MIDDLE)
    versions.approve(draft.pk, seen=draft.sha256, by=by, now=MIDDLE, then="now", reason="seen, and tried")
    rows = [(row["action"], row["by"], row["reason"]) for row in report()["versions"]]
    assert rows == [("version.activate", "supervisor@cathode-1", "seen, and tried")]
    assert report(NEXT)["versions"] == []


def test_a_shift_that_runs_tells_what_happened_so_far(plant: Plant) -> None:
    running = Handover.objects.get(report__isnull=True)
    assert shifts.report(running, MIDDLE)["signals"]["raised"] == 0
    signal(plant, MIDDLE)
    assert shifts.report(running, MIDDLE + timedelta(seconds=1))["signals"]["raised"] == 1
