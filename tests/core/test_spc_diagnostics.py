"""Normality and independence, and the process that a stretch of values is taken for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from control.core.spc.diagnostics import autocorrelation, fit_autoregression, normal_quantiles, normality


def first_order(phi, n, seed):
    return lfilter([1.0], [1.0, -phi], np.random.default_rng(seed).normal(0.0, 1.0, n + 500))[500:]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_statistic_is_that_of_scipy_before_its_correction(seed):
    values = np.random.default_rng(seed).gamma(4.0, 1.0, 120)
    expected = stats.anderson(values, "norm", method="interpolate").statistic
    assert normality(values).statistic == pytest.approx(expected * (1 + 0.75 / 120 + 2.25 / 120**2), rel=1e-9)


def test_normal_values_are_called_otherwise_as_often_as_p_says():
    rng = np.random.default_rng(41)
    p = np.array([normality(rng.normal(5.0, 2.0, 50)).p for _ in range(2_000)])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p < level) == pytest.approx(level, abs=0.03)


def test_a_skewed_stream_is_found_out_and_described():
    found = normality(np.append(np.random.default_rng(42).exponential(1.0, 20_000), np.nan))
    assert found.n == 20_000
    assert found.p < 1e-6
    assert found.skewness == pytest.approx(2.0, rel=0.1)
    assert found.kurtosis == pytest.approx(6.0, rel=0.25)


def test_autocorrelation_is_the_textbook_sum():
    values = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 6.0, 3.0, 2.0])
    off = values - values.mean()
    found = autocorrelation(values, 2)
    assert found.value == pytest.approx([1.0, off[1:] @ off[:-1] / (off @ off), off[2:] @ off[:-2] / (off @ off)])
    assert found.bound == pytest.approx(1.96 / np.sqrt(8))


def test_independent_values_stay_inside_the_bound_and_count_fully():
    found = autocorrelation(np.random.default_rng(43).normal(0.0, 1.0, 10_000))
    assert np.mean(np.abs(found.value[1:]) > found.bound) < 0.15
    assert found.effective_n > 0.98 * found.n


@pytest.mark.parametrize("phi", [0.3, 0.6, 0.8])
def test_values_that_resemble_their_neighbours_count_for_fewer(phi):
    """For a first-order process rho_k = phi^k and n is divided by (1 + phi^2) / (1 - phi^2)."""
    found = autocorrelation(first_order(phi, 50_000, 44))
    assert found.lag_1 == pytest.approx(phi, abs=0.02)
    assert found.effective_n / found.n == pytest.approx((1 - phi**2) / (1 + phi**2), rel=0.06)


@pytest.mark.parametrize("phi", [(0.6,), (0.5, 0.3), (1.2, -0.5)])
def test_the_process_that_made_the_values_is_found_again(phi):
    values = 7.0 + lfilter([1.0], [1.0, *(-np.array(phi))], np.random.default_rng(45).normal(0.0, 0.4, 40_000))
    found = fit_autoregression(values)
    assert found.mean == pytest.approx(7.0, abs=0.05)
    assert found.noise == pytest.approx(0.4, rel=0.02)
    assert found.phi[: len(phi)] == pytest.approx(phi, abs=0.03)
    assert found.phi[len(phi) :] == pytest.approx([0.0] * (len(found.phi) - len(phi)), abs=0.03)


def test_independent_values_are_given_no_memory_worth_the_name():
    found = fit_autoregression(np.random.default_rng(46).normal(2.0, 0.1, 5_000))
    assert sum(abs(one) for one in found.phi) < 0.1
    assert found.noise == pytest.approx(found.sigma, rel=0.01)


def test_what_is_simulated_resembles_what_it_was_fitted_to():
    values = 3.0 + first_order(0.7, 20_000, 47) + np.random.default_rng(48).normal(0.0, 1.0, 20_000)
    again = fit_autoregression(values).simulate(200_000, np.random.default_rng(1))
    assert again.std() == pytest.approx(values.std(), rel=0.03)
    assert autocorrelation(again, 10).value == pytest.approx(autocorrelation(values, 10).value, abs=0.03)


def test_a_missing_value_has_no_neighbours_and_spoils_nothing():
    values = first_order(0.6, 20_000, 49)
    values[np.random.default_rng(1).random(20_000) < 0.05] = np.nan
    assert autocorrelation(values, 1).lag_1 == pytest.approx(0.6 * 0.95, abs=0.03)
    assert np.isfinite(fit_autoregression(values).noise)


def test_values_that_do_not_vary_have_no_autocorrelation():
    with pytest.raises(ValueError, match="do not vary"):
        autocorrelation(np.ones(30))


def test_normal_values_lie_on_a_line_of_their_quantiles():
    values = np.sort(np.random.default_rng(50).normal(10.0, 2.0, 5_000))
    slope, intercept = np.polyfit(normal_quantiles(5_000), values, 1)
    assert (intercept, slope) == pytest.approx((10.0, 2.0), abs=0.1)
