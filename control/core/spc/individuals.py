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

from control.core.spc import rules as run_rules
from control.core.spc.constants import d2, d3
from control.core.types import FloatArray, IntArray, Rule


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the lines are drawn, in the unit of the values."""

    lower: float
    centre: float
    upper: float
    moving_range_centre: float
    moving_range_upper: float


def lines(mean: float, sigma: float) -> Lines:
    return Lines(mean - 3 * sigma, mean, mean + 3 * sigma, d2(2) * sigma, _range_limit() * sigma)


def judge(
    values: FloatArray, mean: float, sigma: float, rules: Rule, recent: run_rules.Recent = ()
) -> tuple[IntArray, run_rules.Recent]:
    """Bits each of ``values`` (k,) breaks, and the context (standardised values) of the next call."""
    z = (values - mean) / sigma
    bits, context = run_rules.judge(z, rules, recent)
    if Rule.MOVING_RANGE in rules:
        before = np.concatenate([recent[-1:] or [np.nan], z[:-1]])
        bits[np.abs(z - before) > _range_limit()] |= int(Rule.MOVING_RANGE)
    return bits, context


def _range_limit() -> float:
    return d2(2) + 3 * d3(2)
