"""Hotelling's T2: several characteristics, or the lanes of one, taken together.

    T2 = (x - mean)' S^-1 (x - mean)
    phase II, single observations: UCL = p (m+1)(m-1) / (m^2 - m p) F(alpha; p, m - p)
    phase I, the m observations themselves: UCL = (m-1)^2 / m Beta(alpha; p/2, (m - p - 1)/2)

Sees a pattern that breaks the way the lanes usually move together while each lane is inside its own limits. Keeps no
state. Beside it: :mod:`mewma` for small, lasting shifts.

NIST/SEMATECH e-Handbook section 6.5.4.3; N. D. Tracy, J. C. Young, R. L. Mason, J. Quality Technology 24 (1992) 88-95.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from control.core.types import BoolArray, FloatArray

ALPHA = 0.0027  # as often as a point beyond three sigma


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What is usual: ``mean`` (p,), ``covariance`` (p, p) and how many observations ``m`` they come from.

    ``whitening`` (p, p) turns deviations into independent ones of unit variance: W S W' = 1.
    """

    mean: FloatArray
    covariance: FloatArray
    m: int
    whitening: FloatArray

    @classmethod
    def of(cls, mean: FloatArray, covariance: FloatArray, m: int) -> Reference:
        if m <= len(mean):
            raise ValueError(f"{m} observations cannot tell how {len(mean)} values move together")
        try:
            whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        except np.linalg.LinAlgError:
            raise ValueError("two of the values always move together: leave one out") from None
        return cls(mean, covariance, m, whitening)

    @classmethod
    def found(cls, values: FloatArray) -> Reference:
        """Phase I from ``values`` (m, p); observations with a missing value are left out."""
        used = values[np.isfinite(values).all(axis=1)]
        return cls.of(used.mean(axis=0), np.cov(used, rowvar=False, ddof=1).reshape(2 * values.shape[1:]), len(used))

    def whitened(self, values: FloatArray) -> FloatArray:
        """Standardised, independent deviations (k, p) of ``values`` (k, p).

        Not by matrix product: that rounds otherwise for one observation than for many.
        """
        return np.asarray(np.einsum("kp,qp->kq", values - self.mean, self.whitening))


@dataclass(frozen=True, slots=True, eq=False)
class Hotelling:
    """T2 of each observation (k,) and whether it is beyond its limit."""

    value: FloatArray
    beyond: BoolArray


def upper_line(p: int, m: int, alpha: float = ALPHA) -> float:
    """Phase II, of new observations."""
    return p * (m + 1) * (m - 1) / (m * m - m * p) * float(scipy.special.fdtri(p, m - p, 1.0 - alpha))


def upper_line_phase_one(p: int, m: int, alpha: float = ALPHA) -> float:
    """Of the observations the reference itself was found from."""
    return (m - 1) ** 2 / m * float(scipy.special.betaincinv(p / 2.0, (m - p - 1) / 2.0, 1.0 - alpha))


def judge(values: FloatArray, reference: Reference, alpha: float = ALPHA) -> Hotelling:
    """T2 of each of ``values`` (k, p)."""
    value = np.square(reference.whitened(values)).sum(axis=1)
    return Hotelling(value, value > upper_line(len(reference.mean), reference.m, alpha))


def contributions(values: FloatArray, reference: Reference) -> FloatArray:
    """How much of T2 is gone when a value is left out (k, p): the largest names the lane to look at.

    G. C. Runger, F. B. Alt, D. C. Montgomery, Communications in Statistics 25 (1996) 2203-2213.
    """
    inverse = reference.whitening.T @ reference.whitening
    return np.asarray(((values - reference.mean) @ inverse) ** 2 / np.diag(inverse))
