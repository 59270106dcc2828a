"""Signals expected in a shift before a set of rules is switched on."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.spc import rules, run_length
from control.core.spc.diagnostics import Autoregression, fit_autoregression
from control.core.spc.false_alarms import SHIFT_S, count, expected, sampled_every
from control.core.spc.rules import BEYOND, WESTERN_ELECTRIC, RuleSet
from control.core.types import Rule

INDEPENDENT = Autoregression(mean=20.0, phi=(), noise=0.1, sigma=0.1)


def judge(broken, sigma=0.1, mean=20.0):
    return lambda values: rules.judge((values - mean) / sigma, broken)[0]


def alike(phi):
    return Autoregression(mean=20.0, phi=(phi,), noise=0.1 * np.sqrt(1 - phi**2), sigma=0.1)


def found(process, broken, sample_s=10.0, **told):
    return expected(process, judge(broken, **told), sample_s, np.random.default_rng(1))


def test_independent_values_cry_wolf_as_often_as_the_run_length_says():
    """Ten seconds apart, a shift has 2880 values; two in a row beyond three sigma are too rare to matter."""
    alarms = [expected(INDEPENDENT, judge(BEYOND), 10.0, np.random.default_rng(seed)).per_shift for seed in range(10)]
    assert np.mean(alarms) == pytest.approx(2880 / run_length.shewhart(), rel=0.03)


def test_a_slower_stream_has_fewer_in_a_shift():
    fast, slow = (found(INDEPENDENT, WESTERN_ELECTRIC, sample_s).per_shift for sample_s in (5.0, 50.0))
    assert fast == pytest.approx(10 * slow)


def test_the_rules_share_the_signals():
    alarms = found(INDEPENDENT, WESTERN_ELECTRIC)
    assert set(alarms.by_rule) == set(WESTERN_ELECTRIC.rules)
    assert alarms.per_shift == pytest.approx(sum(alarms.by_rule.values()))
    assert alarms.by_rule[Rule.BEYOND_3_SIGMA] < alarms.per_shift / 2


@pytest.mark.parametrize("phi", [0.3, 0.6, 0.8])
def test_limits_from_moving_ranges_of_values_alike_cry_wolf_much_more(phi):
    """Sigma from moving ranges is sigma sqrt(1 - phi): a share 2 Phi(-3 sqrt(1 - phi)) of the points lies beyond."""
    honest = found(alike(phi), BEYOND)
    narrow = found(alike(phi), BEYOND, sigma=0.1 * np.sqrt(1 - phi))
    assert narrow.per_shift > 3 * honest.per_shift


def test_runs_on_one_side_are_the_first_to_mistake_memory_for_a_shift():
    few, many = (found(process, WESTERN_ELECTRIC).by_rule[Rule.RUN_ONE_SIDE] for process in (INDEPENDENT, alike(0.8)))
    assert many > 3 * few


def test_a_set_without_rules_is_silent():
    silent = found(INDEPENDENT, RuleSet(Rule.NONE))
    assert (silent.per_shift, silent.by_rule) == (0.0, {})


def test_the_same_generator_gives_the_same_figure():
    assert found(alike(0.5), WESTERN_ELECTRIC) == found(alike(0.5), WESTERN_ELECTRIC)


def test_what_was_fitted_to_a_window_foretells_the_next_shifts():
    process, rng = alike(0.7), np.random.default_rng(8)
    fitted = fit_autoregression(process.simulate(3_000, rng))
    foretold = expected(fitted, judge(WESTERN_ELECTRIC), 10.0, np.random.default_rng(1)).per_shift
    came = sum(count(judge(WESTERN_ELECTRIC)(process.simulate(200_000, rng))).values()) / (200_000 * 10.0 / SHIFT_S)
    assert foretold == pytest.approx(came, rel=0.2)


def test_points_in_a_row_that_break_a_rule_are_one_signal():
    assert count(np.array([0, 1, 1, 0, 1, 3, 2, 0])) == {Rule.BEYOND_3_SIGMA: 2, Rule.RUN_ONE_SIDE: 1}
    assert count(np.array([2, 2])) == {Rule.RUN_ONE_SIDE: 1}
    assert count(np.zeros(0, np.int64)) == {}


def test_a_gauge_that_goes_to_and_fro_sees_each_lane_as_often():
    """From the edge 1 s and 9 s away in turn, from the middle 5 s: as many values a shift."""
    edge, middle = np.cumsum([1.0, 9.0] * 50), np.cumsum([5.0] * 100)
    assert sampled_every(edge) == pytest.approx(sampled_every(middle), rel=0.02)


def test_a_stop_does_not_make_a_stream_slower():
    at_s = np.concatenate([np.arange(40) * 5.0, 9_000.0 + np.arange(40) * 5.0])
    assert sampled_every(at_s) == 5.0
