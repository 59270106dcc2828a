"""Limits come from history: mean, sigma, how many values, by which method, over which window."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.spc.limits import c4, d2, d3, phase_one
from tests.core.cases import case


def test_the_constants_are_those_of_the_reference_table():
    table = case("16_constants")["table"]
    for i, n in enumerate(table["n"]):
        assert d2(n) == pytest.approx(table["d2"][i], rel=1e-7)
        assert d3(n) == pytest.approx(table["d3"][i], rel=1e-6)
        assert c4(n) == pytest.approx(table["c4"][i], rel=1e-9)


def test_the_constants_for_two_values_have_their_closed_form():
    assert d2(2) == pytest.approx(2 / np.sqrt(np.pi), rel=1e-9)
    assert d3(2) == pytest.approx(np.sqrt(2 - 4 / np.pi), rel=1e-6)


def test_the_viscosity_limits_are_those_of_the_reference():
    data = case("03_viscosity_individuals")
    values = np.array(data["input"]["phase1"])
    at_s = np.arange(len(values), dtype=float)
    for method, name in (("moving_range", "MR"), ("standard_deviation", "SD")):
        limits = phase_one(values, at_s, method=method)
        assert limits.mean == pytest.approx(data["expected"][name]["center"], rel=5e-4)
        assert limits.sigma == pytest.approx(data["expected"][name]["std_dev"], rel=5e-4)


def test_every_method_finds_the_sigma_of_independent_values():
    values = np.random.default_rng(1).normal(20.0, 0.1, 20_000)
    at_s = np.arange(len(values), dtype=float)
    for method in ("moving_range", "median_moving_range", "standard_deviation"):
        assert phase_one(values, at_s, method=method).sigma == pytest.approx(0.1, rel=0.03)


def test_the_median_of_moving_ranges_shrugs_off_wild_values():
    values = np.random.default_rng(2).normal(0.0, 1.0, 2_000)
    values[::50] += 40.0
    at_s = np.arange(len(values), dtype=float)
    assert phase_one(values, at_s).sigma > 2.0
    assert phase_one(values, at_s, method="median_moving_range").sigma == pytest.approx(1.0, rel=0.1)


def test_excluded_points_leave_no_trace_not_even_a_moving_range():
    rng = np.random.default_rng(3)
    values, at_s = rng.normal(0.0, 1.0, 200), np.arange(200, dtype=float)
    excluded = np.zeros(200, bool)
    excluded[50] = True
    spoiled = values.copy()
    spoiled[50] = 1e6
    missing = values.copy()
    missing[50] = np.nan
    without = phase_one(spoiled, at_s, excluded=excluded)
    assert (without.mean, without.sigma, without.n, without.excluded) == (
        phase_one(missing, at_s).mean,
        phase_one(missing, at_s).sigma,
        199,
        1,
    )


def test_limits_tell_the_window_and_the_autocorrelation_they_come_from():
    rng = np.random.default_rng(4)
    noise = rng.normal(0.0, 1.0, 5_000)
    values = np.zeros(5_000)
    for i in range(1, 5_000):
        values[i] = 0.6 * values[i - 1] + noise[i]
    limits = phase_one(values, np.arange(5_000) + 100.0)
    assert (limits.from_s, limits.to_s) == (100.0, 5_099.0)
    assert limits.lag_1 == pytest.approx(0.6, abs=0.05)


def test_too_few_or_constant_values_give_no_limits():
    with pytest.raises(ValueError, match="at least 20"):
        phase_one(np.arange(19.0), np.arange(19.0))
    with pytest.raises(ValueError, match="do not vary"):
        phase_one(np.ones(30), np.arange(30.0))
