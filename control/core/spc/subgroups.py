"""What the charts of groups have in common: size, mean and spread of each group, and the lines of the spread.

Groups are (k, n), NaN where a group is smaller. A group without values has no mean; of a single value there is no
spread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from control.core.spc import constants
from control.core.spc.lines import Lines
from control.core.types import BoolArray, FloatArray, IntArray

Spread = Literal["range", "deviation"]


def sizes(groups: FloatArray) -> IntArray:
    return np.asarray(np.isfinite(groups).sum(axis=1), np.int64)


def means(groups: FloatArray, size: IntArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(np.isfinite(groups), groups, 0.0).sum(axis=1) / size)


def spreads(groups: FloatArray, size: IntArray, spread: Spread) -> FloatArray:
    """Range or standard deviation of each group; NaN of fewer than two values."""
    known = np.isfinite(groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        if spread == "range":
            of_all = np.where(known, groups, -np.inf).max(axis=1) - np.where(known, groups, np.inf).min(axis=1)
        else:
            off = np.where(known, groups - means(groups, size)[:, None], 0.0)
            of_all = np.sqrt((off**2).sum(axis=1) / (size - 1))
        return np.where(size > 1, of_all, np.nan)


def spread_lines(sigma: float, size: IntArray, spread: Spread) -> Lines:
    """Range: D1 sigma, d2 sigma, D2 sigma. Standard deviation: B5 sigma, c4 sigma, B6 sigma. NaN below two values."""
    if spread == "range":
        lower, centre, upper = constants.d_1, constants.d2, constants.d_2
    else:
        lower, centre, upper = constants.b5, constants.c4, constants.b6
    return Lines(*(sigma * _of_sizes(constant, size) for constant in (lower, centre, upper)))


def spread_beyond(groups: FloatArray, size: IntArray, sigma: float, spread: Spread) -> BoolArray:
    """Where the spread within a group lies beyond its lines."""
    found, drawn = spreads(groups, size, spread), spread_lines(sigma, size, spread)
    with np.errstate(invalid="ignore"):
        return np.asarray((found > drawn.upper) | (found < drawn.lower))


def _of_sizes(constant: Callable[[int], float], size: IntArray) -> FloatArray:
    """The constant for each size, computed once a size."""
    if not len(size):
        return np.empty(0)
    table = np.full(int(size.max()) + 1, np.nan)
    for n in np.unique(size).tolist():
        if n > 1:
            table[n] = constant(n)
    return table[size]
