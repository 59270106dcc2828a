"""Whether a loop still fits its machine, and a warning before it hunts.

From move to move an error goes to 1 - w_n xi of itself (see ``LoopConfig.largest_gain_ratio``): a loop hunts where
w_n xi reaches 2, and runs away where xi is negative. The warning comes at three quarters of the way, once the moves
have shown that xi is above 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

import numpy as np

from control.core.machine import LoopConfig
from control.core.r2r.gain_error import GainError, Last, after
from control.core.types import FloatArray, IntArray

NEAR = 0.75  # of the largest stable ratio
POOR = 0.5  # Harris index
SWINGS = 0.5
SETTLE_S = 30.0  # ramps and lags between a set-point and the foil
UNMOVED = 0.2  # of the deadband: a smaller effect is no move
SMALL_STEPS = 20  # a setting may tremble by so much less than that


class Concern(StrEnum):
    """Stored and translated; never renamed."""

    NONE = ""
    WRONG_SIGN = "wrong_sign"
    TOO_STRONG = "too_strong"
    SWINGING = "swinging"


@dataclass(frozen=True, slots=True)
class Stability:
    """What is known of a loop: xi with its 90 % interval, the ratio at which it would hunt, Harris index and swing.

    ``harris`` is NaN where there is too little to tell; ``moved`` is how many differences told of xi.
    """

    ratio: float
    low: float
    high: float
    moved: int
    limit: float
    harris: float
    swing: float

    @property
    def concern(self) -> Concern:
        if self.moved and self.high < 0.0:
            return Concern.WRONG_SIGN
        if self.moved and self.low > 1.0 and self.ratio >= NEAR * self.limit:
            return Concern.TOO_STRONG
        if isfinite(self.harris) and self.harris < POOR and self.swing > SWINGS:
            return Concern.SWINGING
        return Concern.NONE


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """Measured values of the streams of one loop in the order of making, all (k,).

    ``row`` is that of the settings in force when each was made, ``cv`` its place in ``loop.cvs``.
    """

    row: IntArray
    cv: IntArray
    value: FloatArray


def learned(known: GainError, loop: LoopConfig, at_s: FloatArray, settings: FloatArray, made: Made) -> GainError:
    """xi after more values, with the settings (n, mvs) that were in force at ``at_s`` (n,).

    Values made less than ``SETTLE_S`` after a move are left out. Parameters that only share out between lanes are taken
    to stand at their nominal: they are slow, and what they do is small beside a pump or a force.
    """
    unmoved = UNMOVED * loop.deadband
    effect = loop.effect(_main(loop, settings))
    changed = np.zeros(len(at_s), np.bool_)
    changed[1:] = (np.abs(np.diff(effect, axis=0)) > unmoved / SMALL_STEPS).any(axis=1)
    since = at_s - np.maximum.accumulate(np.where(changed, at_s, -np.inf))
    usable = (since[made.row] >= SETTLE_S) & np.isfinite(made.value) & np.isfinite(effect[made.row, made.cv])
    for row, cv, value in zip(*(part[usable].tolist() for part in (made.row, made.cv, made.value)), strict=True):
        known = after(known, loop.cvs[cv], Last(float(at_s[row]), value, float(effect[row, cv])), unmoved)
    return known


def _main(loop: LoopConfig, settings: FloatArray) -> FloatArray:
    """The settings with those that only share out at their nominal, unless the loop has no others."""
    sharing = np.array([mv.tag in loop.redistributing for mv in loop.mvs])
    if sharing.all():
        return settings
    return np.where(sharing, np.array([mv.nominal for mv in loop.mvs]), settings)


def of(known: GainError, limit: float, harris: float, swing: float) -> Stability:
    low, high = known.ratio - known.half_width, known.ratio + known.half_width
    return Stability(known.ratio, low, high, known.moved, limit, harris, swing)
