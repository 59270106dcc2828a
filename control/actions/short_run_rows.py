"""Values of a stream whose target changes with the recipe, seen as if all had been made under the newest one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from control.actions.chart_choice import STANDARDISED, Choice
from control.core.spc import limits as core
from control.core.types import BoolArray, FloatArray
from control.models import Stream
from control.queries import limits as queries


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """``value`` (n,) under the newest target, and what the row of limits keeps of the others (see Limits.under)."""

    value: FloatArray
    parameters: dict[str, Any]


def of(stream: Stream, choice: Choice, window: queries.Window, kept: BoolArray) -> Run:
    """Deviations from target, put upon the newest; standardised, each spread as wide as that of the newest too.

    A target of which the window has too few values takes the sigma of all.
    """
    target = queries.targets(stream, window.at_s)
    if not (len(target) and np.isfinite(target[kept]).all()):
        raise ValueError("the recipes have no target for this stream: nothing to deviate from")
    newest, deviation = float(target[-1]), window.value - target
    sigmas = _sigmas(choice, window, kept, target, deviation) if choice.basis == STANDARDISED else {}
    mean = float(deviation[kept].mean())
    own = np.array([sigmas.get(one, np.nan) for one in target.tolist()])
    wider = np.where(np.isfinite(own), sigmas.get(newest, np.nan) / own, 1.0)
    value = newest + mean + (deviation - mean) * np.where(np.isfinite(wider), wider, 1.0)
    return Run(value, {"nominal": newest, "sigmas": [list(pair) for pair in sigmas.items()]})


def _sigmas(
    choice: Choice, window: queries.Window, kept: BoolArray, target: FloatArray, deviation: FloatArray
) -> dict[float, float]:
    """Of each target that the window has enough values of, by the method chosen."""
    found = {}
    for one in np.unique(target[kept]).tolist():
        mine = kept & (target == one)
        if mine.sum() >= core.FEWEST_VALUES:
            line = core.staged(np.where(mine, deviation, np.nan), window.stage)
            found[one] = core.sigma_of(line, choice.method)
    if any(not sigma > 0 for sigma in found.values()):
        raise ValueError("the values do not vary: no limits can be drawn from them")
    return found
