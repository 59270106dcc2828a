"""Run rules on standardised values: Western Electric's four and the trend.

Conventions: the flagged point is the last of its window; for two of three and four of five it lies beyond the zone
itself; a point on a line belongs to the inner zone; runs go on from what came before (``recent``).

Western Electric, Statistical Quality Control Handbook (1956) 25-28.
"""

from __future__ import annotations

import numpy as np

from control.core.types import BoolArray, FloatArray, IntArray, Rule

RUN, TREND = 8, 6
CONTEXT = RUN - 1  # how many earlier points a verdict can depend on
Recent = tuple[float, ...]


def judge(z: FloatArray, rules: Rule, recent: Recent = ()) -> tuple[IntArray, Recent]:
    """Bits of the rules each point of ``z`` (k,) breaks, and the context of the next call.

    One point at a time or the whole history at once: the verdicts are the same.
    """
    line = np.concatenate([np.asarray(recent, np.float64), z])
    bits = np.zeros(len(line), np.int64)
    if Rule.BEYOND_3_SIGMA in rules:
        bits[np.abs(line) > 3.0] |= int(Rule.BEYOND_3_SIGMA)
    if Rule.TWO_OF_THREE in rules:
        bits[_some_beyond(line, 2.0, 2, 3)] |= int(Rule.TWO_OF_THREE)
    if Rule.FOUR_OF_FIVE in rules:
        bits[_some_beyond(line, 1.0, 4, 5)] |= int(Rule.FOUR_OF_FIVE)
    if Rule.RUN_ONE_SIDE in rules:
        bits[_unbroken(line > 0, RUN) | _unbroken(line < 0, RUN)] |= int(Rule.RUN_ONE_SIDE)
    if Rule.TREND in rules:
        step = np.diff(line, prepend=np.nan)
        bits[_unbroken(step > 0, TREND - 1) | _unbroken(step < 0, TREND - 1)] |= int(Rule.TREND)
    return bits[len(recent) :], tuple(line[-CONTEXT:].tolist())


def _some_beyond(line: FloatArray, zone: float, least: int, window: int) -> BoolArray:
    flagged = np.zeros(len(line), np.bool_)
    for beyond in (line > zone, line < -zone):
        seen = beyond.astype(np.int8)
        count = seen.copy()
        for back in range(1, window):
            count[back:] += seen[:-back]
        flagged |= beyond & (count >= least)
    return flagged


def _unbroken(on: BoolArray, length: int) -> BoolArray:
    """Where ``on`` holds for the last ``length`` points."""
    count = np.arange(1, len(on) + 1)
    broken = np.maximum.accumulate(np.where(on, 0, count))
    held: BoolArray = count - broken >= length
    return held
