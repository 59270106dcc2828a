"""Whether a machine still stands where its recipe, and the changes made under it, left it.

    away, in one scan     |found - expected| > deadband + rounding
    off                   away in every scan of the settling time, always to the same side, while the web ran

Noise about the expected value is never on one side for long; a ramp, a stop and a start are over within the settling
time. A scan without a good value says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.types import BoolArray, FloatArray

ROUNDING = 1e-6  # of a value: machines keep single precision, 2^-23 of it
ALIKE = 0.1  # of a difference, by which it may change and still be the same one


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter in its unit: where it should be and where it is, two readings within ``deadband`` being the same."""

    expected: float
    found: float
    deadband: float

    @property
    def tolerance(self) -> float:
        return self.deadband + ROUNDING * max(abs(self.expected), 1.0)

    @property
    def away(self) -> bool:
        return abs(self.found - self.expected) > self.tolerance

    def same(self, expected: float, found: float) -> bool:
        """Whether one that was told before, with these values, is this one."""
        alike = self.tolerance + ALIKE * abs(self.found - self.expected)
        return abs(self.expected - expected) <= self.tolerance and abs(self.found - found) <= alike


def off(values: FloatArray, expected: FloatArray, tolerance: FloatArray, moving: BoolArray) -> BoolArray:
    """Which parameters (k,) are off, from the scans (n, k) of the settling time; NaN where nothing good was read.

    ``moving`` (n,): whether the web ran.
    """
    if len(values) < 2 or not moving.all():
        return np.zeros(len(expected), bool)
    with np.errstate(invalid="ignore"):
        above, below = values - expected > tolerance, expected - values > tolerance
    unknown = np.isnan(values)
    one_side = (above | unknown).all(axis=0) | (below | unknown).all(axis=0)
    return np.asarray(one_side & ((~unknown).sum(axis=0) >= 2))
