"""Exponentially weighted moving average: the chart of small, lasting shifts.

    e_t = w z_t + (1 - w) e_(t-1),   |e_t| <= L sqrt(w / (2 - w) (1 - (1 - w)^(2 t)))

on standardised values z, e_0 = 0. With w = 0.2 and L = 2.962 a false alarm comes every 500 points or so, and a shift
of one sigma is seen after 11. Beside it: :mod:`individuals`, quicker on large shifts.

J. M. Lucas, M. S. Saccucci, Technometrics 32 (1990) 1-12.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import scipy

from control.core.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Design:
    """``weight`` of the newest value, ``width`` L of the limits in standard deviations of the average."""

    weight: float = 0.2
    width: float = 2.962

    def __post_init__(self) -> None:
        if not (0 < self.weight <= 1 and self.width > 0):
            raise ValueError("an EWMA needs a weight above 0 and up to 1, and a width above 0")


@dataclass(frozen=True, slots=True, eq=False)
class Ewma:
    """Standardised EWMA after each point (..., k), its limit there, and whether it is beyond."""

    value: FloatArray
    limit: FloatArray
    beyond: BoolArray


def lines(mean: float, sigma: float, design: Design) -> tuple[float, float]:
    """Where the limits settle, in the unit of the values."""
    reach = design.width * sqrt(design.weight / (2.0 - design.weight)) * sigma
    return mean - reach, mean + reach


def judge(
    z: FloatArray,
    weight: float,
    width: float,
    start: float | FloatArray = 0.0,
    count: int | IntArray = 0,
) -> Ewma:
    """Continue the EWMA that stood at ``start`` after ``count`` points over ``z`` (..., k)."""
    began = ((1.0 - weight) * np.asarray(start))[..., None]
    value = np.asarray(scipy.signal.lfilter([weight], [1.0, weight - 1.0], z, axis=-1, zi=began)[0], np.float64)
    t = np.asarray(count)[..., None] + np.arange(1, z.shape[-1] + 1)
    limit = width * np.sqrt(weight / (2.0 - weight) * (1.0 - (1.0 - weight) ** (2.0 * t)))
    return Ewma(value, limit, np.abs(value) > limit)
