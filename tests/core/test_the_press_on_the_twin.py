"""The loops of the demo's presses on the digital twin: force holds the thickness, the tilt evens out the density."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from control.core.loop import LoopConfig, Pass
from control.core.twin.scenario import Event, Scenario
from control.core.types import FloatArray
from tests.core.twin_press import PressPlant, PressRecord
from tests.core.twins import table
from tests.trials import LONG_S, trial

SHIFT = Scenario.from_dict(table("scenarios/shift.toml"))
LEARNING_S = 4_500
STEP_S, AT_THE_NIP_S, END_S = 350, 470, 900


@cache
def learned(line: str):
    """A press with the models of an hour and a quarter."""
    plant = PressPlant(line)
    record = PressRecord(plant, SHIFT, seed=1)
    record.by_hand(LEARNING_S)
    return plant, plant.learned(record)


@pytest.fixture(scope="module")
def press():
    return learned("cathode-1")


def thickness(record: PressRecord) -> FloatArray:
    """That of every second since the step reached the nip, off its target, (n, lanes)."""
    target = record.plant.loops[1].targets[0]
    return np.array(record.made)[AT_THE_NIP_S:, 0] - target


def run(press, loops: tuple[LoopConfig, ...], scenario: Scenario, seconds: int) -> tuple[PressRecord, list[Pass]]:
    plant, trained = press
    record = PressRecord(plant, scenario, seed=2)
    return record, record.controlled(plant.machine(trained, loops), seconds)


def rms(off: FloatArray) -> float:
    return float(np.sqrt(np.mean(off**2)))


@pytest.mark.parametrize("line", ["cathode-1", trial("anode-1", "anode-1")])
def test_the_models_answer_to_force_and_tilt_is_the_one_the_loops_assume(line):
    plant, trained = learned(line)
    gates = plant.machine(trained).gates
    assert {key: gate.told for key, gate in gates.items()} == {"density": "", "thickness": ""}
    assert all(gate.passes for gate in gates.values())


@pytest.mark.parametrize("line", ["cathode-1", "anode-1"])
def test_no_parameter_is_moved_by_two_loops(line):
    moved = [mv.tag for loop in PressPlant(line).loops for mv in loop.mvs]
    assert len(moved) == len(set(moved))


@pytest.mark.trial
@pytest.mark.timeout(LONG_S)
def test_a_loading_that_steps_is_met_better_where_the_press_knows_it_ahead(press):
    """The coater's next batch has 0.8 % fewer solids, and nobody puts it right."""
    batch = Scenario(events=(Event("solids_step", at_s=500.0, size=-0.008),))
    plant, _ = press
    density, force = plant.loops
    found = {}
    for name, loops in {
        "recipe": (),
        "feedback": (density, replace(force, feed_forward=())),
        "fed": plant.loops,
    }.items():
        record, passes = run(press, loops, batch, 1_200)
        found[name] = rms(thickness(record)[300:])
    proposals = [proposal for one in passes for proposal in one.proposals]
    assert found["fed"] <= found["feedback"] < 0.75 * found["recipe"]
    assert {proposal.loop for proposal in proposals} == {"thickness"}
    assert len(proposals) <= 4
    for proposal in proposals:
        (move,) = proposal.moves
        assert "coater:loading" in {part.name for part in move.contributions}
        assert sum(part.amount for part in move.contributions) == pytest.approx(move.delta, abs=1e-9)


def test_where_nothing_happens_the_force_is_left_alone_and_never_swings(press):
    _, passes = run(press, press[0].loops, Scenario(), END_S)
    moves = [move.delta for one in passes for proposal in one.proposals for move in proposal.moves]
    assert len(moves) <= 2
    assert len(set(np.sign(moves))) <= 1


def test_of_a_deviation_each_loop_answers_what_its_parameter_can_do(press):
    density, force = press[0].loops
    mean, slope, bow = np.ones(4), np.array([3.0, 1.0, -1.0, -3.0]), np.array([1.0, -1.0, -1.0, 1.0])
    assert force.answerable(2 * mean + slope + bow) == pytest.approx(2 * mean)
    assert density.answerable(2 * mean + slope + bow) == pytest.approx(slope)
