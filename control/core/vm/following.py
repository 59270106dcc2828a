"""The bias correction of live use, replayed over a history: every error against the bias known when its metre was made.

A value is known a while after its metre passed the die (the web has to reach the gauge), so the bias of a prediction
never holds the newest metres; an interval calibrated as if it did would be too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from control.core.types import BoolArray, FloatArray, IntArray

COVERAGE = 0.90
WILD = 6.0  # sigma from both neighbours, in time, of the same stream


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """When each label's metre was made and when its value was known, both (n,) in epoch seconds, made in order.

    ``before`` (n,) counts the labels known when a metre was made; ``order`` (n,) is the order of becoming known.
    """

    order: IntArray
    before: IntArray

    @classmethod
    def of(cls, made_s: FloatArray, known_s: FloatArray) -> Known:
        order = np.argsort(known_s, kind="stable")
        return cls(order, np.searchsorted(known_s[order], made_s, "left"))


def bias(error: FloatArray, weight: float, known: Known) -> FloatArray:
    """B after none, one, ... all of n errors, in the order in which they became known: B += w (e - B), (n + 1,)."""
    return np.concatenate([[0.0], scipy.signal.lfilter([weight], [1.0, weight - 1.0], error[known.order])])


def corrected(error: FloatArray, weight: float, known: Known) -> FloatArray:
    """Errors (n,) left under the bias, each against the B known when its metre was made."""
    return np.asarray(error - bias(error, weight, known)[known.before])


def last_known(value: FloatArray, start: float, known: Known) -> FloatArray:
    """The newest value known when each metre was made (n,): the guess of whoever has no model."""
    return np.asarray(np.concatenate([[start], value[known.order]])[known.before])


def conformal(error: FloatArray, coverage: float = COVERAGE) -> float:
    """Split-conformal half width: the ceil((n + 1) coverage)-th smallest absolute error.

    Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005), section 4.2.
    """
    rank = min(int(np.ceil((len(error) + 1) * coverage)), len(error))
    return float(np.sort(np.abs(error))[rank - 1])


def robust_sigma(values: FloatArray) -> float:
    """1.4826 times the median absolute value: sigma of normal errors about zero, whatever a few wild ones say."""
    return float(np.median(np.abs(values))) * 1.4826


def wild(residual: FloatArray) -> BoolArray:
    """Labels (n,) far from the one before and from the one after, to the same side: readings, not foil."""
    if len(residual) < 3:
        return np.zeros(len(residual), bool)
    step = np.diff(residual)
    far = WILD * robust_sigma(step - np.median(step)) or np.inf
    alone = np.zeros(len(residual), bool)
    alone[1:-1] = (np.abs(step[:-1]) > far) & (np.abs(step[1:]) > far) & (step[:-1] * step[1:] < 0)
    return alone
