"""When a loop is said to be near hunting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control.core.r2r.gain_error import GainError
from control.core.r2r.kalman import Kalman
from control.core.r2r.stability import Concern, Stability, of
from tests.core.tiny_line import LOOP

CALM = Stability(ratio=1.0, low=0.7, high=1.3, moved=10, limit=2.0, harris=0.9, swing=0.0)


@pytest.mark.parametrize(
    ("different", "concern"),
    [
        ({}, Concern.NONE),
        ({"ratio": 1.6, "low": 1.2, "high": 2.0}, Concern.TOO_STRONG),
        ({"ratio": 1.6, "low": 0.9, "high": 2.3}, Concern.NONE),
        ({"ratio": 1.4, "low": 1.2, "high": 1.6}, Concern.NONE),
        ({"ratio": 1.4, "low": 1.2, "high": 1.6, "limit": 1.83}, Concern.TOO_STRONG),
        ({"ratio": -0.5, "low": -0.9, "high": -0.1}, Concern.WRONG_SIGN),
        ({"ratio": -0.5, "low": -1.9, "high": 0.9}, Concern.NONE),
        ({"ratio": 2.5, "low": 2.0, "high": 3.0, "moved": 0}, Concern.NONE),
        ({"harris": 0.3, "swing": 0.8}, Concern.SWINGING),
        ({"harris": 0.3, "swing": 0.2}, Concern.NONE),
        ({"harris": 0.8, "swing": 0.8}, Concern.NONE),
        ({"harris": float("nan"), "swing": 0.8}, Concern.NONE),
        ({"ratio": 1.9, "low": 1.7, "high": 2.1, "harris": 0.3, "swing": 0.8}, Concern.TOO_STRONG),
    ],
)
def test_the_concern_is_the_first_that_the_figures_bear_out(different, concern):
    assert replace(CALM, **different).concern is concern


def test_before_anything_was_moved_the_interval_is_wide_and_nothing_is_feared():
    found = of(GainError(), 2.0, float("nan"), 0.0)
    assert found.low < 0 < 2 < found.high
    assert found.concern is Concern.NONE


def test_a_loop_that_moves_once_a_dead_time_hunts_at_twice_its_gain_whatever_its_weight():
    for weight in (0.1, 0.3, 1.0):
        assert replace(LOOP, ewma_weight=weight).largest_gain_ratio(1.0) == pytest.approx(2.0, abs=0.01)


def test_a_loop_with_few_values_a_dead_time_bears_more():
    slow = replace(LOOP, ewma_weight=0.1)
    assert slow.largest_gain_ratio(LOOP.dead_time_m) == pytest.approx(20.0)
    assert slow.largest_gain_ratio(30.0) == pytest.approx(2 / 0.19)


def test_a_double_ewma_hunts_no_later_than_on_every_value():
    double = replace(LOOP, estimator="double_ewma", ewma_weight=0.55, drift_weight=0.75)
    assert double.largest_gain_ratio(1.0) == pytest.approx(1.829, abs=1e-3)


def test_a_kalman_filter_takes_more_of_each_value_the_fewer_there_are():
    kalman = replace(LOOP, estimator="kalman", wander_per_m=0.0111)
    assert kalman.largest_gain_ratio(1.0) == pytest.approx(2.0, abs=0.01)
    assert kalman.largest_gain_ratio(LOOP.dead_time_m) == pytest.approx(2 / Kalman(0.0111 * LOOP.dead_time_m).weight)
    assert kalman.largest_gain_ratio(LOOP.dead_time_m) < 2 / kalman.disturbance.weight
