"""Phase I: from a stretch of history to (mean, sigma, n, method, window). Limits are this, never bare lines.

Phase II judges by what phase I found, and goes on with its runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal, get_args

import numpy as np

from control.core.spc.constants import c4, d2
from control.core.spc.diagnostics import autocorrelation
from control.core.types import BoolArray, FloatArray, IntArray

OfValues = Literal["moving_range", "median_moving_range", "standard_deviation"]
OfGroups = Literal["range", "standard_deviations", "pooled"]
Method = Literal[OfValues, OfGroups]
OfCounts = Literal["chance"]  # what counting alone explains, see counts.py
METHODS: tuple[Method, ...] = (*get_args(OfValues), *get_args(OfGroups))
FEWEST_VALUES = 20
WILD = 5.0  # robust sigma from the median: a wild reading, not the process
MEDIAN_OF_MOVING_RANGE = 0.9538725524170089  # median of |x1 - x2|, x standard normal: sqrt(2) * Phi^-1(3/4)
ROBUST = 1.4826  # median of |x| of normal values is sigma / ROBUST


@dataclass(frozen=True, slots=True)
class Limits:
    """In-control mean and sigma of one stream, from ``n`` values by ``method`` between two instants (epoch seconds).

    ``lag_1`` is the autocorrelation of the values used: above about 0.3 a sigma from moving ranges is too small.
    """

    mean: float
    sigma: float
    n: int
    method: Method | OfCounts
    from_s: float
    to_s: float
    excluded: int
    lag_1: float


def phase_one(
    values: FloatArray,
    at_s: FloatArray,
    *,
    method: Method = "moving_range",
    excluded: BoolArray | None = None,
    stage: IntArray | None = None,
    group: int = 5,
) -> Limits:
    """Limits from ``values`` (n,) in time order; ``excluded`` marks points left out for a stated reason.

    A moving range is taken only between neighbours in the record, never across an excluded or missing value nor from
    one ``stage`` (n,) to the next. The methods of groups take ``group`` neighbours together, all of one stage.
    """
    kept = np.isfinite(values) if excluded is None else np.isfinite(values) & ~excluded
    used = values[kept]
    if len(used) < FEWEST_VALUES:
        raise ValueError(f"limits need at least {FEWEST_VALUES} values, there are {len(used)}")
    line = staged(np.where(kept, values, np.nan), stage)
    sigma = sigma_of(line, method, group)
    if not sigma > 0:
        raise ValueError("the values do not vary: no limits can be drawn from them")
    inside = at_s[kept]
    return Limits(
        mean=float(used.mean()),
        sigma=sigma,
        n=len(used),
        method=method,
        from_s=float(inside[0]),
        to_s=float(inside[-1]),
        excluded=len(values) - len(used),
        lag_1=autocorrelation(line, 1).lag_1,
    )


def staged(values: FloatArray, stage: IntArray | None) -> FloatArray:
    """The values with a missing one put in wherever a stage ends, so that nothing is formed across the boundary."""
    if stage is None:
        return values
    ends = np.flatnonzero(np.diff(stage)) + 1
    return np.insert(values, ends, np.nan)


def sigma_of(values: FloatArray, method: Method, group: int = 5) -> float:
    """Standard deviation of the process from values in time order; NaN where one is missing or a stage ends."""
    used = values[np.isfinite(values)]
    if method == "standard_deviation":
        return float(used.std(ddof=1)) / c4(len(used))
    if method in get_args(OfGroups):
        return sigma_within(grouped(values, group), method)
    ranges = np.abs(np.diff(values))
    ranges = ranges[np.isfinite(ranges)]
    if not len(ranges):
        raise ValueError("no two values follow each other: moving ranges cannot be formed")
    if method == "median_moving_range":
        return float(np.median(ranges)) / MEDIAN_OF_MOVING_RANGE
    return float(ranges.mean()) / d2(2)


def grouped(values: FloatArray, group: int) -> FloatArray:
    """(k, group): neighbours in the record taken together; what does not fill a group before a gap is left out."""
    known = np.isfinite(values)
    place = np.arange(len(values))
    gap = np.maximum.accumulate(np.where(known, -1, place))
    since = place - gap - 1  # how many known values come right before
    ends = np.flatnonzero(known & (since % group == group - 1))
    found: FloatArray = values[ends[:, None] + np.arange(1 - group, 1)]
    return found


def sigma_within(groups: FloatArray, method: Method) -> float:
    """Standard deviation within groups (k, n), NaN where a group is smaller.

    range: mean of R_i / d2(n_i); standard_deviations: mean of s_i / c4(n_i);
    pooled: sqrt(sum (n_i - 1) s_i^2 / sum (n_i - 1)) / c4(1 + sum (n_i - 1))
    """
    size = np.isfinite(groups).sum(axis=1)
    groups, size = groups[size > 1], size[size > 1]
    if not len(groups):
        raise ValueError("no two values are in one group: nothing can be said of the spread within")
    if method == "range":
        spread = np.nanmax(groups, axis=1) - np.nanmin(groups, axis=1)
        return float(np.mean(spread / np.array([d2(int(n)) for n in size])))
    deviation = np.nanstd(groups, axis=1, ddof=1)
    if method == "standard_deviations":
        return float(np.mean(deviation / np.array([c4(int(n)) for n in size])))
    freedom = size - 1
    return sqrt(float(freedom @ deviation**2) / int(freedom.sum())) / c4(1 + int(freedom.sum()))


def wild(values: FloatArray) -> BoolArray:
    """Values so far from the median that no process makes them: a wild reading."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), bool)
    middle = np.median(known)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values - middle) > WILD * ROBUST * np.median(np.abs(known - middle)))
