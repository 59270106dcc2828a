"""One constrained solve moves pump and bolts; every move comes apart into named contributions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from control.core.machine import Actuator, LoopConfig
from control.core.r2r.allocation import CLIPPING, NOMINAL, allocate

LANES = 4
BOLTS = tuple(f"bolt_{i + 1}" for i in range(LANES))


def bolt_gains():
    lane = np.arange(LANES)
    reach = 0.03 * np.exp(-((np.abs(lane[:, None] - lane) / 1.2) ** 2))
    return reach - reach.mean(axis=0)


def coater(**changes):
    gains = np.hstack([np.full((LANES, 1), 0.33), bolt_gains()])
    mvs = (Actuator("pump", 20, 100, 1.5, 61.2), *(Actuator(tag, -50, 50, 10, 0) for tag in BOLTS))
    loop = LoopConfig(
        key="loading-top",
        cvs=tuple(f"loading/{i + 1}-top" for i in range(LANES)),
        targets=(20.2,) * LANES,
        mvs=mvs,
        gains=tuple(tuple(row) for row in gains.tolist()),
        deadband=0.06,
        dead_time_m=60.0,
        sum_zero=BOLTS,
    )
    return replace(loop, **changes)


NOW = np.array([61.2, 0, 0, 0, 0.0])


def at_target(loop):
    return np.array(loop.targets) - np.array(loop.gains) @ NOW


def test_a_deviation_common_to_all_lanes_moves_the_pump_and_no_bolt():
    loop = coater()
    found = allocate(loop, NOW, at_target(loop) + 0.2)
    delta = {move.tag: move.delta for move in found.moves}
    assert delta["pump"] == pytest.approx(-0.2 / 0.33, rel=0.02)
    assert max(abs(delta[bolt]) for bolt in BOLTS) < 0.01


def test_a_deviation_between_lanes_moves_the_bolts_and_hardly_the_pump():
    loop = coater()
    found = allocate(loop, NOW, at_target(loop) + np.array([0.1, -0.05, -0.05, 0.0]))
    delta = np.array([move.delta for move in found.moves])
    left = np.array([0.1, -0.05, -0.05, 0.0]) + np.array(loop.gains) @ delta
    assert abs(delta[0]) < 0.01
    assert np.abs(left).max() < 0.05


@given(
    st.lists(st.floats(-2, 2), min_size=LANES, max_size=LANES),
    st.lists(st.floats(-50, 50), min_size=LANES, max_size=LANES),
    st.floats(20, 100),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_asked_the_moves_keep_every_bound_and_add_up(off, bolts, pump):
    loop, now = coater(), np.array([pump, *bolts])
    found = allocate(loop, now, np.array(loop.targets) - np.array(loop.gains) @ now + np.array(off))
    assert not found.refused
    for move, mv in zip(found.moves, loop.mvs, strict=True):
        assert mv.low - 1e-9 <= move.to_value <= mv.high + 1e-9
        assert abs(move.delta) <= mv.max_step + 1e-9
        assert sum(part.amount for part in move.contributions) == pytest.approx(move.delta, abs=1e-9)
    assert abs(sum(move.delta for move in found.moves if move.tag in BOLTS)) < 1e-9


@given(st.lists(st.floats(-1, 1), min_size=LANES, max_size=LANES), st.integers(0, 1_000))
@settings(max_examples=100, deadline=None)
def test_no_general_solver_finds_a_better_answer(off, seed):
    loop = coater()
    rng = np.random.default_rng(seed)
    now = np.array([rng.uniform(58, 64), *rng.uniform(-49, 49, LANES)])
    a = np.array(loop.targets) - np.array(loop.gains) @ now + np.array(off)
    low, high, step, nominal = np.array([(mv.low, mv.high, mv.max_step, mv.nominal) for mv in loop.mvs]).T

    def cost(x):
        u = now + x
        deviation = (np.array(loop.targets) - a - np.array(loop.gains) @ u) / loop.deadband
        return (
            deviation @ deviation
            + ((loop.move_weight * x / step) ** 2).sum()
            + ((loop.nominal_weight * (u - nominal) / (high - low)) ** 2).sum()
        )

    x = np.array([move.delta for move in allocate(loop, now, a).moves])
    bounds = list(zip(np.maximum(low - now, -step), np.minimum(high - now, step), strict=True))
    group = {"type": "eq", "fun": lambda v: v[1:].sum()}
    other = minimize(
        cost, np.zeros(len(now)), bounds=bounds, constraints=[group], method="SLSQP", options={"ftol": 1e-14}
    )
    assert cost(x) <= cost(other.x) * (1 + 1e-6) + 1e-9


def test_the_constraints_that_held_a_move_back_are_named():
    loop = coater()
    found = allocate(loop, NOW, at_target(loop) + 5.0)
    assert found.active == ("pump:step",)
    assert found.moves[0].delta == pytest.approx(-1.5)
    near = np.array([20.4, 0, 0, 0, 0.0])
    found = allocate(loop, near, np.array(loop.targets) - np.array(loop.gains) @ near + 5.0)
    assert found.active == ("pump:low",)
    assert found.moves[0].to_value == pytest.approx(20.0)


def test_clipping_and_the_way_back_to_nominal_are_contributions_of_their_own():
    loop = coater(nominal_weight=2.0)
    now = np.array([64.0, 0, 0, 0, 0.0])
    found = allocate(loop, now, np.array(loop.targets) - np.array(loop.gains) @ now + 5.0)
    named = {part.name: part.amount for part in found.moves[0].contributions}
    assert named[NOMINAL] < 0
    assert named[CLIPPING] > 0
    assert named["loading/1-top"] < 0


@pytest.mark.parametrize(
    ("now", "disturbance", "changes", "reason"),
    [
        ([np.nan, 0, 0, 0, 0], 0.1, {}, "known"),
        ([61.2, 0, 0, 0, 0], np.nan, {}, "known"),
        ([101.0, 0, 0, 0, 0], 0.1, {}, "pump stands outside"),
        ([61.2, 0, 0, 0, 0], 0.1, {"gains": ((np.inf,) * 5,) * LANES}, "not a number"),
        ([61.2, 0, 0, 0, 0], 0.1, {"move_weight": 0.0, "nominal_weight": 0.0}, "ill-conditioned"),
    ],
)
def test_what_cannot_be_solved_safely_is_no_move_with_the_reason(now, disturbance, changes, reason):
    found = allocate(coater(**changes), np.array(now, float), np.full(LANES, disturbance))
    assert found.moves == ()
    assert reason in found.refused


def test_a_loop_of_one_stream_and_one_parameter_is_the_same_solve():
    loop = LoopConfig(
        "density", ("density/1",), (3.4,), (Actuator("force", 100, 1500, 20, 900),), ((0.0004,),), 0.005, 10.0
    )
    found = allocate(loop, np.array([900.0]), np.array([3.4 - 0.36 + 0.006]))
    assert found.moves[0].delta == pytest.approx(-15.0, rel=0.05)
