"""How often a set of rules will cry wolf on a stream, found before it is switched on.

The stream is taken to stay as it was in its window: an autoregression fitted to it is simulated for many shifts and
judged like history. Why not a bootstrap of the window itself: it would replay the window's own upsets as if they were
the process, and could show nothing that has not happened in a few hours. What the rules would have said of the window
is counted beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from control.core.types import FloatArray, IntArray, Rule

SHIFT_S = 8 * 3600.0
STOP = 3.0  # times as long as nine of ten gaps between values are: the line stood
POINTS = 400_000  # simulated: how often a rule is broken once in 400 points is known within 3 %

Judge = Callable[[FloatArray], IntArray]  # values (k,) -> bits of the rules each breaks


class Process(Protocol):
    """What values come from."""

    def simulate(self, n: int, rng: np.random.Generator) -> FloatArray:
        """``n`` values in time order."""
        ...


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Signals expected in a shift of eight hours in which nothing is wrong: all, and of each rule.

    A signal is a rule broken by one or more points in a row, as people are told of it.
    """

    per_shift: float
    by_rule: dict[Rule, float]


def expected(
    process: Process, judge: Judge, sample_s: float, rng: np.random.Generator, points: int = POINTS
) -> FalseAlarms:
    """Signals a shift of ``judge`` on ``process`` with a value every ``sample_s`` seconds."""
    shifts = points * sample_s / SHIFT_S
    begun = count(judge(process.simulate(points, rng)))
    by_rule = {rule: number / shifts for rule, number in begun.items()}
    return FalseAlarms(sum(by_rule.values()), by_rule)


def count(bits: IntArray) -> dict[Rule, int]:
    """How often each rule begins to be broken in ``bits`` (n,)."""
    begun = bits & ~np.concatenate([np.zeros(1, bits.dtype), bits[:-1]])
    seen = int(np.bitwise_or.reduce(begun)) if len(begun) else 0
    return {rule: int(np.count_nonzero(begun & int(rule))) for rule in Rule(seen)}


def sampled_every(at_s: FloatArray) -> float:
    """Mean seconds from one value to the next of a stream, stops left out.

    Not the median: a gauge that goes to and fro sees the lanes at the edge twice in short order and then long not.
    """
    gaps = np.diff(at_s)
    return float(gaps[gaps <= STOP * np.quantile(gaps, 0.9)].mean())
