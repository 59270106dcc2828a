"""Charts of groups: Xbar-R, Xbar-S and the three-way chart."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.spc import individuals, mean_deviation, mean_range, three_way
from control.core.spc.constants import b3, b4, c4, d2, d_3, d_4
from control.core.spc.limits import sigma_within
from control.core.spc.rules import NELSON, WESTERN_ELECTRIC, RuleSet
from control.core.types import Rule
from tests.core.cases import case

SPREAD = RuleSet(WESTERN_ELECTRIC.rules | Rule.SPREAD)
ONLY_SPREAD = RuleSet(Rule.SPREAD)


@pytest.mark.parametrize(
    ("chart", "sigma", "method"),
    [("UWAVE-R", "range", mean_range), ("UWAVE-SD", "standard_deviations", mean_deviation)],
)
def test_the_piston_rings_have_the_lines_and_flags_of_the_reference(chart, sigma, method):
    data = case("01_pistonrings_xbar")
    one, two = np.array(data["input"]["phase1"]), np.array(data["input"]["phase2"])
    expected = data["expected"][chart]
    mean, found = float(one.mean()), sigma_within(one, sigma)
    assert found == pytest.approx(expected["std_dev"], rel=5e-4)
    drawn, _ = method.lines(mean, found, np.array([5]))
    assert [drawn.lower[0], drawn.upper[0]] == pytest.approx(expected["limits"][0], rel=5e-4)
    assert drawn.centre[0] == pytest.approx(expected["center"], rel=5e-4)
    _, recent = method.judge(one, mean, found, NELSON)
    bits, _ = method.judge(two, mean, found, NELSON, recent)
    assert list(np.flatnonzero(bits & Rule.BEYOND_3_SIGMA) + 26) == [37, 38, 39]
    assert list(np.flatnonzero(bits & Rule.TWO_OF_THREE) + 26) == [35, 37, 38, 39, 40]


@pytest.mark.parametrize("n", [2, 5, 10, 25])
def test_the_spread_is_charted_between_the_lines_of_the_tables(n):
    sigma = 0.3
    _, ranges = mean_range.lines(20.0, sigma, np.array([n]))
    centre = d2(n) * sigma
    assert (ranges.lower[0], ranges.centre[0], ranges.upper[0]) == pytest.approx(
        (d_3(n) * centre, centre, d_4(n) * centre)
    )
    _, deviations = mean_deviation.lines(20.0, sigma, np.array([n]))
    centre = c4(n) * sigma
    told = (deviations.lower[0], deviations.centre[0], deviations.upper[0])
    assert told == pytest.approx((b3(n) * centre, centre, b4(n) * centre))


@pytest.mark.parametrize("chart", [mean_range, mean_deviation])
def test_a_group_that_scatters_too_much_or_too_little_breaks_the_spread_and_not_the_mean(chart):
    even, wide, narrow = np.linspace(-1.5, 1.5, 8), np.linspace(-4, 4, 8), np.linspace(-0.05, 0.05, 8)
    bits, _ = chart.judge(np.vstack([even, wide, narrow]), 0.0, 1.0, SPREAD)
    assert list(bits) == [0, Rule.SPREAD, Rule.SPREAD]


@pytest.mark.parametrize("chart", [mean_range, mean_deviation])
def test_a_smaller_group_is_judged_by_its_own_lines(chart):
    full = np.full((1, 9), 1.2) + np.linspace(-1.4, 1.4, 9)
    few = np.where(np.arange(9) < 4, full, np.nan) + 0.5
    lone, none = np.where(np.arange(9) < 1, 2.9, np.nan), np.full(9, np.nan)
    groups = np.vstack([full, few, lone, none])
    bits, recent = chart.judge(groups, 0.0, 1.0, SPREAD)
    assert list(bits & Rule.BEYOND_3_SIGMA) == [1, 0, 0, 0]
    assert not (bits[1:] & Rule.SPREAD).any()
    assert recent[-1] is None
    drawn, _ = chart.lines(0.0, 1.0, np.array([9, 4, 1]))
    assert list(drawn.upper) == pytest.approx([1.0, 1.5, 3.0])


@pytest.mark.parametrize("chart", [mean_range, mean_deviation])
def test_what_the_spread_of_normal_groups_breaks_by_chance_is_little(chart):
    groups = np.random.default_rng(41).normal(0.0, 1.0, (40_000, 5))
    bits, _ = chart.judge(groups, 0.0, 1.0, ONLY_SPREAD)
    assert 0.001 < np.mean(bits > 0) < 0.007  # three sigma lines of a skewed statistic: 0.0046 for R, 0.0039 for s


def test_rolls_that_are_even_but_differ_are_in_control_between_and_within():
    rng = np.random.default_rng(42)
    rolls = rng.normal(0.0, 1.0, (400, 1)) + rng.normal(0.0, 0.1, (400, 5))
    sigma = three_way.sigmas(rolls)
    assert sigma.within == pytest.approx(0.1, rel=0.05)
    assert sigma.between == pytest.approx(np.sqrt(1.0 + 0.1**2 / 5), rel=0.1)
    between, _ = three_way.judge(rolls, 0.0, sigma, RuleSet(Rule.BEYOND_3_SIGMA))
    within, _ = mean_range.judge(rolls, 0.0, sigma.within, RuleSet(Rule.BEYOND_3_SIGMA))
    assert np.mean(between > 0) < 0.02
    assert np.mean(within > 0) > 0.8


@pytest.mark.parametrize("spread", ["range", "deviation"])
def test_the_three_way_chart_tells_a_jump_between_from_a_scatter_within(spread):
    sigma = three_way.Sigmas(between=1.0, within=0.1)
    rules = RuleSet(Rule.BEYOND_3_SIGMA | Rule.MOVING_RANGE | Rule.SPREAD)
    even = np.array([-0.1, 0.0, 0.1])
    groups = np.vstack([even - 2, even + 2, even + 2, 9 * even + 2])
    bits, recent = three_way.judge(groups, 0.0, sigma, rules, spread=spread)
    assert list(bits) == [0, Rule.MOVING_RANGE, 0, Rule.SPREAD]
    assert recent[-1] == pytest.approx(2.0)
    of_mean, moving, within = three_way.lines(0.0, sigma, np.array([3]), spread)
    assert of_mean.upper[0] == pytest.approx(3.0)
    assert moving.upper[0] == pytest.approx(individuals.range_limit())
    assert within.centre[0] == pytest.approx(0.1 * (d2(3) if spread == "range" else c4(3)))
