"""Was a "no" right? What a change that was not made would have changed, by what was measured instead.

Each stream stood at r where its target is T, and would have stood at r + m with the move: m is what the move would have
added by its gains to whatever was done instead. In standard deviations of the prediction, as in control.core.effect
(w = 1.645 / half_width), the streams together would have come nearer to their targets by

    sum ((r - T) w)^2 - sum ((r + m - T) w)^2  =  - 2 sum (r - T) m w^2 - sum (m w)^2

whose own standard deviation is 2 |m w|, |m w|^2 = sum (m w)^2: r alone is uncertain in it, by 1 / w. In units of that,

    gain  =  - sum (r - T) m w^2 / |m w|  -  |m w| / 2

It is nil where the deviation was half the move: as far from the target on one side as on the other. Within 90 % of
chance there is no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from control.core.effect import WIDTH_90


class Verdict(StrEnum):
    """What a move that was not made would have done."""

    HELPED = "would_have_helped"
    SAME = "no_difference"
    HARMED = "would_have_harmed"


@dataclass(frozen=True, slots=True)
class Stood:
    """One stream, in its unit: where it stood, what the move would have added, the half-width of its 90 % interval."""

    stream: str
    target: float
    stood: float
    forgone: float
    half_width: float


@dataclass(frozen=True, slots=True)
class Hindsight:
    """``gain`` is how much nearer to the targets all streams together would have come, in standard deviations."""

    verdict: Verdict
    gain: float


def look_back(streams: Sequence[Stood]) -> Hindsight:
    weights = [WIDTH_90 / one.half_width for one in streams]
    size = sqrt(sum((one.forgone * w) ** 2 for one, w in zip(streams, weights, strict=True)))
    if not size:
        return Hindsight(Verdict.SAME, 0.0)
    along = sum((one.stood - one.target) * one.forgone * w**2 for one, w in zip(streams, weights, strict=True))
    gain = -along / size - size / 2
    if abs(gain) <= WIDTH_90:
        return Hindsight(Verdict.SAME, gain)
    return Hindsight(Verdict.HELPED if gain > 0 else Verdict.HARMED, gain)
