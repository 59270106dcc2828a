"""The chart of a stream whose values are taken some at a time: Xbar-R, Xbar-S or three-way.

A group is ``size`` good values that follow each other on one stream within a stage: neighbouring scans of one lane are
as alike as anything on a line, so what differs within a group is measuring and the moment, and what differs between
groups is the process.

D. C. Montgomery, Introduction to Statistical Quality Control (2005) section 4-3.4, on rational subgroups.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from control.core.spc import mean_range, three_way
from control.core.spc.rules import Recent, RuleSet
from control.core.spc.subgroups import Spread
from control.core.types import FloatArray, IntArray

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
    if chart.between is None:
        return mean_range.judge_means(groups, chart.mean, chart.within, chart.rules, recent, chart.spread)
    sigmas = three_way.Sigmas(chart.between, chart.within)
    return three_way.judge(groups, chart.mean, sigmas, chart.rules, recent, chart.spread)
