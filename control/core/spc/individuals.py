"""Individuals and moving range: the chart of single values.

    x: mean +- 3 sigma        MR: |x_i - x_(i-1)| <= (d2 + 3 d3) sigma, d2 and d3 for n = 2

Good for: gauge scan averages and lab samples that arrive one by one. Beside it: :mod:`ewma` for shifts under about
1.5 sigma. Caveat: values that resemble their neighbours make a sigma from moving ranges too small, and the rules cry
wolf; see ``Limits.lag_1``.

D. C. Montgomery, Introduction to Statistical Quality Control (2005) section 5-4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.spc.constants import d2, d3
from control.core.spc.rules import Recent, RuleSet
from control.core.spc.rules import judge as judge_runs
from control.core.types import BoolArray, FloatArray, IntArray, Rule


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the lines are drawn, in the unit of the values."""

    lower: float
    centre: float
    upper: float
    moving_range_centre: float
    moving_range_upper: float


def lines(mean: float, sigma: float) -> Lines:
    return Lines(mean - 3 * sigma, mean, mean + 3 * sigma, d2(2) * sigma, range_limit() * sigma)


def judge(
    values: FloatArray, mean: float, sigma: float, rules: RuleSet, recent: Recent = ()
) -> tuple[IntArray, Recent]:
    """Bits each of ``values`` (k,) breaks, and the context (standardised values) of the next call."""
    z = (values - mean) / sigma
    bits, context = judge_runs(z, rules, recent)
    if Rule.MOVING_RANGE in rules.rules:
        line = np.concatenate([np.array(recent[-1:] or [np.nan], np.float64), z])
        bits |= jumps(line)[1:] * np.int64(Rule.MOVING_RANGE)
    return bits, context


def jumps(line: FloatArray) -> BoolArray:
    """Where a standardised value (..., n) differs from the one before it by more than the moving range may."""
    found = np.zeros(line.shape, np.bool_)
    found[..., 1:] = np.abs(line[..., 1:] - line[..., :-1]) > range_limit()
    return found


def range_limit() -> float:
    """Upper line of the moving range of two, in sigma: D2 for n = 2."""
    return d2(2) + 3 * d3(2)
