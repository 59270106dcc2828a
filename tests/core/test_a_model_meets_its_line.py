"""A model that has just gone into force drives no loop before its lanes have been measured."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from control.core.interventions import MOST_WANTED, wanted
from control.core.loop import Machine, Pass, State, StreamConfig
from control.core.policy import Reason
from control.core.process_events import RELEARNED
from control.core.types import Measured, MeasuredBy, Quality
from control.core.vm.estimator import Estimator
from tests.core.tiny_line import GAUGE_M, LANES, LOOP, STREAMS, TAGS, TARGET, TinyLine, live, measured

WANTED = 4  # values that a bias of weight .3 is an average over


def begun(machine: Machine, seconds: int, seed: int = 31, lost: float = 0.01) -> tuple[TinyLine, list[Pass]]:
    """A new line of which no tag tells that it coats 1 % less than the one the model learned from."""
    line, state, passes = TinyLine(seed, disturbed=False), State(), []
    line.lost = lost
    for _ in range(seconds):
        passes.append(live(line, machine, state))
        state = passes[-1].state
    return line, passes


def values(line: TinyLine, value: float, by: MeasuredBy = MeasuredBy.GAUGE, quality: int = 0) -> Measured:
    """One value of each lane of the metre that is under the gauge now."""
    at_s = float(line.at_s)
    found = measured([(at_s, 1, at_s - GAUGE_M, lane, value) for lane in range(LANES)], by)
    return replace(found, quality=np.full(LANES, quality))


def test_on_a_new_line_nothing_is_proposed_before_every_lane_was_measured(machine):
    _, passes = begun(machine, 180)
    spoke = [i for i, found in enumerate(passes) if found.proposals]
    silent = [i for i, found in enumerate(passes) if found.notes and found.notes[0].reason is Reason.NOT_YET_MEASURED]
    learnt = [i for i, found in enumerate(passes) if all(not one.wanted for one in found.state.streams.values())]
    assert silent[0] < GAUGE_M
    assert silent[-1] == learnt[0] - 1 >= GAUGE_M + LANES * (WANTED - 1)
    assert spoke[0] >= learnt[0]


@pytest.mark.parametrize("count", range(WANTED + 2))
def test_every_good_value_of_a_lane_is_one_less_to_wait_for(machine, count):
    line, passes = begun(machine, 200, lost=0.0)
    state = replace(passes[-1].state, estimator="another")
    state = live(line, machine, state, gauge=Measured.none()).state
    for _ in range(count):
        state = live(line, machine, state, gauge=values(line, TARGET)).state
    assert state.streams["loading/1"].wanted == max(WANTED - count, 0)


@pytest.mark.parametrize("weight", [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0])
def test_what_training_left_in_the_bias_has_mostly_gone_or_was_steady(weight):
    left = (1 - weight) ** wanted(weight)
    assert RELEARNED <= wanted(weight) <= MOST_WANTED
    assert left <= np.exp(-1) or wanted(weight) == MOST_WANTED


def test_another_model_waits_again_on_a_line_that_was_long_known(machine):
    line, passes = begun(machine, 200)
    assert passes[-1].notes == () or passes[-1].notes[0].reason is not Reason.NOT_YET_MEASURED
    found = live(line, machine, replace(passes[-1].state, estimator="another"), gauge=Measured.none())
    assert found.notes[0].reason is Reason.NOT_YET_MEASURED
    assert found.predictions.quality[0].tolist() == [Quality.GOOD] * LANES


@pytest.mark.parametrize("bad", ["doubtful", "of an unknown metre"])
def test_a_value_that_is_no_good_ends_no_waiting(machine, bad):
    line, passes = begun(machine, 200)
    state = replace(passes[-1].state, estimator="another")
    for _ in range(2 * WANTED):
        gauge = values(line, TARGET, quality=int(bad == "doubtful"))
        if bad == "of an unknown metre":
            gauge = replace(gauge, web_m=gauge.web_m + 5_000.0)
        found = live(line, machine, state, gauge=gauge)
        state = found.state
    assert found.notes[0].reason is Reason.NOT_YET_MEASURED


def sampled(machine: Machine, line: TinyLine, state: State) -> tuple[list[Reason], State]:
    """Under another model only the laboratory measures; why the loop was silent, and the state afterwards."""
    state, reasons = replace(state, estimator="another"), []
    for _ in range(2 * RELEARNED):
        found = live(line, machine, state, gauge=values(line, TARGET, MeasuredBy.LAB))
        state = found.state
        reasons += [note.reason for note in found.notes]
    return reasons, state


def test_where_only_a_laboratory_measures_its_samples_end_the_waiting(machine):
    line, passes = begun(machine, 200)
    reasons, state = sampled(machine, line, replace(passes[-1].state, streams={}))
    assert reasons[0] is Reason.NOT_YET_MEASURED
    assert Reason.NOT_YET_MEASURED not in reasons[1:]
    assert state.streams["loading/1"].bias == 0.0


def test_where_a_gauge_corrects_the_model_no_sample_stands_in_for_it(machine):
    line, passes = begun(machine, 200)
    reasons, state = sampled(machine, line, State.from_json(passes[-1].state.to_json()))
    assert reasons == [Reason.NOT_YET_MEASURED] * 2 * RELEARNED
    assert state.streams["loading/1"].wanted == WANTED


def test_a_gauge_read_before_there_was_any_model_is_remembered_when_one_comes(machine):
    line, passes = begun(replace(machine, estimator=None, loops=()), 200)
    reasons, _ = sampled(machine, line, passes[-1].state)
    assert set(reasons) == {Reason.NOT_YET_MEASURED}


def test_a_state_stored_before_this_was_counted_goes_on_working(machine):
    line, passes = begun(machine, 200)
    stored = json.loads(passes[-1].state.to_json())
    for stream in stored["streams"].values():
        del stream["wanted"]
    state = State.from_json(json.dumps(stored))
    found = live(line, machine, state)
    assert not found.notes or found.notes[0].reason is not Reason.NOT_YET_MEASURED


def test_the_count_survives_a_restart(machine):
    _, passes = begun(machine, 30)
    assert passes[-1].state.streams["loading/1"].wanted == WANTED
    assert State.from_json(passes[-1].state.to_json()) == passes[-1].state


def test_a_stream_that_no_model_speaks_for_hinders_no_other(trained):
    streams = (*STREAMS, StreamConfig("flaws/1", counted=True))
    estimator = Estimator.load(list(trained.contents.values()), TAGS, [stream.key for stream in streams])
    found = live(TinyLine(31, disturbed=False), Machine("coater", TAGS, streams, estimator, (LOOP,)), State())
    assert found.state.streams["loading/1"].wanted == WANTED
    assert np.isfinite(found.predictions.value[0, :LANES]).all()
    assert np.isnan(found.predictions.value[0, LANES])
