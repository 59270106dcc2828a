"""Three-way chart (I-MR-R/S): between groups and within them, each with a sigma of its own.

    mean of a group: mean +- 3 sigma_between, with its moving range        within: R or s, by sigma_within

Good for: rolls, of which each is even but one differs from the next; Xbar limits drawn from what is within a roll
would call every roll out of control. sigma_between comes from the moving ranges of the means, and so holds all that
makes means differ, what is within included.

D. J. Wheeler, D. S. Chambers, Understanding Statistical Process Control (1992) section 8.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.spc import individuals, subgroups
from control.core.spc.constants import d2
from control.core.spc.limits import sigma_of, staged
from control.core.spc.lines import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.types import FloatArray, IntArray, Rule


@dataclass(frozen=True, slots=True)
class Sigmas:
    """``between`` of the means of groups, ``within`` of the values of a group."""

    between: float
    within: float


def sigmas(groups: FloatArray, spread: subgroups.Spread = "range", stage: IntArray | None = None) -> Sigmas:
    """Phase I from groups (k, n) in time order; no moving range from one ``stage`` (k,) to the next."""
    size = subgroups.sizes(groups)
    found = subgroups.spreads(groups, size, spread)
    within = found / subgroups.spread_lines(1.0, size, spread).centre
    means = staged(subgroups.means(groups, size), stage)
    return Sigmas(sigma_of(means, "moving_range"), float(np.nanmean(within)))


def lines(mean: float, sigma: Sigmas, size: IntArray, spread: subgroups.Spread = "range") -> tuple[Lines, Lines, Lines]:
    """Of the mean, of its moving range and of the spread within groups of ``size`` (k,) values."""
    same = np.ones(len(size))
    reach = 3.0 * sigma.between * same
    moving = Lines(0.0 * same, d2(2) * sigma.between * same, individuals.range_limit() * sigma.between * same)
    return Lines(mean - reach, mean * same, mean + reach), moving, subgroups.spread_lines(sigma.within, size, spread)


def judge(
    groups: FloatArray,
    mean: float,
    sigma: Sigmas,
    rules: RuleSet,
    recent: Recent = (),
    spread: subgroups.Spread = "range",
) -> tuple[IntArray, Recent]:
    """Bits each of ``groups`` (k, n) breaks, and the context (standardised means) of the next call."""
    size = subgroups.sizes(groups)
    bits, context = individuals.judge(subgroups.means(groups, size), mean, sigma.between, rules, recent)
    if Rule.SPREAD in rules.rules:
        bits |= subgroups.spread_beyond(groups, size, sigma.within, spread) * np.int64(Rule.SPREAD)
    return bits, context
