"""Champion and challenger: which estimators were nearer to the newest labels, both run as they would be in use.

Both foretell the same stretch, which the challenger has not learned from, each with a bias of its own that begins at
nothing; every error is that of the value stated when the metre was at the die. Only believed values count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from control.core.loop import run
from control.core.machine import Machine
from control.core.state import State
from control.core.types import Measured, Quality, Trace

FEWEST = 10  # values of a stream on which anything can be said
WORSE = 1.10  # of a single stream's error: more is not outweighed by the others


@dataclass(frozen=True, slots=True)
class Score:
    """One stream over the newest labels: mean absolute error and share inside the 90 % interval, of ``n`` values."""

    n: int
    mae: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the challenger may take over. ``ratio`` is the mean over streams of its error over the champion's.

    ``why`` is a code where it may not: ``worse``, ``worse_stream``, ``gain``, ``nothing_new``; ``detail`` says what.
    """

    passed: bool
    ratio: float | None
    why: str = ""
    detail: str = ""


def score(machine: Machine, trace: Trace, measured: Measured) -> dict[str, Score]:
    """How the machine's estimators do on ``measured``, stream by stream, as they would in use.

    The loops stay out of it: the trace need not hold what they are fed from other machines.
    """
    found = run(replace(machine, loops=()), State(), trace, np.ones(len(trace), bool), measured)
    judged, told = found.judged, found.predictions
    scores = {}
    for index, stream in enumerate(machine.streams):
        own = (measured.stream == index) & (judged.row >= 0) & (judged.quality == int(Quality.GOOD))
        own &= measured.by == int(stream.feedback)
        row = judged.row[own]
        error = np.abs(measured.value[own] - told.value[row, index]) if len(told) else np.empty(0)
        known = np.isfinite(error)
        if known.sum() >= FEWEST:
            inside = error <= (told.high - told.low)[row, index] / 2
            scores[stream.key] = Score(int(known.sum()), float(error[known].mean()), float(inside[known].mean()))
    return scores


def decide(champion: Mapping[str, Score], challenger: Mapping[str, Score], gates: Mapping[str, str]) -> Verdict:
    """``gates`` says, per loop, why the challenger may not drive it (empty: it may)."""
    if told := {loop: why for loop, why in gates.items() if why}:
        return Verdict(False, None, "gain", "; ".join(f"{loop}: {why}" for loop, why in told.items()))
    lost = sorted(set(champion) - set(challenger))
    if not challenger or lost:
        return Verdict(False, None, "nothing_new", ", ".join(lost))
    ratios = {key: challenger[key].mae / one.mae for key, one in champion.items() if one.mae > 0}
    if not ratios:
        return Verdict(True, None)
    mean, worst = float(np.mean(list(ratios.values()))), max(ratios, key=lambda key: ratios[key])
    if mean > 1.0:
        return Verdict(False, mean, "worse", f"{100 * (mean - 1):.1f} %")
    if ratios[worst] > WORSE:
        return Verdict(False, mean, "worse_stream", f"{worst} {100 * (ratios[worst] - 1):.1f} %")
    return Verdict(True, mean)
