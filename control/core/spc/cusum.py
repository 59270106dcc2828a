"""Tabular CUSUM: how far the values have run off to either side, beyond what is allowed for.

    C+_t = max(0, C+_(t-1) + z_t - k)        C-_t = max(0, C-_(t-1) - z_t - k)        signal: C > h

on standardised values z. k is half the shift to be found, in sigma. With a head start (FIR, usually h/2) both sums
begin there, so that a process that is off from the start is found sooner; one that is not lets them fall to zero.
With k = 0.5 and h = 5 a false alarm comes every 465 points, and a shift of one sigma is seen after 10. Beside it:
:mod:`ewma`, as quick and easier to read; CUSUM also tells since when.

E. S. Page, Biometrika 41 (1954) 100-115; J. M. Lucas, R. B. Crosier, Technometrics 24 (1982) 199-205.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.types import BoolArray, FloatArray, IntArray

# Sums are kept in whole steps of 2^-30 sigma: whole numbers add up to the same in whatever order they are added, so
# that a running minimum gives the recursion exactly, for a point and for a million.
STEP = 2.0**-30
FARTHEST = 1000.0  # sigma; a value beyond counts as this far


@dataclass(frozen=True, slots=True)
class Design:
    """``k`` allowance, ``h`` decision interval, ``head_start`` where both sums begin; all in sigma."""

    k: float = 0.5
    h: float = 5.0
    head_start: float = 0.0

    def __post_init__(self) -> None:
        if not (self.k >= 0 and self.h > 0 and 0 <= self.head_start < self.h):
            raise ValueError("a CUSUM needs k of at least 0, h above 0 and a head start from 0 to below h")


@dataclass(frozen=True, slots=True, eq=False)
class Cusum:
    """Both sums after each point (..., k), in sigma, and whether one is beyond h."""

    high: FloatArray
    low: FloatArray
    beyond: BoolArray

    @property
    def last(self) -> tuple[FloatArray, FloatArray]:
        """Where both stand after the last point: the start of the next call."""
        return self.high[..., -1], self.low[..., -1]


def lines(sigma: float, design: Design) -> tuple[float, float]:
    """Decision lines of -C- and C+, in the unit of the values."""
    return -design.h * sigma, design.h * sigma


def judge(z: FloatArray, design: Design, start: tuple[float | FloatArray, float | FloatArray] | None = None) -> Cusum:
    """Continue the sums that stood at ``start`` (C+, C-) over ``z`` (..., k); None begins them at the head start."""
    high, low = start or (design.head_start, design.head_start)
    off = np.clip(z, -FARTHEST, FARTHEST)
    both = _sums(off - design.k, high), _sums(-off - design.k, low)
    return Cusum(*both, (both[0] > design.h) | (both[1] > design.h))


def _sums(steps: FloatArray, start: float | FloatArray) -> FloatArray:
    """max(0, sum so far + step) at each point: the walk less the lowest it has been below zero."""
    walk = _whole(start)[..., None] + np.cumsum(_whole(steps), axis=-1)
    lowest = np.minimum(np.minimum.accumulate(walk, axis=-1), 0)
    return np.asarray((walk - lowest) * STEP)


def _whole(values: float | FloatArray) -> IntArray:
    return np.rint(np.asarray(values) / STEP).astype(np.int64)
