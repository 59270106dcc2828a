"""What every disturbance estimator does alike."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from control.core.r2r.disturbance import Seen, belief, forget, forget_drift, raise_uncertainty, stored
from control.core.r2r.estimators import named
from control.core.state import LoopState, State

CVS = ("loading/1", "loading/2", "loading/3")
FRESH = LoopState(CVS, ("pump",), ((1.0,),) * 3)
FAMILY = {
    "ewma": named("ewma", 0.3, None, None),
    "double_ewma": named("double_ewma", 0.3, 0.1, None),
    "kalman": named("kalman", 0.3, None, 0.05),
}
every = pytest.mark.parametrize("estimator", FAMILY.values(), ids=FAMILY)


def values(n=200, seed=9, missing=0.2):
    rng = np.random.default_rng(seed)
    value = rng.normal(size=(n, 3)).cumsum(axis=0) * 0.1 + rng.normal(size=(n, 3))
    value[rng.random(value.shape) < missing] = np.nan
    return Seen(value, rng.random(n) * 2, 1 + rng.random((n, 3)))


def part(seen, first, last):
    return Seen(seen.value[first:last], seen.metres[first:last], seen.noise[first:last])


def after(estimator, held, seen):
    return stored(held, estimator.after(belief(held), seen))


def close(one, other):
    for name in ("disturbance", "trend", "drift", "uncertainty"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9, abs=1e-12), name


@every
@pytest.mark.parametrize("raised", [0.0, 9.0])
def test_cut_anywhere_the_values_come_to_the_same(estimator, raised):
    start = raise_uncertainty(after(estimator, FRESH, values(seed=1)), CVS[:2], raised)
    seen = values()
    whole = after(estimator, start, seen)
    for cuts in ([1], [7, 8, 100], range(1, 200)):
        held = start
        for first, last in zip([0, *cuts], [*cuts, 200], strict=True):
            held = after(estimator, held, part(seen, first, last))
        close(held, whole)


@every
def test_the_same_values_give_the_same_and_nothing_given_is_changed(estimator):
    start, seen = belief(after(estimator, FRESH, values(seed=1))), values()
    kept = copy.deepcopy((start, seen))
    one, other = estimator.after(start, seen), estimator.after(start, seen)
    for name in ("level", "slow", "drift", "uncertainty"):
        assert (getattr(one, name) == getattr(other, name)).all()
        assert (getattr(start, name) == getattr(kept[0], name)).all()
    assert np.array_equal(seen.value, kept[1].value, equal_nan=True)


@every
def test_its_state_survives_json(estimator):
    held = raise_uncertainty(after(estimator, FRESH, part(values(), 0, 3)), CVS[:1], 9.0)
    told = State(loops={"loading": held}).to_json()
    assert State.from_json(told).loops["loading"] == held


def test_a_state_stored_before_there_was_a_drift_is_read():
    told = json.loads(State(loops={"loading": after(FAMILY["ewma"], FRESH, values())}).to_json())
    told["loops"]["loading"] = {
        key: value for key, value in told["loops"]["loading"].items() if key not in ("drift", "uncertainty")
    }
    found = belief(State.from_json(json.dumps(told)).loops["loading"])
    assert not found.drift.any()
    assert not found.uncertainty.any()


@every
def test_missing_values_change_nothing_but_how_sure_it_is(estimator):
    start = belief(after(estimator, FRESH, values()))
    nothing = Seen(np.full((5, 3), np.nan), np.ones(5), np.full((5, 3), np.nan))
    found = estimator.after(start, nothing)
    assert (found.level == start.level).all()
    assert (found.slow == start.slow).all()
    assert found.drift == pytest.approx(start.drift)
    assert (found.uncertainty >= start.uncertainty).all()


@every
def test_a_stream_without_values_stays_unknown_and_no_value_at_all_is_allowed(estimator):
    seen = values()
    seen.value[:, 1] = np.nan
    found = after(estimator, FRESH, seen)
    assert found.disturbance[1] is None
    assert found.trend[1] is None
    assert None not in (found.disturbance[0], found.disturbance[2])
    assert after(estimator, found, part(seen, 0, 0)) == found


@every
def test_the_first_value_counts_in_full(estimator):
    found = belief(after(estimator, FRESH, Seen(np.array([[2.5, -1.0, 0.0]]), np.ones(1), np.full((1, 3), 3.0))))
    assert found.level.tolist() == found.slow.tolist() == [2.5, -1.0, 0.0]
    assert not found.drift.any()


@every
def test_a_move_cancels(estimator):
    """With the true gain, y - G u is the same whether anything was moved or not."""
    seen, rng = values(missing=0.0), np.random.default_rng(4)
    gains, u = rng.normal(size=(3, 2)), np.repeat(rng.normal(size=(4, 2)), 50, axis=0)
    y = seen.value + u @ gains.T
    moved, still = (after(estimator, FRESH, replace(seen, value=value)) for value in (y - u @ gains.T, seen.value))
    close(moved, still)


@every
def test_a_constant_disturbance_is_found_and_left_without_drift(estimator):
    found = estimator.after(belief(FRESH), Seen(np.full((400, 3), 1.5), np.ones(400), np.ones((400, 3))))
    assert found.ahead == pytest.approx(1.5)
    assert found.drift == pytest.approx(0.0, abs=1e-9)


@every
def test_raised_for_some_streams_the_next_value_counts_most_there_only(estimator):
    start = after(estimator, FRESH, Seen(np.zeros((300, 3)), np.ones(300), np.ones((300, 3))))
    raised = raise_uncertainty(start, CVS[1:2], 9.0)
    found = belief(after(estimator, raised, Seen(np.ones((1, 3)), np.ones(1), np.ones((1, 3)))))
    usual = belief(after(estimator, start, Seen(np.ones((1, 3)), np.ones(1), np.ones((1, 3)))))
    assert found.level[1] > 0.8999
    assert found.level[[0, 2]] == pytest.approx(usual.level[[0, 2]])
    assert usual.level[0] == pytest.approx(estimator.weight, rel=0.2)


@every
def test_raising_to_less_than_it_is_changes_nothing(estimator):
    start = raise_uncertainty(after(estimator, FRESH, values()), CVS, 9.0)
    assert raise_uncertainty(start, CVS, 3.0) == start


@every
def test_forgotten_streams_begin_anew_and_others_do_not(estimator):
    start = after(estimator, FRESH, values())
    for gone in (forget(start, CVS[:1]), raise_uncertainty(start, CVS[:1], np.inf)):
        assert gone.disturbance == (None, *start.disturbance[1:])
        found = belief(after(estimator, gone, Seen(np.full((1, 3), 7.0), np.ones(1), np.ones((1, 3)))))
        assert found.level[0] == 7.0
        assert found.drift[0] == belief(start).drift[0]


def test_a_forgotten_drift_is_none_and_the_level_stays():
    start = after(FAMILY["double_ewma"], FRESH, values())
    gone = forget_drift(start, CVS[2:])
    assert gone.drift[:2] == start.drift[:2]
    assert gone.drift[2] == 0.0
    assert gone.disturbance == start.disturbance


@every
def test_a_drift_of_another_estimator_does_not_outlive_it(estimator):
    held = after(estimator, after(FAMILY["double_ewma"], FRESH, values()), part(values(missing=0.0), 0, 1))
    assert bool(held.drift) == (estimator is FAMILY["double_ewma"])


@pytest.mark.parametrize(
    ("kind", "weight", "drift_weight", "wander", "says"),
    [
        ("ewma", 0.0, None, None, "ewma_weight must be in"),
        ("ewma", 1.1, None, None, "ewma_weight must be in"),
        ("double_ewma", 0.3, None, None, "needs drift_weight"),
        ("double_ewma", 0.3, 1.5, None, "drift_weight must be in"),
        ("kalman", 0.3, None, None, "needs wander_per_m"),
        ("kalman", 0.3, None, 0.0, "wander_per_m must be positive"),
        ("pid", 0.3, None, None, "must be ewma, double_ewma or kalman"),
    ],
)
def test_figures_that_make_no_estimator_are_refused_in_words(kind, weight, drift_weight, wander, says):
    with pytest.raises(ValueError, match=says):
        named(kind, weight, drift_weight, wander)
