"""Limits come from history: mean, sigma, how many values, by which method, over which window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.spc.limits import METHODS, grouped, phase_one, sigma_of, sigma_within, staged, wild
from tests.core.cases import case


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
    for method in METHODS:
        assert phase_one(values, at_s, method=method).sigma == pytest.approx(0.1, rel=0.03)


PISTON_RINGS = [("range", "UWAVE-R"), ("standard_deviations", "UWAVE-SD"), ("pooled", "RMSDF")]


@pytest.mark.parametrize(("method", "name"), PISTON_RINGS)
def test_the_sigma_within_groups_is_that_of_the_reference(method, name):
    data = case("01_pistonrings_xbar")
    groups = np.array(data["input"]["phase1"])
    expected = data["expected"][name]["std_dev"]
    assert sigma_within(groups, method) == pytest.approx(expected, rel=5e-4)
    one_by_one = phase_one(groups.ravel(), np.arange(groups.size, dtype=float), method=method, group=5)
    assert one_by_one.sigma == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize(("method", "name"), PISTON_RINGS)
def test_groups_of_different_size_find_the_same_sigma(method, name):
    groups = np.random.default_rng(5).normal(3.0, 0.5, (4_000, 6))
    groups[::3, 4:] = np.nan
    groups[::7, 1:] = np.nan
    assert sigma_within(groups, method) == pytest.approx(0.5, rel=0.02)


def test_a_group_never_reaches_across_a_gap_or_the_end_of_a_stage():
    values = np.array([1.0, 2, 3, np.nan, 4, 5, 6, 7, 8])
    assert grouped(values, 2).tolist() == [[1, 2], [4, 5], [6, 7]]
    stage = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    assert grouped(staged(values, stage), 2).tolist() == [[1, 2], [5, 6], [7, 8]]


def test_a_new_stage_is_no_moving_range():
    rng = np.random.default_rng(6)
    level = np.repeat([0.0, 50.0, -50.0], 40)
    values, at_s = level + rng.normal(0.0, 1.0, 120), np.arange(120.0)
    stage = np.repeat([1, 2, 3], 40)
    within = [np.abs(np.diff(part)) for part in np.split(values, 3)]
    expected = np.concatenate(within).mean() / (2 / np.sqrt(np.pi))
    assert phase_one(values, at_s, stage=stage).sigma == pytest.approx(expected)
    assert phase_one(values, at_s).sigma > 1.3 * expected


def test_a_group_that_is_never_full_gives_no_sigma():
    with pytest.raises(ValueError, match="nothing can be said"):
        sigma_of(np.array([1.0, np.nan, 2.0, np.nan, 3.0]), "range", 2)


def test_a_wild_reading_is_pointed_out_and_a_large_one_is_not():
    values = np.random.default_rng(7).normal(0.0, 1.0, 500)
    values[[10, 20, 30]] = 3.5, 12.0, np.nan
    assert list(np.flatnonzero(wild(values))) == [20]


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


@given(st.floats(-1e3, 1e3), st.floats(0.01, 100.0), st.sampled_from(METHODS), st.integers(0, 1_000))
@settings(max_examples=60, deadline=None)
def test_limits_move_and_stretch_with_the_values(shift, stretch, method, seed):
    """Another unit or another zero changes the limits likewise, and nothing else."""
    values, at_s = np.random.default_rng(seed).normal(0.0, 1.0, 60), np.arange(60.0)
    stage = np.repeat([0, 1], 30)
    plain = phase_one(values, at_s, method=method, stage=stage)
    moved = phase_one(shift + stretch * values, at_s, method=method, stage=stage)
    assert moved.mean == pytest.approx(shift + stretch * plain.mean, abs=1e-9 * (abs(shift) + stretch))
    assert moved.sigma == pytest.approx(stretch * plain.sigma, rel=1e-6)
    assert moved.lag_1 == pytest.approx(plain.lag_1, abs=1e-6)
