"""One pass over what arrived: predictions and judged measurements on the chart, the cursor moved, nothing twice."""

from dataclasses import replace

import numpy as np
import pytest

from control.actions import changes, ingest, pipeline, situation
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import Move, Proposal, Quality
from control.models import Change, Cursor, Estimator, Intake, Limits, Point, Roll, SetAside, Snapshot
from tests.factories import user
from tests.running import START, running

pytestmark = pytest.mark.django_db


@pytest.fixture
def line():
    return running(scenario="shift")


def test_without_an_estimator_what_is_measured_is_still_charted(line):
    line.run(240)
    assert line.advance() > 0
    assert set(Point.objects.values_list("by", flat=True)) == {1}
    assert Roll.objects.count() >= 2


def test_points_are_numbered_without_holes_and_the_cursor_stands_at_the_last_arrival(line):
    for _ in range(4):
        line.run(60)
        line.advance()
    for machine in line.equipment:
        cursor, seqs = Cursor.objects.get(pk=machine.pk), Point.objects.filter(equipment=machine).values_list("seq")
        assert sorted(seq for (seq,) in seqs) == list(range(1, cursor.head_seq + 1))
        assert cursor.processed == Intake.objects.get(pk=machine.pk).arrived
        assert pipeline.behind(machine.pk) == 0


def test_a_trained_line_predicts_every_lane_within_its_interval_most_of_the_time(line):
    line.run(3000)
    line.advance()
    line.train()
    coater = line.equipment[0]
    assert Estimator.objects.filter(stream__lane__equipment=coater, state="active").count() == 8
    assert Limits.objects.filter(state="active", chart="i_mr").count() == 16
    line.run(600)
    line.advance()
    predicted = Point.objects.filter(equipment=coater, by=0)
    assert predicted.count() == 600 * 8
    judged = Point.objects.filter(equipment=coater, by=1, predicted__isnull=False, quality=0, at__gt=START).values_list(
        "value", "predicted"
    )
    error = np.array(list(judged))
    assert np.abs(error[:, 0] - error[:, 1]).mean() < 0.1


def test_a_pass_with_nothing_new_changes_nothing(line):
    line.run(120)
    line.advance()
    before = list(Cursor.objects.order_by("pk").values_list())
    assert line.advance() == 0
    assert list(Cursor.objects.order_by("pk").values_list()) == before


def test_a_backlog_is_caught_up_in_bounded_passes_with_the_same_result(line, monkeypatch):
    line.run(400)
    monkeypatch.setattr(pipeline, "BATCHES", (150, 30, 1))
    coater = line.equipment[0]
    passes = 0
    while True:
        done = pipeline.advance(coater.pk, now=line.now)
        passes += 1
        assert done.snapshots + done.measurements <= 150
        if not done.more:
            break
    assert passes >= 3
    assert Cursor.objects.get(pk=coater.pk).processed == Intake.objects.get(pk=coater.pk).arrived


def test_a_row_that_no_pass_survives_is_parked_and_the_others_go_on(line, monkeypatch):
    line.run(20)
    coater = line.equipment[0]
    poison = Snapshot.objects.filter(equipment=coater).order_by("arrival")[7]
    real = pipeline.core.run

    def run(machine, state, trace, new, *more):
        if np.any(new & (trace.at_s == poison.at.timestamp())):
            raise ZeroDivisionError("poison")
        return real(machine, state, trace, new, *more)

    monkeypatch.setattr(pipeline.core, "run", run)
    for _ in range(30):
        try:
            pipeline.advance(coater.pk, now=line.now)
        except ZeroDivisionError:
            continue
    assert Cursor.objects.get(pk=coater.pk).processed == Intake.objects.get(pk=coater.pk).arrived
    parked = SetAside.objects.get()
    assert (parked.reason, str(poison.arrival) in parked.row) == ("pass_failed", True)


def test_when_an_input_goes_bad_the_open_proposal_is_withdrawn_with_the_reason(line):
    change = _proposed(line)
    _scan(line)
    assert _state(change) == (State.PENDING_OPERATOR, "")
    _scan(line, bad="pump_top")
    assert _state(change) == (State.WITHDRAWN, "input_missing")


def test_an_approved_change_is_withdrawn_too_but_not_the_way_back_of_another(line):
    change = _proposed(line)
    Change.objects.update(state=State.APPROVED)
    _scan(line, bad="pump_top")
    assert _state(change) == (State.WITHDRAWN, "input_missing")
    undoing = _proposed(line)
    Change.objects.filter(pk=undoing.pk).update(author=user("operator"), undoes=change)
    _scan(line, bad="pump_top")
    assert _state(undoing)[0] == State.PENDING_OPERATOR


def _proposed(line) -> Change:
    """A change of the first loop as the controller would propose it, from where the machine stands now."""
    _scan(line)
    loop = line.equipment[0].loops.order_by("pk")[0]
    loop.requested_mode = loop.actual_mode = Mode.SUPERVISED
    loop.save()
    stands = situation.readings(loop.equipment, line.now).values["pump_top"]
    moves = (Move("pump_top", stands, stands * 1.002, ()),)
    proposal = Proposal(loop.key, line.now.timestamp(), 1, 0.0, moves, (), (), ())
    change = changes.propose(loop=loop, proposal=proposal, evidence={}, actor="controller", now=line.now)
    assert change is not None
    return change


def _scan(line, *, bad: str = "") -> None:
    """One second more, in which a tag may be bad."""
    scans = []
    for scan in line.scans(1):
        quality = [Quality.BAD if tag == bad else told for tag, told in zip(scan.tags, scan.quality, strict=True)]
        scans.append(replace(scan, quality=tuple(quality)))
    ingest.store_batch(ingest.raw(), line.who, ingest.batch_of_scans(line.who, scans), now=line.now)
    line.advance()


def _state(change: Change) -> tuple[str, str]:
    return Change.objects.values_list("state", "reason").get(pk=change.pk)
