"""Double EWMA: the level of the disturbance and how far it runs on, for what wears or clogs.

    D = l1 (y - G u) + (1 - l1) D_prev
    K = l2 (y - G u - D_prev) + (1 - l2) K_prev,   u_next solves G u = T - D - K

Acting on every value it is stable iff 0 < xi < 4 / (2 (l1 + l2) - l1 l2), xi = true gain / assumed gain, and leaves no
offset under a ramp. K moves only with values that D takes with its own weight: a jump is no drift.

S. W. Butler, J. A. Stefani, IEEE Transactions on Semiconductor Manufacturing 7 (1994) 193-201; stability: E. del
Castillo, IIE Transactions 31 (1999) 745-756.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.r2r.disturbance import Belief, Seen, carried, first, slower, stepped
from control.core.r2r.ewma import weights
from control.core.types import FloatArray


@dataclass(frozen=True, slots=True)
class DoubleEwma:
    """``weight`` l1 of the level and ``drift_weight`` l2 of the drift, both in (0, 1], per value."""

    weight: float
    drift_weight: float

    def __post_init__(self) -> None:
        for name, weight in (("ewma_weight", self.weight), ("drift_weight", self.drift_weight)):
            if not 0 < weight <= 1:
                raise ValueError(f"{name} must be in (0, 1], not {weight:g}")

    @property
    def largest_gain_ratio(self) -> float:
        return 4.0 / (2.0 * (self.weight + self.drift_weight) - self.weight * self.drift_weight)

    def every(self, metres: float) -> DoubleEwma:
        """Its weight is that of a value, however far they lie apart."""
        return self

    def after(self, belief: Belief, seen: Seen) -> Belief:
        if not len(seen.value):
            return belief
        known = seen.known
        new = first(belief.level, known)
        weight, uncertainty = weights(belief, known, new, self.weight)
        levels = _levels(belief.level, seen.value, weight)
        steady = (weight == self.weight) & ~new
        return Belief(
            level=levels[-1],
            slow=slower(belief.slow, seen.value, weight, new),
            drift=carried(belief.drift, seen.value - levels[:-1], self.drift_weight * steady),
            uncertainty=uncertainty,
        )


def _levels(start: FloatArray, value: FloatArray, weight: FloatArray) -> FloatArray:
    """The level before the first value and after each (n + 1, cvs)."""
    levels = np.empty((len(value) + 1, len(start)))
    levels[0] = start
    for k, (a, w) in enumerate(zip(value, weight, strict=True)):
        levels[k + 1] = stepped(levels[k], a, w)
    return levels
