"""The loop on the tiny line: it takes out what disturbs the line, and keeps silent when it must."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from control.core.loop import State, run
from control.core.policy import Reason
from control.core.types import Measured
from tests.core.tiny_line import BOLTS, GAUGE_M, LOOP, TAGS, TARGET, TinyLine, live, measured
from tests.core.tiny_line import machine as machine_of
from tests.trials import seeds

SECONDS = 2_000


def run_line(machine, seed, apply, seconds=SECONDS):
    line, state, proposals = TinyLine(seed), State(), []
    for _ in range(seconds):
        found = live(line, machine, state, apply)
        state = found.state
        for proposal in found.proposals:
            proposals.append(proposal)
            state = state.moved(proposal.loop, proposal.at_s) if apply else state
    return line, proposals


def figures(line):
    made = np.array(line.loading[300:])
    sigma, mean = made.std(), made.mean()
    return float(sigma), float(min(TARGET * 1.015 - mean, mean - TARGET * 0.985) / (3 * sigma))


@pytest.mark.parametrize("seed", seeds((), more=9))
def test_the_loop_beats_set_points_left_alone(machine, seed, capsys):
    without = TinyLine(seed)
    for _ in range(SECONDS):
        without.step()
    with_loop, proposals = run_line(machine, seed, apply=True)
    (sigma_0, cpk_0), (sigma_1, cpk_1) = figures(without), figures(with_loop)
    with capsys.disabled():
        print(f"\nseed {seed}: sigma {sigma_0:.4f} -> {sigma_1:.4f} mg/cm2, Cpk {cpk_0:.2f} -> {cpk_1:.2f}", end=" ")
        print(f"with {len(proposals)} changes in {SECONDS} s")
    assert sigma_1 < 0.7 * sigma_0
    assert cpk_1 > 1.3 * cpk_0


@pytest.fixture(scope="module")
def one_percent_off(machine):
    """A line that has learned, and a deviation of 1 % ready to be proposed away."""
    line, state = TinyLine(31, disturbed=False), State()
    watching = replace_loops(machine, (replace(LOOP, deadband=10.0),))
    for second in range(345):
        line.solids *= 1.01 if second == 300 else 1.0
        state = live(line, watching, state).state
    return line, state


@pytest.fixture
def disturbed(one_percent_off):
    return deepcopy(one_percent_off)


def replace_loops(machine, loops):
    return type(machine)(machine.key, machine.tags, machine.streams, machine.estimator, loops)


def test_a_step_is_proposed_away_before_its_first_metre_reaches_the_gauge(machine, disturbed):
    line, state = disturbed
    found = live(line, machine, state)
    (proposal,) = found.proposals
    pump = next(move for move in proposal.moves if move.tag == "pump")
    assert pump.from_value == pytest.approx(60.0)
    assert pump.delta == pytest.approx(-0.6, rel=0.15)
    for move in proposal.moves:
        assert sum(part.amount for part in move.contributions) == pytest.approx(move.delta, abs=1e-9)
    assert abs(sum(move.delta for move in proposal.moves if move.tag in BOLTS)) < 1e-9
    assert proposal.gains == LOOP.gains
    for expected in proposal.expected:
        assert abs(expected.after - TARGET) < abs(expected.do_nothing - TARGET)
        assert expected.half_width > 0


def test_after_a_change_the_loop_waits_for_the_dead_time_in_metres(machine, disturbed):
    line, state = disturbed
    state = state.moved("loading", float(line.at_s))
    waited = 0
    while True:
        found = live(line, machine, state)
        state = found.state
        if found.proposals:
            break
        assert found.notes[0].reason is Reason.DEAD_TIME
        waited += 1
    assert waited == pytest.approx(GAUGE_M, abs=2)


def test_a_change_made_is_not_proposed_again_while_its_metres_are_under_way(machine, disturbed):
    line, state = disturbed
    eager = replace_loops(machine, (replace(LOOP, dead_time_m=0.0),))
    found = live(line, eager, state, apply=True)
    state = found.state
    proposed = 0
    for _ in range(50):
        found = live(line, eager, state)
        state, proposed = found.state, proposed + len(found.proposals)
    assert proposed == 0


def test_a_bolt_move_the_tags_only_know_by_its_gain_is_not_proposed_twice(machine):
    line, state = TinyLine(32, disturbed=False), State()
    line.drift = np.array([0.007, -0.007, 0.0, 0.0])
    quiet = replace_loops(machine, (replace(LOOP, deadband=10.0),))
    for _ in range(400):
        state = live(line, quiet, state).state
    eager = replace_loops(machine, (replace(LOOP, dead_time_m=0.0, deadband=0.1),))
    found = live(line, eager, state, apply=True)
    assert {move.tag for move in found.proposals[0].moves} >= {"bolt_1", "bolt_2"}
    proposed = 0
    for _ in range(200):
        found = live(line, eager, found.state)
        proposed += len(found.proposals)
    assert proposed == 0
    assert np.ptp(line.loading[-1]) < 0.3


def silent(found, reason):
    assert not found.proposals
    assert found.notes[0].reason is reason


def test_a_line_that_stands_gets_no_proposal_and_none_until_it_has_run_again(machine, disturbed):
    line, state = disturbed
    line.stopped = True
    for _ in range(20):
        found = live(line, machine, state)
        state = found.state
        silent(found, Reason.LINE_STOPPED)
    line.stopped = False
    found = live(line, machine, state)
    silent(found, Reason.INPUT_DOUBTFUL)
    for _ in range(12):
        found = live(line, machine, found.state)
    assert found.proposals


def test_the_first_metres_of_a_roll_get_no_proposal(machine, disturbed):
    line, state = disturbed
    line.roll, line.web_m = 2, 0.0
    found = live(line, machine, state)
    silent(found, Reason.NEW_ROLL)
    assert np.isfinite(found.predictions.value).all()
    for _ in range(10):
        found = live(line, machine, found.state)
    assert found.proposals


@pytest.mark.parametrize("tag", ["solids", "pump", "bolt_2"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_input_that_is_not_a_number_silences_the_loop(machine, disturbed, tag, value):
    line, state = disturbed
    line.step()
    line.rows[-1][TAGS.index(tag)] = value
    found = step_again(line, machine, state)
    assert not found.proposals
    assert found.notes[0].reason in (Reason.INPUT_MISSING, Reason.INPUT_DOUBTFUL)


def step_again(line, machine, state):
    trace = line.trace(last=200)
    return run(machine, state, trace, trace.at_s == line.at_s - 1, Measured.none())


def test_inputs_unlike_training_silence_the_loop(machine, disturbed):
    line, state = disturbed
    for _ in range(10):
        line.step()
        line.rows[-1][TAGS.index("density")] *= 1.2
        found = step_again(line, machine, state)
        state = found.state
    silent(found, Reason.UNLIKE_TRAINING)


def test_a_wild_gauge_value_moves_no_set_point(machine):
    line, state = TinyLine(33, disturbed=False), State()
    for _ in range(300):
        state = live(line, machine, state).state
    found = live(line, machine, state, gauge=measured([(300.0, 1, 240.0, 1, 26.0)]))
    calm = live(line, machine, found.state)
    silent(found, Reason.IN_DEADBAND)
    silent(calm, Reason.IN_DEADBAND)


def test_a_parameter_outside_its_machine_limits_is_not_moved_and_the_reason_given(machine, disturbed):
    line, state = disturbed
    narrow = replace(LOOP, mvs=(replace(LOOP.mvs[0], low=61.0), *LOOP.mvs[1:]))
    found = live(line, replace_loops(machine, (narrow,)), state)
    silent(found, Reason.NO_SOLUTION)
    assert "pump" in found.notes[0].detail


def test_other_gains_make_the_loop_learn_anew(machine, disturbed):
    line, state = disturbed
    halved = replace(LOOP, gains=tuple(tuple(g / 2 for g in row) for row in LOOP.gains))
    found = live(line, replace_loops(machine, (halved,)), state)
    kept = found.state.loops["loading"]
    assert kept.gains == halved.gains
    assert kept.disturbance != state.loops["loading"].disturbance


def test_a_loop_needs_gains_of_its_own_shape_and_streams_of_its_equipment():
    with pytest.raises(ValueError, match="4 streams x 5 parameters"):
        replace(LOOP, gains=LOOP.gains[:3])
    with pytest.raises(ValueError, match="sum_zero"):
        replace(LOOP, sum_zero=("bolt_9",))
    with pytest.raises(ValueError, match="deadband"):
        replace(LOOP, deadband=0.0)
    with pytest.raises(ValueError, match="loading/9"):
        machine_of(None, (replace(LOOP, cvs=("loading/9", *LOOP.cvs[1:])),))
