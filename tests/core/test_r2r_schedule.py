"""A press's gain is taken from its compaction curve where it stands, and the disturbance does not notice."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.core.machine import Actuator, LoopConfig
from control.core.proposing import _held
from control.core.r2r.allocation import allocate
from control.core.r2r.schedule import Compaction
from control.core.state import LoopState, State
from control.core.vm.physics import compaction

PHYSICS = {"kind": "compaction", "force": "force", "rho_0": 2.2, "rho_max": 4.0, "gamma_n_mm": 591.66}
CURVE = (2.2, 4.0, 591.66)
CVS, TARGETS = ("density/1", "thickness/1"), (3.4, 117.65)
FORCE = Actuator("force", 100, 1500, 1500, 650)
TILT = Actuator("tilt", -20, 20, 1, 0)


def press(cvs=CVS, targets=TARGETS, **changes):
    schedule = Compaction.of(PHYSICS, cvs, targets, {"tilt": 0.0, "force": 650.0})
    gains = ((0.001, 0.00096),) * len(cvs)
    loop = LoopConfig("press", cvs, targets, (TILT, FORCE), gains, 0.009, 12.0, schedule=schedule)
    return replace(loop, **changes)


def thickness(force):
    loading = float(compaction(np.array(650.0), *CURVE)) * 117.65 / 10
    return 10 * loading / compaction(force, *CURVE)


@given(st.floats(100, 1500))
def test_the_gain_is_the_slope_of_the_curve_where_the_press_stands(force):
    h = 0.1
    around = np.array([force - h, force + h])
    density, thick = compaction(around, *CURVE), thickness(around)
    found = press().gains_at(np.array([0.0, force]))
    assert found[0, 1] == pytest.approx((density[1] - density[0]) / (2 * h), rel=1e-6)
    assert found[1, 1] == pytest.approx((thick[1] - thick[0]) / (2 * h), rel=1e-6)
    assert found[:, 0].tolist() == [0.001, 0.001]


def test_the_gain_falls_as_the_density_rises():
    found = [press().gains_at(np.array([0.0, force]))[0, 1] for force in (400.0, 650.0, 900.0)]
    rho = [float(compaction(np.array(force), *CURVE)) for force in (400.0, 650.0, 900.0)]
    assert found == pytest.approx([(4.0 - r) / 591.66 for r in rho])
    assert found[0] > 1.5 * found[1] > 2.2 * found[2]


def test_what_a_setting_makes_is_the_curve_and_the_constant_gains_beside_it():
    settings = np.array([[0.0, 400.0], [2.0, 900.0]])
    expected = np.column_stack([compaction(settings[:, 1], *CURVE), thickness(settings[:, 1])])
    assert press().effect(settings) == pytest.approx(expected + 0.001 * settings[:, :1])


def test_a_walk_along_the_curve_leaves_the_disturbance_where_it_is():
    forces = np.linspace(400, 900, 200)
    settings = np.column_stack([np.zeros(200), forces])
    y = np.column_stack([compaction(forces, *CURVE) + 0.02, thickness(forces) - 1.5])
    left = y - press().effect(settings)
    assert left == pytest.approx(np.tile([0.02, -1.5], (200, 1)), abs=1e-9)
    straight = y - press(schedule=None).effect(settings)
    assert np.ptp(straight, axis=0).min() > 0.05


@pytest.mark.parametrize("force", [450.0, 650.0, 850.0])
def test_a_density_off_its_target_is_met_in_one_move_wherever_the_press_stands(force):
    stands = float(compaction(np.array(force), *CURVE)) + 0.006
    loop = LoopConfig("press", ("density/1",), (stands - 0.01,), (FORCE,), ((0.00096,),), 0.009, 12.0, nominal_weight=0)
    loop = replace(loop, schedule=Compaction.of(PHYSICS, loop.cvs, loop.targets, {"force": 650.0}))
    (move,) = allocate(loop, np.array([force]), np.array([stands])).moves
    moved = move.delta
    gained = float(compaction(np.array(force + moved), *CURVE)) - float(compaction(np.array(force), *CURVE))
    assert gained == pytest.approx(-0.01, rel=0.02)


def test_what_was_learned_is_kept_while_the_gain_changes_and_dropped_with_another_curve():
    loop = press()
    held = LoopState(loop.cvs, ("tilt", "force"), loop.gains, (0.1, 0.2), (0.1, 0.2), loop.schedule.numbers)
    state = State(loops={"press": held})
    assert _held(loop, State.from_json(state.to_json())) == held
    softer = replace(loop, schedule=replace(loop.schedule, gamma_n_mm=500.0))
    for other in (softer, replace(loop, schedule=None)):
        assert not _held(other, state).disturbance


def test_a_state_kept_before_there_was_a_schedule_is_taken_up():
    stored = State(loops={"press": LoopState(("density/1",), ("force",), ((0.001,),), (0.1,), (0.1,))})
    told = json.loads(stored.to_json())
    del told["loops"]["press"]["schedule"]
    assert State.from_json(json.dumps(told)).loops["press"].schedule == ()
