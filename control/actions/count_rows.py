"""Counts of a window seen as if all samples had been of the usual size, and what their chart keeps. Not stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from control.actions.chart_choice import Choice
from control.core.spc import counts, diagnostics
from control.core.spc import limits as core
from control.core.spc.counts import Found
from control.core.types import BoolArray, FloatArray
from control.models import Limits, Stream
from control.queries import limits as queries

PLAIN = {kind.of: name for name, kind in counts.KINDS.items() if not (kind.one_size or kind.wider)}
WIDER = {kind.of: name for name, kind in counts.KINDS.items() if kind.wider}
RULES = "nelson_1_2_3"


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """``value`` (n,) are the rates, each as far from the mean as if its sample had the usual size."""

    value: FloatArray
    found: Found
    limits: core.Limits

    @property
    def parameters(self) -> dict[str, Any]:
        """What the row of limits keeps: the usual size, for which its sigma is, and sigma_z."""
        return {"sample": self.found.size, "sigma_z": round(self.found.sigma_z, 3)}


def usual(stream: Stream, since: datetime, until: datetime) -> Choice:
    """Laney's chart where samples differ by more than chance, else the plain one."""
    window, of = queries.window(stream, since, until), stream.characteristic.counted
    plain = Choice(since, until, rule_set=RULES, basis=PLAIN[of])
    try:
        found = _found(plain, window, np.ones(len(window.at_s), np.bool_))
    except ValueError:
        return plain
    return Choice(since, until, rule_set=RULES, basis=WIDER[of]) if found.overdispersed else plain


def of(stream: Stream, choice: Choice, window: queries.Window, kept: BoolArray) -> Counted:
    """Raises ValueError where the chart is not one of what is counted, or no limits can be drawn."""
    kind = counts.KINDS[choice.basis]
    if stream.characteristic.counted != kind.of:
        raise ValueError("the stream does not count that")
    found = _found(choice, window, kept)
    assert window.n is not None
    value = found.mean + (window.value - found.mean) * np.sqrt(window.n / found.size)
    inside = window.at_s[kept]
    limits = core.Limits(
        mean=found.mean,
        sigma=found.sigma,
        n=found.samples,
        method="moving_range" if kind.wider else "chance",
        from_s=float(inside[0]),
        to_s=float(inside[-1]),
        excluded=int(np.sum(~kept)),
        lag_1=diagnostics.autocorrelation(core.staged(np.where(kept, value, np.nan), window.stage), 1).lag_1,
    )
    return Counted(value, found, limits)


def _found(choice: Choice, window: queries.Window, kept: BoolArray) -> Found:
    if window.n is None:
        raise ValueError(f"limits need at least {counts.FEWEST} values, there are 0")
    rates = core.staged(np.where(kept, window.value, np.nan), window.stage)
    return counts.phase_one(rates, core.staged(window.n, window.stage), counts.KINDS[choice.basis])


def process(row: Limits) -> counts.Chance:
    """What the samples of a row of limits would be if nothing but chance, as wide as it is there, were at work."""
    kind = counts.KINDS[row.chart]
    return counts.Chance(row.mean, row.sigma, float(row.parameters["sample"]), kind)
