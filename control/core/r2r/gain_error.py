"""How strong the machine answers, over what a loop assumes: xi = true gain / assumed gain, learned from real moves.

    y_k - y_(k-1) = xi (f_k - f_(k-1)) + e,   f = effect assumed of the setting that made y

for consecutive measured values of one stream. Differences take out whatever disturbs the stream slower than it is
measured: also what a move answered to, for that was there in the last value before it. Where nothing was moved they
tell only the variance of e; where something was, recursive least squares take them with what that variance allows.
Only values made while the setting had long been still are to be given, so that ramps and lags are over.

L. Ljung, System Identification, 2nd ed., Prentice Hall 1999, section 11.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

from control.core.effect import WIDTH_90

PRIOR = 1.0  # standard deviation of xi before anything was moved
WANDER = 0.02  # of xi from one difference that tells of it to the next
MEMORY = 200  # still differences that the variance of e is a mean of
LEAST = 8  # of them before anything is learned
APART_S = 300.0  # values further apart are not compared


@dataclass(frozen=True, slots=True)
class Last:
    """The newest value of a stream: when it was made, itself and the effect assumed of its setting (CV unit)."""

    made_s: float
    value: float
    effect: float


@dataclass(frozen=True, slots=True)
class GainError:
    """``ratio`` xi with its ``variance``, and ``last`` by stream.

    ``noise`` is the variance of e after ``still`` differences, ``moved`` how many differences told of xi.
    """

    ratio: float = 1.0
    variance: float = PRIOR**2
    noise: float = 0.0
    still: int = 0
    moved: int = 0
    last: Mapping[str, Last] = field(default_factory=dict)

    @property
    def half_width(self) -> float:
        """Of the 90 % interval of xi."""
        return WIDTH_90 * sqrt(self.variance)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> GainError:
        """What ``asdict`` gave."""
        return cls(**{**told, "last": {stream: Last(**one) for stream, one in told["last"].items()}})


def after(known: GainError, stream: str, value: Last, unmoved: float) -> GainError:
    """One value more of a stream, in the order of making; an effect within ``unmoved`` (CV unit) is the same."""
    before = known.last.get(stream)
    known = replace(known, last={**known.last, stream: value})
    if before is None or not 0.0 < value.made_s - before.made_s <= APART_S:
        return known
    step, moved = value.value - before.value, value.effect - before.effect
    if abs(moved) <= unmoved:
        still = min(known.still + 1, MEMORY)
        return replace(known, noise=known.noise + (step * step - known.noise) / still, still=still)
    if known.still < LEAST:
        return known
    variance = known.variance + WANDER**2
    gain = variance * moved / (variance * moved * moved + known.noise)
    return replace(
        known,
        ratio=known.ratio + gain * (step - known.ratio * moved),
        variance=variance * (1.0 - gain * moved),
        moved=known.moved + 1,
    )
