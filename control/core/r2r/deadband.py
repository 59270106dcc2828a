"""A deadband chosen as what it costs: how many approvals a shift it asks of people.

A loop that acts once |predicted deviation| > L lets the prediction walk on in between: over one decision interval it
moves by N(0, s^2), s = lambda sigma_a of an IMA(0, 1, 1) disturbance followed by its EWMA. With r = L / s the mean
number of intervals from one adjustment to the next is T(0) of

    T(x) = 1 + integral from -r to r of T(y) phi(y - x) dy

solved on Gauss-Legendre nodes. For wide bands it is (r + 0.583)^2 + 1/4.

G. E. P. Box, A. Luceño, Statistical Control by Monitoring and Feedback Adjustment (1997), ch. 7;
A. Luceño, Technometrics 39 (1997) 403-410. The overshoot 0.583: D. Siegmund, Sequential Analysis (1985), X.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy

from control.core.types import FloatArray

OVERSHOOT = 0.5826
WIDEST = 8.0  # r from which the asymptote is as good as the sum
FEWEST = 30  # changes of a deviation that noise is told from


@lru_cache(maxsize=512)
def mean_interval(ratio: float) -> float:
    """Decision intervals from one adjustment to the next, for a deadband of ``ratio`` = L / s."""
    if ratio >= WIDEST:
        return (ratio + OVERSHOOT) * (ratio + OVERSHOOT) + 0.25  # a power would not overflow to infinity
    node, weight = np.polynomial.legendre.leggauss(int(24 + 8 * ratio))
    x, w = ratio * node, ratio * weight
    within = _density(x[:, None] - x) * w
    t = np.linalg.solve(np.eye(len(x)) - within, np.ones(len(x)))
    return float(1.0 + (_density(x) * w) @ t)


def _density(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))


def ratio_for(interval: float) -> float:
    """The L / s that adjusts every ``interval`` decisions, which is more than 1."""
    if not interval > 1:
        raise ValueError("a loop cannot adjust more often than it decides")
    found = scipy.optimize.brentq(
        lambda ratio: mean_interval(ratio) - interval, 1e-9, np.sqrt(interval) + 1.0, xtol=1e-9
    )
    return float(found)


def approvals(deadband: float, noise: float, decisions: float) -> float:
    """Adjustments in ``decisions`` decision intervals (those of a shift); ``deadband`` and ``noise`` s in CV units."""
    return decisions / mean_interval(deadband / noise)


def deadband(approvals: float, noise: float, decisions: float) -> float:
    """The deadband (CV unit) that asks for so many ``approvals`` in so many decision intervals."""
    return noise * ratio_for(decisions / approvals)


def noise(deviations: FloatArray) -> float:
    """s (CV unit) of the stream that moves most, from deviations (n, cvs) one decision interval apart.

    NaN parts what may not be compared: a stop, a roll change, a move of the loop's own. A loop of several streams acts
    on the worst of them: where they walk apart rather than together it adjusts somewhat more often than is foretold.
    """
    changes = np.diff(deviations, axis=0)
    counts = np.isfinite(changes).sum(axis=0)
    if not len(changes) or counts.max() < FEWEST:
        raise ValueError(f"noise is told from at least {FEWEST} decision intervals")
    return float(np.sqrt(np.nanmean(changes[:, counts >= FEWEST] ** 2, axis=0)).max())
