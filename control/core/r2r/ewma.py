"""EWMA disturbance estimator, each value paired with the setting that made it.

    a = w (y - G u) + (1 - w) a_prev,   u_next solves G u = T - a

With xi = true gain / assumed gain it is stable for every delay if 0 < w xi < 2, because u is the one that made y;
paired with the newest u instead, only if w xi < 2 sin(pi / (2 (2 d + 1))) at a delay of d samples. A ramp of delta a
sample leaves an offset of delta / (w xi).

E. Sachs, A. Hu, A. Ingolfsson, IEEE Transactions on Semiconductor Manufacturing 8 (1995) 26-43.
"""

from __future__ import annotations

import numpy as np

from control.core.types import FloatArray


def estimate(start: FloatArray, y: FloatArray, u: FloatArray, gains: FloatArray, weight: float) -> FloatArray:
    """The disturbance (cvs,) after ``y`` (n, cvs) made by ``u`` (n, mvs), from ``start`` (cvs,).

    NaN in ``start`` means not yet known: the first value then counts in full. NaN in ``y`` or ``u`` skips that value.
    """
    seen = y - u @ gains.T
    return np.array([_follow(a, column[np.isfinite(column)], weight) for a, column in zip(start, seen.T, strict=True)])


def _follow(a: float, seen: FloatArray, weight: float) -> float:
    """The recursion in closed form: every value counts w (1 - w)^age, what was held (1 - w)^n."""
    if not len(seen):
        return a
    if np.isnan(a):
        a, seen = float(seen[0]), seen[1:]
    fade = (1.0 - weight) ** np.arange(len(seen) - 1, -1, -1)
    return float(a * (1.0 - weight) ** len(seen) + weight * (fade @ seen))
