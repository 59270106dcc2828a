"""One constrained solve moves pump and bolts; every move comes apart into named contributions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from control.core.machine import Actuator, LoopConfig
from control.core.r2r.allocation import CLIPPING, NOMINAL, allocate
from tests.trials import trial

LANES = 4
BOLTS = tuple(f"bolt_{i + 1}" for i in range(LANES))
CVS = tuple(f"loading/{i + 1}-top" for i in range(LANES))


def bolt_gains():
    lane = np.arange(LANES)
    reach = 0.03 * np.exp(-((np.abs(lane[:, None] - lane) / 1.2) ** 2))
    return reach - reach.mean(axis=0)


def coater(**changes):
    gains = np.hstack([np.full((LANES, 1), 0.33), bolt_gains()])
    mvs = (Actuator("pump", 20, 100, 1.5, 61.2), *(Actuator(tag, -50, 50, 10, 0) for tag in BOLTS))
    loop = LoopConfig(
        key="loading-top",
        cvs=CVS,
        targets=(20.2,) * LANES,
        mvs=mvs,
        gains=tuple(tuple(row) for row in gains.tolist()),
        deadband=0.06,
        dead_time_m=60.0,
        sum_zero=BOLTS,
    )
    return replace(loop, **changes)


def press(**changes):
    """Density of four lanes by the line force and the tilt of the gap (right less left)."""
    across = (1.0, 1 / 3, -1 / 3, -1.0)
    loop = LoopConfig(
        key="density",
        cvs=tuple(f"density/{i + 1}" for i in range(LANES)),
        targets=(3.4,) * LANES,
        mvs=(Actuator("force", 400, 900, 10, 650), Actuator("tilt", -20, 20, 1, 0)),
        gains=tuple((0.00096, 0.00125 * x) for x in across),
        deadband=0.009,
        dead_time_m=12.0,
        cross_direction=("tilt",),
    )
    return replace(loop, **changes)


NOW = np.array([61.2, 0, 0, 0, 0.0])


def asked(loop, now, off, fed=None):
    """The answer where the streams stand ``off`` their targets."""
    found = allocate(loop, np.array(now, float), np.array(loop.targets) + np.array(off), fed or {})
    assert not found.refused
    return found, {move.tag: move.delta for move in found.moves}


def bends(settings_of):
    return np.abs(np.diff(np.array(settings_of, float), 2))


# Mean and cross-direction


def test_a_deviation_common_to_all_lanes_moves_the_pump_and_no_bolt():
    _, delta = asked(coater(), NOW, np.full(LANES, 0.2))
    assert delta["pump"] == pytest.approx(-0.2 / 0.33, rel=0.02)
    assert max(abs(delta[bolt]) for bolt in BOLTS) < 1e-9


def test_a_deviation_between_lanes_moves_the_bolts_and_no_pump():
    off = np.array([0.1, -0.05, -0.05, 0.0])
    loop = coater()
    _, delta = asked(loop, NOW, off)
    left = off + np.array(loop.gains) @ np.array(list(delta.values()))
    assert abs(delta["pump"]) < 1e-9
    assert np.abs(left).max() < 0.05


@pytest.mark.parametrize("weights", [(), (1.0, 1.0, 5.0, 1.0)], ids=["all lanes alike", "one lane counts more"])
@pytest.mark.parametrize("bolt", [-50, 0, 50])
def test_the_pump_never_mends_a_profile_even_with_the_bolts_at_their_limits(bolt, weights):
    loop = coater(cv_weights=weights, nominal_weight=0.0)
    now = [61.2, bolt, -bolt, bolt, -bolt]
    found, delta = asked(loop, now, np.array([0.8, -0.8, 0.8, -0.8]))
    assert found.active
    assert abs(delta["pump"]) < 1e-9


@pytest.mark.parametrize("weights", [(), (1.0, 1.0, 5.0, 1.0)], ids=["all lanes alike", "one lane counts more"])
@pytest.mark.parametrize("pump", [20.0, 61.2, 100.0])
def test_no_bolt_mends_a_mean_even_with_the_pump_at_its_limit(pump, weights):
    loop = coater(cv_weights=weights, nominal_weight=0.0)
    found, delta = asked(loop, [pump, 30, -10, -10, -10], np.full(LANES, 3.0))
    assert found.active == ("pump:low" if pump == 20.0 else "pump:step",)
    assert max(abs(delta[tag]) for tag in BOLTS) < 1e-9


def test_gains_of_bolts_that_do_not_quite_cancel_still_leave_the_mean_to_the_pump():
    leaky = tuple((row[0], *(g + 0.004 for g in row[1:])) for row in coater().gains)
    _, delta = asked(coater(gains=leaky), NOW, np.full(LANES, 0.2))
    assert max(abs(delta[bolt]) for bolt in BOLTS) < 1e-9


def test_the_press_answers_the_mean_with_its_force_and_a_slope_with_its_tilt():
    _, delta = asked(press(), [650, 0], np.full(LANES, 0.005))
    assert delta["force"] == pytest.approx(-0.005 / 0.00096, rel=0.05)
    assert abs(delta["tilt"]) < 1e-9
    _, delta = asked(press(move_weight=0.01), [650, 0], 0.001 * np.array([1, 1 / 3, -1 / 3, -1]))
    assert abs(delta["force"]) < 1e-9
    assert delta["tilt"] == pytest.approx(-0.8, rel=0.01)


def test_two_sides_in_one_loop_have_a_mean_each():
    loop = LoopConfig(
        "loading", ("loading/1-top", "loading/2-top", "loading/1-bottom", "loading/2-bottom"), (20.0,) * 4,
        (*(Actuator(f"pump_{side}", 20, 100, 1.5, 60) for side in "tb"), Actuator("bolt", -50, 50, 10, 0)),
        ((0.3, 0, 0.02), (0.3, 0, -0.02), (0, 0.3, 0), (0, 0.3, 0)), 0.06, 60.0, cross_direction=("bolt",),
    )  # fmt: skip
    _, delta = asked(loop, [60, 60, 0], [0.1, 0.1, -0.1, -0.1])
    assert delta["pump_t"] == pytest.approx(-0.1 / 0.3, rel=0.02)
    assert delta["pump_b"] == pytest.approx(+0.1 / 0.3, rel=0.02)
    assert abs(delta["bolt"]) < 1e-9


# Constraints and contributions


@given(
    st.lists(st.floats(-2, 2), min_size=LANES, max_size=LANES),
    st.lists(st.floats(-50, 50), min_size=LANES, max_size=LANES),
    st.floats(20, 100),
    st.sampled_from([5.0, 20.0, 60.0]),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_asked_the_moves_keep_every_constraint_and_add_up(off, bolts, pump, bend):
    loop, now = coater(neighbours=(BOLTS,), bend_um=bend), np.array([pump, *bolts])
    found, delta = asked(loop, now, off)
    for move, mv in zip(found.moves, loop.mvs, strict=True):
        assert mv.low <= move.to_value <= mv.high
        assert abs(move.delta) <= mv.max_step + 1e-9
        assert sum(part.amount for part in move.contributions) == pytest.approx(move.delta, abs=1e-9)
    assert abs(sum(delta[tag] for tag in BOLTS)) < 1e-9
    after = [move.to_value for move in found.moves[1:]]
    assert (bends(after) <= np.maximum(bends(bolts), bend) + 1e-9).all()


@pytest.mark.parametrize("sign", [1, -1], ids=["to the lowest", "to the highest"])
def test_no_move_ends_beyond_a_machine_limit_by_rounding(sign):
    pump = Actuator("pump", *sorted((0, sign * 100)), 0.7, sign * 50)
    loop = LoopConfig("one", ("x",), (0.0,), (pump,), ((1.0,),), 0.1, 10.0)
    for room in np.linspace(0.001, 0.69, 400):
        (move,) = asked(loop, [sign * room], [sign * 5.0])[0].moves
        assert sign * move.to_value >= 0
        assert sum(part.amount for part in move.contributions) == pytest.approx(move.delta, abs=1e-9)


def cost_of(loop, now, off):
    """What the solve is to make small, told once more and apart from it: as a function of the moves."""
    gains, w = np.array(loop.gains), np.array(loop.cv_weights or [1.0] * len(loop.cvs)) / loop.deadband
    low, high, step, nominal = np.array([(mv.low, mv.high, mv.max_step, mv.nominal) for mv in loop.mvs]).T
    shared = np.array([mv.tag in (*loop.sum_zero, *loop.cross_direction) for mv in loop.mvs])

    def cost(x):
        level = np.mean(off) + np.mean(gains[:, ~shared] @ x[~shared])
        profile = off + gains[:, shared] @ x[shared]
        profile = w * (profile - profile.mean())
        effort = loop.move_weight * x / step
        away = loop.nominal_weight * (now + x - nominal) / (high - low)
        return (w @ w) * level**2 + profile @ profile + effort @ effort + away @ away

    return cost, list(zip(np.maximum(low - now, -step), np.minimum(high - now, step), strict=True))


LIP = np.array([[0, 1.0, -2.0, 1.0, 0], [0, 0, 1.0, -2.0, 1.0]])
GROUP = np.array([[0, 1.0, 1.0, 1.0, 1.0]])


@pytest.mark.filterwarnings("ignore:delta_grad == 0.0")
@pytest.mark.parametrize("method", ["SLSQP", trial("trust-constr", "trust-constr")])
@given(st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_no_general_solver_finds_a_better_answer(method, seed):
    rng = np.random.default_rng(seed)
    weights = tuple(rng.uniform(0.5, 3.0, LANES).tolist())
    loop = coater(neighbours=(BOLTS,), bend_um=15.0, cv_weights=weights)
    now, off = np.array([rng.uniform(58, 64), *rng.uniform(-49, 49, LANES)]), rng.uniform(-1, 1, LANES)
    cost, bounds = cost_of(loop, now, off)
    _, delta = asked(loop, now, off)
    allowed = np.maximum(np.abs(LIP @ now), 15.0)
    held = [LinearConstraint(GROUP, 0, 0), LinearConstraint(LIP, -allowed - LIP @ now, allowed - LIP @ now)]
    tight = {"SLSQP": {"ftol": 1e-14, "maxiter": 500}, "trust-constr": {"gtol": 1e-9, "xtol": 1e-11}}[method]
    other = minimize(cost, np.zeros(len(now)), bounds=bounds, constraints=held, method=method, options=tight)
    ours = np.array(list(delta.values()))
    assert cost(ours) <= cost(other.x) * (1 + 1e-5) + 1e-6
    if method == "SLSQP" and other.success:
        assert np.abs(ours - other.x).max() < 0.02


def test_the_constraints_that_held_a_move_back_are_named():
    loop = coater()
    found, delta = asked(loop, NOW, np.full(LANES, 5.0))
    assert found.active == ("pump:step",)
    assert delta["pump"] == pytest.approx(-1.5)
    found, _ = asked(loop, [20.4, 0, 0, 0, 0], np.full(LANES, 5.0))
    assert found.active == ("pump:low",)
    assert found.moves[0].to_value == pytest.approx(20.0)
    found, _ = asked(loop, [99.6, 0, 0, 0, 0], np.full(LANES, -5.0))
    assert found.active == ("pump:high",)


def test_a_lip_is_bent_no_further_than_allowed_and_the_bolt_in_the_middle_named():
    off = np.array([0.3, -0.3, -0.3, 0.3])
    _, free = asked(coater(), NOW, off)
    found, held = asked(coater(neighbours=(BOLTS,), bend_um=4.0), NOW, off)
    assert bends([free[tag] for tag in BOLTS]).max() > 4.0 + 1.0
    assert bends([held[tag] for tag in BOLTS]).max() == pytest.approx(4.0)
    assert {"bolt_2:bend", "bolt_3:bend"} & set(found.active)


def test_a_lip_bent_further_than_allowed_is_never_bent_further_and_may_be_straightened():
    loop = coater(neighbours=(BOLTS,), bend_um=4.0, nominal_weight=0.0)
    now = np.array([61.2, 10.0, -10.0, -10.0, 10.0])
    more = np.array(loop.gains)[:, 1:] @ np.array([-3.0, 3.0, 3.0, -3.0])
    _, worse = asked(loop, now, more)
    assert max(abs(worse[tag]) for tag in BOLTS) < 1e-6
    _, better = asked(loop, now, -more)
    assert [better[tag] for tag in BOLTS] == pytest.approx([-3.0, 3.0, 3.0, -3.0], rel=0.1)


def test_what_a_solve_is_told_was_fed_forward_is_a_contribution_of_its_own_and_changes_no_move():
    plain, _ = asked(coater(), NOW, np.full(LANES, 0.2))
    told, _ = asked(coater(), NOW, np.full(LANES, 0.2), {"solids": np.full(LANES, 0.15)})
    for one, other in zip(told.moves, plain.moves, strict=True):
        assert one.delta == pytest.approx(other.delta, abs=1e-9)
    named = {part.name: part.amount for part in told.moves[0].contributions}
    assert named["solids"] == pytest.approx(0.75 * plain.moves[0].delta, rel=0.01)


def test_clipping_and_the_way_back_to_nominal_are_contributions_of_their_own():
    found, _ = asked(coater(nominal_weight=2.0), [64.0, 0, 0, 0, 0], np.full(LANES, 5.0))
    named = {part.name: part.amount for part in found.moves[0].contributions}
    assert named[NOMINAL] < 0
    assert named[CLIPPING] > 0
    assert named["loading/1-top"] < 0


@pytest.mark.parametrize(
    ("now", "stands", "changes", "reason"),
    [
        ([np.nan, 0, 0, 0, 0], 0.1, {}, "known"),
        ([61.2, 0, 0, 0, 0], np.nan, {}, "known"),
        ([101.0, 0, 0, 0, 0], 0.1, {}, "pump stands outside"),
        ([61.2, 0, 0, 0, 0], 0.1, {"gains": ((np.inf,) * 5,) * LANES}, "not a number"),
        ([61.2, 0, 0, 0, 0], 0.1, {"move_weight": 0.0, "nominal_weight": 0.0}, "ill-conditioned"),
        ([61.2, 0, 0, 0, 0], 0.1, {"move_weight": 1e-7, "nominal_weight": 0.0}, "ill-conditioned"),
    ],
)
def test_what_cannot_be_solved_safely_is_no_move_with_the_reason(now, stands, changes, reason):
    found = allocate(coater(**changes), np.array(now, float), np.full(LANES, stands))
    assert found.moves == ()
    assert reason in found.refused


def test_a_loop_of_one_stream_and_one_parameter_is_the_same_solve():
    loop = LoopConfig(
        "density", ("density/1",), (3.4,), (Actuator("force", 100, 1500, 20, 900),), ((0.0004,),), 0.005, 10.0
    )
    _, delta = asked(loop, [900.0], [0.006])
    assert delta["force"] == pytest.approx(-15.0, rel=0.05)


def test_a_loop_names_only_parameters_it_moves_and_bends_only_what_stands_side_by_side():
    with pytest.raises(ValueError, match="cross_direction"):
        coater(cross_direction=("bolt_9",))
    with pytest.raises(ValueError, match="neighbours"):
        coater(neighbours=(("bolt_1", "bolt_2", "bolt_9"),))
    with pytest.raises(ValueError, match="bend_um"):
        coater(neighbours=(BOLTS,), bend_um=0.0)
