"""A deadband is chosen as approvals per shift: the table of the book by the integral equation and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.r2r import deadband as of

# r = L / (lambda sigma_a) and the mean interval between adjustments
INTERVALS = {0.5: 1.6, 1.0: 2.8, 2.0: 6.9, 3.0: 13.2, 4.0: 21.2, 5.0: 31.5}


@pytest.mark.parametrize(("ratio", "interval"), INTERVALS.items())
def test_the_mean_interval_between_adjustments_is_that_of_the_table(ratio, interval):
    assert of.mean_interval(ratio) == pytest.approx(interval, abs=0.06, rel=0.015)


@pytest.mark.parametrize(("ratio", "interval"), INTERVALS.items())
def test_a_loop_that_adjusts_its_ewma_forecast_meets_the_table(ratio, interval):
    """An IMA(0, 1, 1) disturbance, its EWMA, and a full correction whenever the forecast leaves the band."""
    rng, weight, n, runs = np.random.default_rng(7), 0.3, 400, 1_500
    deadband = ratio * weight
    forecast, adjustments = np.zeros(runs), np.zeros(runs)
    for _ in range(n):
        forecast = forecast + weight * rng.standard_normal(runs)  # z_t - forecast is the shock a_t
        beyond = np.abs(forecast) > deadband
        adjustments += beyond
        forecast[beyond] = 0.0
    assert n / adjustments.mean() == pytest.approx(of.mean_interval(ratio), rel=0.03 + of.mean_interval(ratio) / n)
    assert n / adjustments.mean() == pytest.approx(interval, rel=0.05 + interval / n)


def test_the_asymptote_of_a_wide_band_takes_over_without_a_step():
    near = of.WIDEST - 1e-6
    assert of.mean_interval(near) == pytest.approx(of.mean_interval(of.WIDEST), rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 40.0))
def test_a_band_found_for_an_interval_has_that_interval(ratio):
    assert of.ratio_for(of.mean_interval(ratio)) == pytest.approx(ratio, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.2, 60.0), st.floats(1e-4, 10.0), st.floats(100.0, 5_000.0))
def test_approvals_and_deadband_are_each_others_inverse(wished, noise, decisions):
    found = of.deadband(wished, noise, decisions)
    assert of.approvals(found, noise, decisions) == pytest.approx(wished, rel=1e-4)


def test_nobody_approves_more_often_than_the_loop_decides():
    with pytest.raises(ValueError, match="more often"):
        of.deadband(500.0, 0.02, 480.0)


def test_noise_is_how_far_the_liveliest_stream_moves_in_a_decision_and_gaps_are_left_out():
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(0, [0.01, 0.03], (4_000, 2)), axis=0)
    walk[1_000:] += 5.0
    walk[1_000] = np.nan
    assert of.noise(walk) == pytest.approx(0.03, rel=0.05)


def test_a_few_values_tell_no_noise():
    with pytest.raises(ValueError, match="at least 30"):
        of.noise(np.zeros((20, 2)))
