"""How far a prediction may be relied on.

    RI  = 2 (1 - Phi(|Zy - Zr| / 2))   main against reference model, both standardised by the training labels
    GSI = z' R^-1 z / p                distance of the inputs from training
    ISI_j = z_j                        which input is far

F.-T. Cheng et al., IEEE Transactions on Semiconductor Manufacturing 21 (2008) 83-103.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from control.core.types import BoolArray, FloatArray, IntArray, Quality, Verdict

_COLLINEAR = 0.05  # added to the diagonal of R: inputs that repeat each other must not divide by nothing


def reliance(z_main: FloatArray, z_reference: FloatArray) -> FloatArray:
    """RI: 1 where both models agree, 0.317 where they are two standard deviations apart."""
    return np.asarray(2.0 * (1.0 - ndtr(np.abs(z_main - z_reference) / 2.0)))


def reliance_threshold(largest_error: float, label_sigma: float) -> float:
    """RI of two models that differ by the largest error allowed."""
    return float(reliance(np.asarray(largest_error / label_sigma), np.asarray(0.0)))


def similarity_matrix(z: FloatArray) -> FloatArray:
    """R^-1 / p of the standardised training inputs (n, p), so that GSI = z' S z."""
    p = z.shape[1]
    return np.asarray(np.linalg.inv(z.T @ z / len(z) + _COLLINEAR * np.eye(p)) / p)


def similarity(z: FloatArray, matrix: FloatArray) -> FloatArray:
    """GSI of each row of ``z`` (k, p)."""
    return np.asarray(np.einsum("kp,kp->k", z @ matrix, z))


def similarity_threshold(z: FloatArray, matrix: FloatArray, times: float = 2.5) -> float:
    """``times`` the largest leave-one-out GSI of the training inputs (n, p)."""
    n, p = z.shape
    distance = similarity(z, matrix) * p
    left_out = distance / np.maximum(1.0 - distance / n, 1.0 / n)
    return float(times * left_out.max() / p)


def culprit(z: FloatArray) -> IntArray:
    """The input with the largest ISI in each row."""
    return np.asarray(np.argmax(np.abs(z), axis=1), np.int64)


def verdict(low: FloatArray, high: FloatArray, lower: FloatArray, upper: FloatArray, reliable: BoolArray) -> IntArray:
    """In, out, or measure: the interval straddles a limit or the model does not trust itself.

    ``low`` and ``high`` (n, streams) bound the 90 % interval, ``lower`` and ``upper`` (streams,) the specification
    (NaN: no limit).
    """
    no_lower, no_upper = np.isnan(lower), np.isnan(upper)
    inside = (no_lower | (low >= lower)) & (no_upper | (high <= upper))
    outside = (high < lower) | (low > upper)
    told = np.where(inside, int(Verdict.IN), np.where(outside, int(Verdict.OUT), int(Verdict.MEASURE)))
    return np.where(reliable, told, int(Verdict.MEASURE)).astype(np.int64)


def reliable(ri: FloatArray, ri_threshold: FloatArray, gsi: FloatArray, quality: IntArray) -> BoolArray:
    """Both models agree, the inputs resemble training (``gsi`` over its threshold), and none is in doubt."""
    return np.asarray((ri >= ri_threshold) & (gsi <= 1.0) & (quality == int(Quality.GOOD)))
