"""The Kalman filter: where its gain settles, and what late, missing and doubtful values count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from control.core.r2r.ewma import Ewma
from control.core.r2r.kalman import Kalman, steady
from tests.core.one_stream import STARTED, UNKNOWN, deviation, seen

RATIOS = [0.001, 0.0111, 0.05, 0.5, 4.0]


def gain(estimator, belief, **told):
    """What the next value counts: the step it makes from 0 to 1."""
    return float(estimator.after(replace(belief, level=np.zeros(1)), seen([1.0], **told)).level[0])


@pytest.mark.parametrize("ratio", RATIOS)
def test_its_gain_settles_at_the_weight_of_the_formula(ratio):
    settled = Kalman(ratio).after(UNKNOWN, seen(np.zeros(2_000)))
    expected = (-ratio + np.sqrt(ratio**2 + 4 * ratio)) / 2
    assert gain(Kalman(ratio), settled) == pytest.approx(expected, rel=1e-9)
    assert Kalman(ratio).weight == pytest.approx(expected, rel=1e-12)
    assert expected**2 / (1 - expected) == pytest.approx(ratio)


@pytest.mark.parametrize("ratio", RATIOS)
def test_once_settled_it_is_an_ewma_of_that_weight(ratio):
    rng = np.random.default_rng(3)
    settled = Kalman(ratio).after(UNKNOWN, seen(np.zeros(3_000)))
    values = seen(rng.normal(size=200))
    found = Kalman(ratio).after(settled, values)
    same = Ewma(steady(ratio)).after(replace(settled, uncertainty=np.zeros(1)), values)
    assert found.level == pytest.approx(same.level, rel=1e-9)
    assert found.slow == pytest.approx(same.slow, rel=1e-9)


@pytest.mark.parametrize("metres", [0.5, 10.0])
@pytest.mark.parametrize("ratio", RATIOS)
def test_where_values_lie_further_apart_its_gain_settles_higher(ratio, metres):
    rarely, every = Kalman(ratio), [metres] * 2_000
    settled = rarely.after(UNKNOWN, seen(np.zeros(2_000), metres=every))
    assert gain(rarely, settled, metres=[metres]) == pytest.approx(rarely.every(metres).weight, rel=1e-9)
    assert rarely.every(metres).largest_gain_ratio == pytest.approx(2 / rarely.every(metres).weight)


def test_the_first_values_count_as_in_a_mean_where_nothing_wanders():
    values = np.random.default_rng(5).normal(size=50)
    assert Kalman(1e-12).after(UNKNOWN, seen(values)).level[0] == pytest.approx(values.mean(), rel=1e-6)


def test_a_value_after_ten_metres_of_nothing_counts_as_ten_metres_make_it():
    settled = Kalman(0.05).after(UNKNOWN, seen(np.zeros(500)))
    p = settled.uncertainty[0]
    hole = Kalman(0.05).after(settled, seen([np.nan] * 9))
    assert gain(Kalman(0.05), hole) == pytest.approx((p + 0.5) / (p + 0.5 + 1))
    assert gain(Kalman(0.05), settled, metres=[10.0]) == pytest.approx((p + 0.5) / (p + 0.5 + 1))
    assert gain(Kalman(0.05), settled) < gain(Kalman(0.05), hole)


def test_a_line_that_stands_teaches_no_wandering():
    settled = Kalman(0.05).after(UNKNOWN, seen(np.zeros(500)))
    stood = Kalman(0.05).after(settled, seen([np.nan] * 100, metres=[0.0] * 100))
    assert stood.uncertainty == pytest.approx(settled.uncertainty)


@pytest.mark.parametrize(("ri", "noise"), [(1.0, 1.0), (0.7, 1 / 0.49), (0.5, 4.0)])
def test_a_predicted_value_counts_as_its_reliance_allows(ri, noise):
    settled = Kalman(0.05).after(UNKNOWN, seen(np.zeros(500)))
    p = settled.uncertainty[0] + 0.05
    assert gain(Kalman(0.05), settled, noise=[1 / ri**2]) == pytest.approx(p / (p + noise))


def test_raised_to_nine_the_next_value_counts_at_least_nine_tenths():
    raised = replace(STARTED, uncertainty=np.array([9.0]))
    assert gain(Kalman(0.001), raised) == pytest.approx(9.001 / 10.001)


@pytest.mark.parametrize("xi", [0.3, 1.0, 1.9])
def test_a_loop_on_every_value_is_stable_whatever_the_gain_settles_at(xi):
    assert deviation(Kalman(0.5), xi) < 1e-6
    assert deviation(Kalman(0.5), 1.03 * Kalman(0.5).largest_gain_ratio) > 1.0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1.0))
def test_of_all_weights_its_own_makes_the_smallest_error_on_a_wandering_disturbance(seed, ratio):
    rng = np.random.default_rng(seed)
    level = rng.normal(0, np.sqrt(ratio), 4_000).cumsum()
    values = level + rng.normal(0, 1, 4_000)

    def error(weight):
        estimate = lfilter([weight], [1.0, weight - 1.0], values)
        return np.mean((level[101:] - estimate[100:-1]) ** 2)

    own = steady(ratio)
    assert error(own) < 1.02 * min(error(0.5 * own), error(min(1.0, 1.6 * own)))
