"""Xbar-R: mean and range of small groups.

    mean: mean +- 3 sigma / sqrt(n)        R: D1 sigma to D2 sigma, centre d2 sigma

Good for: groups of up to about ten values taken together, such as the pieces of one lab sample. Beside it:
:mod:`mean_deviation` for larger or changing groups, :mod:`three_way` where groups differ by more than what is within
them explains. The run rules are those of the mean; of the range only its own lines count.

D. C. Montgomery, Introduction to Statistical Quality Control (2005) section 5-2.
"""

from __future__ import annotations

import numpy as np

from control.core.spc import subgroups
from control.core.spc.lines import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.spc.rules import judge as judge_runs
from control.core.types import FloatArray, IntArray, Rule


def lines(mean: float, sigma: float, size: IntArray) -> tuple[Lines, Lines]:
    """Of the mean and of the range, for groups of ``size`` (k,) values."""
    return mean_lines(mean, sigma, size), subgroups.spread_lines(sigma, size, "range")


def judge(
    groups: FloatArray, mean: float, sigma: float, rules: RuleSet, recent: Recent = ()
) -> tuple[IntArray, Recent]:
    """Bits each of ``groups`` (k, n) breaks, ``Rule.SPREAD`` the range's, and the context of the next call."""
    return judge_means(groups, mean, sigma, rules, recent, "range")


def mean_lines(mean: float, sigma: float, size: IntArray) -> Lines:
    reach = 3.0 * sigma / np.sqrt(size)
    return Lines(mean - reach, np.full(len(size), mean), mean + reach)


def judge_means(
    groups: FloatArray, mean: float, sigma: float, rules: RuleSet, recent: Recent, spread: subgroups.Spread
) -> tuple[IntArray, Recent]:
    """The mean of each group by the run rules, its spread by the lines of that spread."""
    size = subgroups.sizes(groups)
    z = (subgroups.means(groups, size) - mean) / sigma * np.sqrt(size)
    bits, context = judge_runs(z, rules, recent)
    if Rule.SPREAD in rules.rules:
        bits |= subgroups.spread_beyond(groups, size, sigma, spread) * np.int64(Rule.SPREAD)
    return bits, context
