"""EWMA disturbance estimator, each value paired with the setting that made it.

    D = w (y - G u) + (1 - w) D_prev,   u_next solves G u = T - D

With xi = true gain / assumed gain it is stable for every delay if 0 < w xi < 2, because u is the one that made y;
paired with the newest u instead, only if w xi < 2 sin(pi / (2 (2 d + 1))) at a delay of d samples. A ramp of delta a
sample leaves an offset of delta / (w xi).

Where P was raised the next values count as much as they would in a mean: P / (1 + P) of it first, then less and less,
until w is more.

E. Sachs, A. Hu, A. Ingolfsson, IEEE Transactions on Semiconductor Manufacturing 8 (1995) 26-43.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.r2r.disturbance import Belief, Seen, carried, first, slower
from control.core.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Ewma:
    """``weight`` w in (0, 1], per value."""

    weight: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError(f"ewma_weight must be in (0, 1], not {self.weight:g}")

    @property
    def largest_gain_ratio(self) -> float:
        return 2.0 / self.weight

    def every(self, metres: float) -> Ewma:
        """Its weight is that of a value, however far they lie apart."""
        return self

    def after(self, belief: Belief, seen: Seen) -> Belief:
        if not len(seen.value):
            return belief
        known = seen.known
        new = first(belief.level, known)
        weight, uncertainty = weights(belief, known, new, self.weight)
        return Belief(
            level=carried(belief.level, seen.value, weight),
            slow=slower(belief.slow, seen.value, weight, new),
            drift=np.zeros_like(belief.drift),
            uncertainty=uncertainty,
        )


def weights(belief: Belief, known: BoolArray, new: BoolArray, weight: float) -> tuple[FloatArray, FloatArray]:
    """What each value counts (n, cvs), 0 where none is ``known``, and what is left of P (cvs,) once they were taken.

    The k-th value known since P was raised counts 1 / (1 / P + k) if that is more than ``weight``, a ``new`` one 1.
    """
    if not belief.uncertainty.any():
        return np.where(new, 1.0, weight * known), belief.uncertainty
    count = known.cumsum(axis=0)
    with np.errstate(divide="ignore"):
        information = 1.0 / belief.uncertainty
    found = np.where(known, np.maximum(weight, 1.0 / (information + np.maximum(count, 1))), 0.0)
    found[new] = 1.0
    left = 1.0 / (information + count[-1])
    return found, np.where(left > weight * (1.0 + left), left, 0.0)
