"""Did a change do what it was predicted to do? A joint 90 % verdict over the streams it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import scipy

WIDTH_90 = 1.6448536269514722  # standard deviations in a two-sided 90 % half-width
OUTSIDE = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """One stream, in its unit: the change predicted, the change realised, and the half-width of its 90 % band."""

    stream: str
    predicted: float
    realised: float
    half_width: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """``distance`` is the sum of squared standardised misses, ``limit`` the chi-squared value 90 % stay under."""

    effective: bool
    distance: float
    limit: float


def judge(outcomes: Sequence[Outcome]) -> Verdict:
    """Effective if the realised changes lie in the joint 90 % region around the predicted ones.

    One stream alone is inside exactly when its miss is within its half-width. Taking each of k streams by itself
    would call 1 - 0.9**k of perfectly good bundles ineffective.
    """
    distance = sum(((o.realised - o.predicted) * WIDTH_90 / o.half_width) ** 2 for o in outcomes)
    limit = float(scipy.special.chdtri(len(outcomes), OUTSIDE))
    return Verdict(distance <= limit, distance, limit)
