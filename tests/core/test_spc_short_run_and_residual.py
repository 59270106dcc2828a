"""Products that share a chart, and what a model did not foresee."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.spc import individuals, residual, short_run
from control.core.spc.limits import phase_one
from control.core.spc.rules import BEYOND, WESTERN_ELECTRIC
from control.core.types import Rule


def test_a_run_goes_on_over_a_change_of_product():
    nominal = np.repeat([20.0, 11.5], 4)
    bits, _ = short_run.judge(nominal + 0.02, nominal, 0.1, WESTERN_ELECTRIC)
    assert list(np.flatnonzero(bits & Rule.RUN_ONE_SIDE)) == [7]


def test_every_product_is_held_to_its_own_sigma():
    nominal, sigma = np.array([20.0, 11.5]), np.array([0.2, 0.05])
    bits, _ = short_run.judge(nominal + 0.3, nominal, sigma, BEYOND)
    assert list(bits) == [0, 1]
    drawn = short_run.lines(nominal, sigma)
    assert drawn.upper == pytest.approx([20.6, 11.65])
    assert short_run.lines(nominal, 0.1).lower == pytest.approx([19.7, 11.2])


def drifting(n, seed):
    """A level that drifts, seen with noise: theta = 0.7, so that w = 0.3 forecasts it best."""
    shocks = np.random.default_rng(seed).normal(0.0, 1.0, n)
    return np.cumsum(shocks) - 0.7 * np.concatenate([[0.0], np.cumsum(shocks)[:-1]])


def test_a_drifting_level_is_out_of_control_as_it_is_and_in_control_one_step_ahead():
    values = drifting(20_000, 71)
    errors, _ = residual.one_step(values, 0.3)
    found = phase_one(errors[1:], np.arange(19_999.0))
    assert found.sigma == pytest.approx(1.0, rel=0.02)
    assert found.lag_1 == pytest.approx(0.0, abs=0.03)
    chart = residual.Chart(found.mean, found.sigma, BEYOND)
    assert np.mean(residual.judge(errors[1:], chart)[0] > 0) == pytest.approx(0.0027, abs=0.0012)
    plain = phase_one(values, np.arange(20_000.0))
    assert np.mean(individuals.judge(values, plain.mean, plain.sigma, BEYOND)[0] > 0) > 0.2


def test_a_jump_shows_as_one_error_and_is_forgotten():
    values = np.concatenate([np.zeros(20), np.full(20, 6.0)])
    errors, level = residual.one_step(values, 0.5)
    bits, _ = residual.judge(errors, residual.Chart(0.0, 1.0, BEYOND))
    assert list(np.flatnonzero(bits)) == [20]
    assert level == pytest.approx(6.0)


def test_the_first_value_ever_has_no_forecast():
    errors, level = residual.one_step(np.array([5.0]), 0.3)
    assert np.isnan(errors).all()
    assert level == 5.0
    assert residual.one_step(np.empty(0), 0.3, level) == (pytest.approx([]), 5.0)


def test_the_lines_are_those_of_individuals():
    drawn = residual.lines(residual.Chart(0.1, 0.2, BEYOND))
    assert (drawn.lower, drawn.upper) == pytest.approx((-0.5, 0.7))
