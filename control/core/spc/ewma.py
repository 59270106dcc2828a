"""Exponentially weighted moving average: the chart of small, lasting shifts.

    e_t = w z_t + (1 - w) e_(t-1),   |e_t| <= L sqrt(w / (2 - w) (1 - (1 - w)^(2 t)))

on standardised values z, e_0 = 0. With w = 0.2 and L = 2.962 a false alarm comes every 500 points or so, and a shift
of one sigma is seen after 11. Beside it: :mod:`individuals`, quicker on large shifts.

J. M. Lucas, M. S. Saccucci, Technometrics 32 (1990) 1-12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from control.core.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Ewma:
    """Standardised EWMA after each point (k,), its limit there, and whether it is beyond."""

    value: FloatArray
    limit: FloatArray
    beyond: BoolArray


def judge(z: FloatArray, weight: float, width: float, start: float = 0.0, count: int = 0) -> Ewma:
    """Continue the EWMA that stood at ``start`` after ``count`` points over ``z`` (k,)."""
    value = np.asarray(lfilter([weight], [1.0, weight - 1.0], z, zi=[(1.0 - weight) * start])[0], np.float64)
    t = np.arange(count + 1, count + 1 + len(z))
    limit = width * np.sqrt(weight / (2.0 - weight) * (1.0 - (1.0 - weight) ** (2.0 * t)))
    return Ewma(value, limit, np.abs(value) > limit)
