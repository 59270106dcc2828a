"""Xbar-S: mean and standard deviation of groups.

    mean: mean +- 3 sigma / sqrt(n)        s: B5 sigma to B6 sigma, centre c4 sigma

Good for: groups of more than ten values or of changing size, such as all scans of a roll. Beside it:
:mod:`mean_range`, simpler by hand and as good for small groups.

D. C. Montgomery, Introduction to Statistical Quality Control (2005) section 5-3.
"""

from __future__ import annotations

from control.core.spc import subgroups
from control.core.spc.lines import Lines
from control.core.spc.mean_range import judge_means, mean_lines
from control.core.spc.rules import Recent, RuleSet
from control.core.types import FloatArray, IntArray


def lines(mean: float, sigma: float, size: IntArray) -> tuple[Lines, Lines]:
    """Of the mean and of the standard deviation, for groups of ``size`` (k,) values."""
    return mean_lines(mean, sigma, size), subgroups.spread_lines(sigma, size, "deviation")


def judge(
    groups: FloatArray, mean: float, sigma: float, rules: RuleSet, recent: Recent = ()
) -> tuple[IntArray, Recent]:
    """Bits each of ``groups`` (k, n) breaks, ``Rule.SPREAD`` the deviation's, and the context of the next call."""
    return judge_means(groups, mean, sigma, rules, recent, "deviation")
