"""The chart of a stream whose values are taken some at a time: Xbar-R, Xbar-S or three-way.

A group is ``size`` good values that follow each other on one stream within a stage: neighbouring scans of one lane are
as alike as anything on a line, so what differs within a group is measuring and the moment, and what differs between
groups is the process. The verdicts are those of :mod:`mean_range`, :mod:`mean_deviation` and :mod:`three_way`, here of
full groups and of many streams in one go.

D. C. Montgomery, Introduction to Statistical Quality Control (2005) section 4-3.4, on rational subgroups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np

from control.core.spc.individuals import jumps
from control.core.spc.rules import Recent, RuleSet, broken
from control.core.spc.subgroups import Spread, spread_lines
from control.core.types import FloatArray, IntArray, Rule

SMALLEST, LARGEST = 2, 25
LARGEST_OF_RANGE = 10  # values above which a range wastes what a standard deviation knows


@dataclass(frozen=True, slots=True)
class Chart:
    """``within`` is sigma inside a group; ``between`` that of the means, None where the one within explains them."""

    size: int
    mean: float
    within: float
    rules: RuleSet
    spread: Spread = "range"
    between: float | None = None

    def __post_init__(self) -> None:
        if not SMALLEST <= self.size <= LARGEST:
            raise ValueError(f"a group has {SMALLEST} to {LARGEST} values")

    @property
    def sigma(self) -> float:
        """Of the mean of a group."""
        return self.within / sqrt(self.size) if self.between is None else self.between


def cut(values: FloatArray, size: int) -> FloatArray:
    """(k, size): whole groups of ``values`` (n,); what does not fill one is left over at the end."""
    whole = len(values) // size
    return values[: whole * size].reshape(whole, size)


def judge(groups: FloatArray, chart: Chart, recent: Recent = ()) -> tuple[IntArray, Recent]:
    """Bits each of ``groups`` (k, size) breaks, and the context (standardised means) of the next call."""
    bits, after = judge_alike(groups[None], [chart], [recent])
    return bits[0], after[0]


def judge_alike(groups: FloatArray, charts: Sequence[Chart], recent: Sequence[Recent]) -> tuple[IntArray, list[Recent]]:
    """The same of several streams (s, k, size) at once, whose ``charts`` (s) differ in mean and sigma at most."""
    rules, context = charts[0].rules, charts[0].rules.context
    centre, sigma, within = np.array([(one.mean, one.sigma, one.within) for one in charts]).T[:, :, None]
    mean = groups.sum(axis=2) / charts[0].size
    before = np.array([([None] * context + list(one))[-context:] for one in recent], np.float64)
    line = np.concatenate([before, (mean - centre) / sigma], axis=1)
    bits = broken(line, rules)[:, context:].astype(np.int64)
    if Rule.MOVING_RANGE in rules.rules:
        bits |= jumps(line)[:, context:] * np.int64(Rule.MOVING_RANGE)
    if Rule.SPREAD in rules.rules:
        found, (lower, upper) = (
            _spread(groups, mean, charts[0].spread) / within,
            _reach(charts[0].size, charts[0].spread),
        )
        bits |= ((found > upper) | (found < lower)) * np.int64(Rule.SPREAD)
    known, last = [min(len(one) + groups.shape[1], context) for one in recent], line[:, -context:].tolist()
    return bits, [tuple(one[context - n :]) for one, n in zip(last, known, strict=True)]


def spread_within(groups: FloatArray, spread: Spread) -> FloatArray:
    """Range or standard deviation of each of ``groups`` (k, size)."""
    return np.asarray(_spread(groups[None], groups.mean(axis=1)[None], spread)[0])


def _spread(groups: FloatArray, mean: FloatArray, spread: Spread) -> FloatArray:
    """The same of several streams (s, k, size) with their means (s, k)."""
    if spread == "range":
        return np.asarray(groups.max(axis=2) - groups.min(axis=2))
    return np.asarray(np.sqrt(np.square(groups - mean[:, :, None]).sum(axis=2) / (groups.shape[2] - 1)))


@cache
def _reach(size: int, spread: Spread) -> tuple[float, float]:
    """Between which lines the spread of ``size`` values lies, in sigma."""
    drawn = spread_lines(1.0, np.array([size]), spread)
    return float(drawn.lower[0]), float(drawn.upper[0])
