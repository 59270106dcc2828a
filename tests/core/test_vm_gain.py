"""The VM-gain gate: an estimator that sees too little, too much or the wrong effect of a move drives no loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench import factory_wide
from control.core.loop import Machine
from control.core.policy import Reason
from control.core.proposing import propose
from control.core.state import State
from control.core.vm import gain
from control.core.vm.estimator import Estimator
from tests.core.tiny_line import LANES, LOOP, STREAMS, TAGS, TinyLine, live
from tests.core.tiny_line import machine as machine_of

DOUBLE_EWMA = 4 / (2 * (0.55 + 0.75) - 0.55 * 0.75)


def judged(ratio, limit=2.0, assumed=1.0):
    seen = np.array([[[ratio * assumed]]])
    return gain.judge(seen, np.full((1, 1, 1), assumed), limit, np.ones(1), 0.1, ["y"], ["u"])


@pytest.mark.parametrize("assumed", [1.0, -0.3])
@pytest.mark.parametrize(
    ("ratio", "passes"),
    [(1.0, True), (0.3, True), (1.99, True), (2.0, False), (0.1, False), (0.0, False), (-1.0, False)],
)
def test_a_ratio_of_gains_passes_between_its_bounds_and_with_the_right_sign(ratio, passes, assumed):
    gate = judged(ratio, assumed=assumed)
    assert gate.passes == passes
    assert gate.low == gate.high == ((ratio,),)
    assert passes == (gate.told == "")


def test_the_bound_above_follows_the_weight_of_the_loop():
    assert judged(5.0, limit=2 / 0.1).passes
    assert "y by u: 5 to 5 times the assumed gain, allowed 0.25 to 2" in judged(5.0, limit=2 / 1.0).told


def test_a_parameter_that_the_loop_takes_to_be_unconnected_must_be():
    seen = np.array([[[1.0, 0.02]], [[1.0, 0.5]]])
    assumed = np.array([[[1.0, 0.0]], [[1.0, 0.0]]])
    gate = gain.judge(seen, assumed, 2.0, np.ones(2), 0.1, ["y"], ["u", "x"])
    assert "y by x: moved by 0.5 in one step" in gate.told
    assert gain.judge(seen[:1], assumed[:1], 2.0, np.ones(2), 0.1, ["y"], ["u", "x"]).passes


def test_parameters_that_look_right_one_by_one_and_fight_each_other_are_refused():
    assumed = np.array([[[1.0, 0.9], [0.9, 1.0]]])
    seen = np.array([[[0.8, 0.95], [0.95, 0.8]]])
    gate = gain.judge(seen, assumed, 2.0, np.ones(2), 0.1, ["a", "b"], ["u", "v"])
    assert gate.told.startswith("together")


@pytest.mark.parametrize("components", [6, 7])
def test_on_the_factory_wide_benchmark_every_vm_that_runs_away_is_refused_and_none_that_is_right(components):
    refused, away = [], []
    for seed in range(12):
        vm = factory_wide.fit(factory_wide.training(seed), components)
        places, assumed = vm.gain.T[None], factory_wide.A.T[None]  # there y = u A
        gate = gain.judge(places, assumed, DOUBLE_EWMA, np.ones(2), 1.0, ["y1", "y2"], ["u1", "u2"])
        refused.append(not gate.passes)
        away.append(vm.growth > 1)
    assert any(refused) == any(away) == (components == 6)
    assert all(r for r, a in zip(refused, away, strict=True) if a)
    assert sum(refused) - sum(away) <= 2


def test_an_estimator_of_physics_and_assumed_gains_passes_at_every_operating_point(trained, machine):
    gate = machine.gates["loading"]
    assert gate.passes
    assert np.array(gate.low) == pytest.approx(np.ones((4, 5)), abs=0.03)
    assert np.array(gate.high) == pytest.approx(np.ones((4, 5)), abs=0.03)


def spoiled(trained, factor):
    """The same estimators, with coefficients that undo or enlarge the effect of the pump."""
    pump, contents = TAGS.index("pump"), []
    for content in trained.contents.values():
        coef = list(content["main"]["coef"])
        coef[pump] = (factor - 1) * 20 / 60 * content["inputs"]["scale"][pump]
        contents.append({**content, "main": {**content["main"], "coef": coef}})
    return Estimator.load(contents, TAGS, [stream.key for stream in STREAMS])


@pytest.mark.parametrize("factor", [-1.0, 0.0, 25.0])
def test_a_loop_whose_estimator_fails_the_gate_says_so_and_nothing_else(trained, machine, factor):
    closed = Machine("coater", TAGS, STREAMS, spoiled(trained, factor), (LOOP,))
    assert not closed.gates["loading"].passes
    line, state = TinyLine(31), State()
    for _ in range(150):
        found = live(line, closed, state)
        state = found.state
    assert not found.proposals
    assert [note.reason for note in found.notes] == [Reason.VM_GAIN]
    assert "pump" in found.notes[0].detail
    proposals, notes = propose(closed, state, line.trace(last=200), found.predictions)
    assert (proposals, notes[0].detail) == ((), closed.gates["loading"].told)


def test_a_loop_whose_parameters_the_estimator_does_not_see_is_refused_and_the_others_go_on(trained):
    tags, keys = (*TAGS, "vacuum"), [stream.key for stream in STREAMS]
    blind = replace(LOOP, key="blind", mvs=(replace(LOOP.mvs[0], tag="vacuum"),), gains=((0.3,),) * LANES, sum_zero=())
    estimator = Estimator.load(list(trained.contents.values()), tags, keys)
    gates = Machine("coater", tags, STREAMS, estimator, (LOOP, blind)).gates
    assert gates["loading"].passes
    assert "by vacuum: 0 to 0 times the assumed gain" in gates["blind"].told


def test_a_loop_with_a_stream_that_nobody_predicts_has_no_gate(trained):
    keys = [stream.key for stream in STREAMS]
    some = Estimator.load(list(trained.contents.values())[:3], TAGS, keys)
    assert not Machine("coater", TAGS, STREAMS, some, (LOOP,)).gates
    assert not machine_of(None).gates


@pytest.mark.parametrize("weight", [0.1, 0.9])
def test_a_loop_that_moves_once_a_dead_time_is_refused_from_twice_its_gain_whatever_its_weight(trained, weight):
    loop = replace(LOOP, ewma_weight=weight)
    gates = [Machine("coater", TAGS, STREAMS, spoiled(trained, of), (loop,)).gates["loading"] for of in (1.9, 2.1)]
    assert [gate.passes for gate in gates] == [True, False]
    assert gates[0].limit == pytest.approx(loop.largest_gain_ratio(1.0)) == pytest.approx(2.0, abs=0.01)


def test_a_loop_of_few_values_a_dead_time_may_be_driven_by_more(trained):
    estimator, few = spoiled(trained, 3.0), replace(LOOP, dead_time_m=3.0)
    quick, slow = (replace(few, ewma_weight=weight) for weight in (0.9, 0.1))
    assert not Machine("coater", TAGS, STREAMS, estimator, (quick,)).gates["loading"].passes
    assert Machine("coater", TAGS, STREAMS, estimator, (slow,)).gates["loading"].passes
