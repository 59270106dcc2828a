"""Two values of a roll: what was said of it at once, and what is said since some of its metres were measured.

    phase I    m = mean of the predictions, as they were stated while the foil was made
    phase II   m + e,  e = mean of (measured - stated) over the measured metres
               +- 1.645 s / sqrt(n'),  n' = n (1 - r) / (1 + r)

Phase II is the difference estimator of survey sampling (W. G. Cochran, Sampling Techniques, 1977, section 7.9), s and r
the standard deviation and the lag-1 correlation of the errors. Both phases are kept, after F.-T. Cheng et al., IEEE
Transactions on Semiconductor Manufacturing 25 (2012) 1-9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from control.core.types import FloatArray

Z90 = 1.6449  # 90 % of a normal distribution lie this many sigma about its mean
FEWEST = 5  # errors whose spread says something
MOST_ALIKE = 0.95  # correlation; more would leave next to nothing of any number of values


@dataclass(frozen=True, slots=True)
class Phase:
    """Mean of a roll with its 90 % interval, from ``n`` values."""

    mean: float
    low: float
    high: float
    n: int


def second(first: Phase, error: FloatArray) -> Phase:
    """Phase II from ``error`` (n,): measured less stated, in the order of the web.

    Of fewer than five values nobody knows how they scatter: the interval of a single prediction stands in for it.
    """
    n = len(error)
    spread = float(np.std(error, ddof=1)) * Z90 if n >= FEWEST else (first.high - first.low) / 2
    half = spread / math.sqrt(max(n * _worth(error), 1.0))
    mean = first.mean + float(error.mean())
    return Phase(mean, mean - half, mean + half, n)


def _worth(error: FloatArray) -> float:
    """Share of the values that are news: neighbours on the web tell much the same."""
    if len(error) < FEWEST or not np.std(error) > 0:
        return 1.0
    off = error - error.mean()
    r = min(max(float(off[1:] @ off[:-1] / (off @ off)), 0.0), MOST_ALIKE)
    return (1.0 - r) / (1.0 + r)
