"""Kalman filter of a disturbance that wanders with the web, for values that come irregularly, late or not at all.

    P += q n,   K = P / (P + R_vm),   D += K (y - G u - D),   P = K R_vm,   n metres of new web since the value before

in units of R, the variance of a value that is wholly relied on: only r = q / R is to be chosen. A value of virtual
metrology with reliance RI counts as one of variance R / RI^2; one that may not be relied on is not shown to the filter.
With a value every metre K settles at l = (-r + sqrt(r^2 + 4 r)) / 2, which is an EWMA of that weight. After a hole in
the record the first value counts for as much as the web that passed makes it worth.

A. C. Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, Cambridge 1989, section 4.1; the
variance of a predicted value: US patent 8,688,256, claim 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from control.core.r2r.disturbance import Belief, Seen, carried, first, slower
from control.core.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Kalman:
    """``wander_per_m``: q / R, by how much the variance of the disturbance grows a metre, over that of one value."""

    wander_per_m: float

    def __post_init__(self) -> None:
        if not 0 < self.wander_per_m < float("inf"):
            raise ValueError(f"wander_per_m must be positive, not {self.wander_per_m:g}")

    @property
    def weight(self) -> float:
        return steady(self.wander_per_m)

    @property
    def largest_gain_ratio(self) -> float:
        return 2.0 / self.weight

    def every(self, metres: float) -> Kalman:
        """What wanders between two values is that of all the metres between them."""
        return Kalman(self.wander_per_m * metres)

    def after(self, belief: Belief, seen: Seen) -> Belief:
        if not len(seen.value):
            return belief
        known = seen.known
        new = first(belief.level, known)
        weight, uncertainty = self._weights(belief.uncertainty, seen, known, new)
        return Belief(
            level=carried(belief.level, seen.value, weight),
            slow=slower(belief.slow, seen.value, weight, new),
            drift=np.zeros_like(belief.drift),
            uncertainty=uncertainty,
        )

    def _weights(self, p: FloatArray, seen: Seen, known: BoolArray, new: BoolArray) -> tuple[FloatArray, FloatArray]:
        """K of each value (n, cvs), 0 where there is none, and P (cvs,) after the last, from ``p`` before the first."""
        gain = np.zeros_like(seen.value)
        noise = np.where(known, seen.noise, 1.0)
        for k, grown in enumerate((self.wander_per_m * seen.metres).tolist()):
            p = p + grown
            gain[k] = np.where(new[k], 1.0, np.where(known[k], p / (p + noise[k]), 0.0))
            p = np.where(known[k], gain[k] * noise[k], p)
        return gain, p


def steady(ratio: float) -> float:
    """The weight that K settles at, for ``ratio`` q / R a value."""
    return (sqrt(ratio * ratio + 4.0 * ratio) - ratio) / 2.0
