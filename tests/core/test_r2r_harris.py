"""Harris index and swing against processes whose own are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from control.core.r2r.harris import index, swing


def autoregressive(phi, n=6_000, seed=1):
    return lfilter([1.0], [1.0, *(-one for one in phi)], np.random.default_rng(seed).normal(size=n))


@pytest.mark.parametrize("delay", [1, 2, 4])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_of_an_autoregression_it_is_one_less_what_the_delay_leaves_known(phi, delay):
    """What could be foretold of an AR(1) a delay ahead is phi^(2 delay) of its variance."""
    found = index(autoregressive([phi])[:, None], delay)
    assert found == pytest.approx(1 - phi ** (2 * delay), abs=0.04)


@pytest.mark.parametrize("delay", [2, 5])
def test_minimum_variance_control_has_an_index_of_one(delay):
    """It leaves the first ``delay`` shocks of an integrating disturbance: a moving average of them."""
    shocks = np.random.default_rng(2).normal(size=6_000)
    left = lfilter(np.concatenate([[1.0], np.full(delay - 1, 0.6)]), [1.0], shocks)
    assert index(left[:, None], delay) > 0.97


def test_an_offset_from_the_target_lowers_it():
    assert index(np.full((500, 1), 0.5), 2) == pytest.approx(0.0, abs=1e-9)
    quiet = np.random.default_rng(3).normal(size=(4_000, 1))
    assert index(quiet + 1.0, 2) == pytest.approx(0.5, abs=0.03)


def test_streams_are_taken_together_by_their_variance():
    good, poor = autoregressive([0.0], seed=5), autoregressive([0.9], seed=6)
    together = index(np.column_stack([good, poor]), 1)
    assert together == pytest.approx((1 + 1) / (1 + 1 / (1 - 0.81)), abs=0.03)


def test_holes_are_skipped_and_too_little_is_not_told():
    values = autoregressive([0.5])
    values[np.random.default_rng(7).random(len(values)) < 0.05] = np.nan
    assert index(values[:, None], 1) == pytest.approx(0.75, abs=0.05)
    assert np.isnan(index(values[:40, None], 1))
    assert np.isnan(index(np.zeros((500, 1)), 1))


def test_an_oscillation_that_stays_swings_and_one_that_dies_down_does_less():
    t = np.arange(2_000)
    noise = np.random.default_rng(8).normal(0, 0.1, 2_000)
    assert swing((np.sin(2 * np.pi * t / 12) + noise)[:, None]) > 0.9
    damped = autoregressive([2 * 0.8 * np.cos(2 * np.pi / 10), -(0.8**2)])
    assert swing(damped[:, None]) < 0.5


def test_noise_drift_and_nothing_at_all_do_not_swing():
    for seed in range(10):
        assert swing(np.random.default_rng(seed).normal(size=(500, 1))) < 0.5
    assert swing(autoregressive([0.95])[:, None]) < 0.5
    assert swing(np.zeros((500, 2))) == 0.0
