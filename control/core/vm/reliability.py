"""How far a prediction may be relied on.

    RI  = 2 (1 - Phi(|Zy - Zr| / 2))   main against reference model, both standardised by the training labels
    GSI = z' R^-1 z / p                distance of the inputs from training
    ISI_j = z_j                        which input is far
    DQIx = |V' (z - B' u)|^2 / (1 + u' C^-1 u / m)    distance of the inputs from the plane of their relations in
                                       training, u the m parameters that a loop moves

F.-T. Cheng et al., IEEE Transactions on Semiconductor Manufacturing 21 (2008) 92-103 (RI, GSI, ISI);
Y.-T. Huang, F.-T. Cheng, the same 24 (2011) 209-216 (DQI); J. E. Jackson, G. S. Mudholkar, Technometrics 21 (1979)
341-349 (the distance from the plane of the principal components).
"""

from __future__ import annotations

import numpy as np
import scipy

from control.core.types import BoolArray, FloatArray, IntArray, Quality, Verdict
from control.core.vm.splits import forward

_COLLINEAR = 0.05  # added to the diagonal of R: inputs that repeat each other must not divide by nothing
_EXPLAINED = 0.90  # share of the variance that the plane of the principal components holds
_DRIFT = 4.0
TIMES = 2.5  # the largest value of training, from which an index says no


def reliance(z_main: FloatArray, z_reference: FloatArray) -> FloatArray:
    """RI: 1 where both models agree, 0.317 where they are two standard deviations apart."""
    return np.asarray(2.0 * (1.0 - scipy.special.ndtr(np.abs(z_main - z_reference) / 2.0)))


def reliance_threshold(largest_error: float, label_sigma: float) -> float:
    """RI of two models that differ by the largest error allowed."""
    return float(reliance(np.asarray(largest_error / label_sigma), np.asarray(0.0)))


def similarity_matrix(z: FloatArray) -> FloatArray:
    """R^-1 / p of the standardised training inputs (n, p), so that GSI = z' S z."""
    p = z.shape[1]
    return np.asarray(np.linalg.inv(z.T @ z / len(z) + _COLLINEAR * np.eye(p)) / p)


def similarity(z: FloatArray, matrix: FloatArray) -> FloatArray:
    """GSI (or DQIx, by its own matrix) of each row of ``z`` (k, p)."""
    return np.asarray(np.einsum("kp,kp->k", z @ matrix, z))


def similarity_threshold(z: FloatArray, matrix: FloatArray, times: float = TIMES) -> float:
    """``times`` the largest leave-one-out GSI of the training inputs (n, p)."""
    n, p = z.shape
    if not p:
        return 1.0
    distance = similarity(z, matrix) * p
    left_out = distance / np.maximum(1.0 - distance / n, 1.0 / n)
    return float(times * left_out.max() / p)


def consistency_matrix(z: FloatArray, moved: BoolArray) -> FloatArray:
    """D (p, p) with DQIx = z' D z of standardised training inputs (n, p).

    Parameters that a loop moves (``moved`` (p,)) are taken as given: B is the regression of the others on them, so
    that a move, which drags pressures along, is no fault of the instruments. V (p, r) are the directions in which the
    rest hardly varied: an instrument that lies leaves the plane there. What stood still throughout has no relation to
    anything, and no say.
    """
    moves = z.any(axis=0)
    others, given = z[:, moves & ~moved], z[:, moves & moved]
    toward = np.linalg.solve(given.T @ given / len(z) + _COLLINEAR * np.eye(given.shape[1]), given.T @ others / len(z))
    rest = others - given @ toward
    variance, directions = np.linalg.eigh(rest.T @ rest / len(z))
    off = np.cumsum(variance) <= (1 - _EXPLAINED) * variance.sum()  # eigh gives the smallest first
    across = np.zeros((z.shape[1], int(off.sum())))
    across[moves & ~moved] = directions[:, off]
    across[moves & moved] = -toward @ directions[:, off]
    return across @ across.T


def reach_matrix(z: FloatArray, moved: BoolArray) -> FloatArray:
    """L (p, p) with 1 + z' L z the divisor of DQIx: how far the moved parameters stand from where training had them.

    What a parameter drags along is known from the few places it stood at; beyond them the relation is a guess, and a
    loop's own move must not make liars of the instruments.
    """
    given = z.any(axis=0) & moved
    reach = np.zeros((z.shape[1], z.shape[1]))
    count = int(given.sum())
    if count:
        own = z[:, given].T @ z[:, given] / len(z) + _COLLINEAR * np.eye(count)
        reach[np.ix_(given, given)] = np.linalg.inv(own) / count
    return reach


def inconsistency(z: FloatArray, matrix: FloatArray, reach: FloatArray) -> FloatArray:
    """DQIx of each row of ``z`` (k, p)."""
    return similarity(z, matrix) / (1.0 + similarity(z, reach))


def consistency_threshold(
    z: FloatArray, matrix: FloatArray, reach: FloatArray, moved: BoolArray, times: float = TIMES
) -> float:
    """``times`` the largest DQIx of the training inputs (n, p), in time order; 1 where there is no relation to keep.

    Relations drift as a machine is retuned, and drift is no fault of an instrument: the 90 % quantile over rows that
    the plane was not drawn from counts where it is larger, but no more than ``_DRIFT`` times, or nothing would be bad.
    """
    largest = float(inconsistency(z, matrix, reach).max(initial=0.0))
    later = np.concatenate([_foretold(z[fit], z[score], moved) for fit, score in forward(len(z))])
    drifted = min(float(np.quantile(later, 0.9)), _DRIFT * largest)
    return times * max(largest, drifted) if largest > 0 else 1.0


def _foretold(before: FloatArray, after: FloatArray, moved: BoolArray) -> FloatArray:
    """DQIx of rows by the relations and the scales of those before them."""
    scale = before.std(axis=0)
    known = scale > 1e-6
    centre = before.mean(axis=0)
    before, after = ((z - centre)[:, known] / scale[known] for z in (before, after))
    return inconsistency(after, consistency_matrix(before, moved[known]), reach_matrix(before, moved[known]))


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
