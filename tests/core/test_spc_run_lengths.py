"""Average run lengths, against the tables of the literature."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import lfilter

from control.core.spc import rules, run_length
from control.core.spc.limits import phase_one
from control.core.spc.rules import SETS, RuleSet
from control.core.types import Rule
from tests.core.cases import case

TOLERANCE = 0.02
RUNS_RULES = {
    "12": RuleSet(Rule.BEYOND_3_SIGMA | Rule.TWO_OF_THREE),
    "13": RuleSet(Rule.BEYOND_3_SIGMA | Rule.FOUR_OF_FIVE),
    "14": RuleSet(Rule.BEYOND_3_SIGMA | Rule.RUN_ONE_SIDE),
}
IN_CONTROL = {  # Champ and Woodall, Technometrics 29 (1987); Nelson's sets by simulation
    "beyond_3_sigma": 370.4, "western_electric": 91.75, "nelson_1_2_3": 143, "nelson_1_2_5": 160, "nelson": 72,
}  # fmt: skip


def simulated(broken, shift=0.0, about=200):
    def judge(z):
        return rules.judge(z, broken)[0]

    return run_length.simulated(judge, np.random.default_rng(60), runs=40_000, shift=shift, about=about)


@pytest.mark.parametrize("kind", ["settled", "widening"])
def test_the_ewma_runs_as_long_as_in_the_table(kind):
    table = case("15_arl_tables")
    column = {"settled": "arl_zero_state_asymptotic_limits", "widening": "arl_zero_state_exact_varying_limits"}[kind]
    for name, told in table["ewma"].items():
        if told[column]:
            found = [run_length.ewma(told["lambda"], told["L"], s, settled=kind == "settled") for s in told["shift"]]
            assert found == pytest.approx(told[column], rel=TOLERANCE), name


@pytest.mark.parametrize("head_start", [0.0, 0.5])
def test_the_cusum_runs_as_long_as_in_the_table(head_start):
    column = "arl_two_sided_FIR_h_over_2" if head_start else "arl_two_sided"
    for name, told in case("15_arl_tables")["cusum"].items():
        found = [run_length.cusum(told["k"], told["h"], s, head_start * told["h"]) for s in told["shift"]]
        assert found == pytest.approx(told[column], rel=TOLERANCE), name


def test_single_values_run_as_long_as_in_the_table():
    table = case("15_arl_tables")
    found = [run_length.shewhart(3.0, shift) for shift in table["shift"]]
    assert found == pytest.approx(table["shewhart_3sigma"], rel=1e-9)


@pytest.mark.parametrize("name", RUNS_RULES)
@pytest.mark.parametrize("at", [0, 2, 4, 6])
def test_run_rules_run_as_long_as_in_the_table(name, at):
    table = case("15_arl_tables")
    expected = table["shewhart_runs_rules"][name][at]
    found = simulated(RUNS_RULES[name], table["shift"][at], about=round(expected) + 5)
    assert found == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("name", IN_CONTROL)
def test_a_rule_set_in_control_runs_as_long_as_the_literature_says(name):
    assert simulated(SETS[name]) == pytest.approx(IN_CONTROL[name], rel=TOLERANCE)


@pytest.mark.parametrize(("shift", "length"), [(0.0, 500.0), (0.5, 41.0), (1.0, 10.7), (2.0, 3.7)])
def test_the_usual_ewma_is_as_quick_as_promised(shift, length):
    assert run_length.ewma(0.2, 2.962, shift, settled=True) == pytest.approx(length, rel=TOLERANCE)


@pytest.mark.parametrize(("shift", "length"), [(0.0, 470.0), (0.5, 38.0), (1.0, 10.4), (2.0, 4.0)])
def test_the_usual_cusum_is_as_quick_as_promised(shift, length):
    assert run_length.cusum(0.5, 5.0, shift) == pytest.approx(length, rel=TOLERANCE)


def test_a_run_that_goes_on_in_the_next_round_is_counted_whole():
    """However short a round is guessed, runs of eight are found across its end."""
    lengths = [simulated(RuleSet(Rule.RUN_ONE_SIDE), about=about) for about in (7, 200)]
    assert lengths[0] == pytest.approx(lengths[1], rel=TOLERANCE)
    assert lengths[0] == pytest.approx(2**8 - 1, rel=TOLERANCE)


@pytest.mark.parametrize(("phi", "share"), [(0.3, 0.013), (0.6, 0.058), (0.8, 0.18)])
def test_moving_ranges_of_values_alike_put_many_beyond_three_sigma(phi, share):
    """The share seen when limits come from a window of 100 values, as phase I does, over many windows."""
    rng = np.random.default_rng(61)
    x = lfilter([1.0], [1.0, -phi], rng.normal(0.0, 1.0, (1_500, 1_100)), axis=1)[:, 500:]
    beyond = []
    for row in x:
        limits = phase_one(row[:100], np.arange(100.0))
        beyond.append(np.mean(np.abs(row[100:] - limits.mean) > 3 * limits.sigma))
    assert np.mean(beyond) >= share * 0.9
    settled = 2 * _beyond(3 * np.sqrt(1 - phi))
    assert settled == pytest.approx(share, rel=0.08)


def _beyond(z):
    return 0.5 / run_length.shewhart(z)


@pytest.mark.parametrize("allowance", [0.1, 2.0, 3.0])
@pytest.mark.parametrize("limit", [1.0, 10.0, 20.0])
def test_what_runs_for_ever_is_told_as_very_long_and_a_larger_shift_never_takes_longer(allowance, limit):
    lengths = [run_length.cusum(allowance, limit, shift) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert all(1.0 <= length <= run_length.MOST for length in lengths)
    assert all(later <= earlier * 1.001 for earlier, later in pairwise(lengths))
