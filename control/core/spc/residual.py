"""Residual chart: what a model did not foresee, charted instead of the value itself.

The error of a prediction is free of the autocorrelation that makes the rules cry wolf on the values: that of virtual
metrology, or one step ahead of a controlled output,

    e_t = y_t - level_(t-1)        level_t = level_(t-1) + w e_t

the best forecast of a level that drifts under noise. A model that has gone stale shows as a run. The chart itself is
that of individuals.

L. C. Alwan, H. V. Roberts, J. Business & Economic Statistics 6 (1988) 87-95; D. C. Montgomery, C. M. Mastrangelo,
J. Quality Technology 23 (1991) 179-193.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from control.core.spc import individuals
from control.core.spc.individuals import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Chart:
    """Mean and sigma of the error, in the unit of the value, and the rules it is held to."""

    mean: float
    sigma: float
    rules: RuleSet


def lines(chart: Chart) -> Lines:
    return individuals.lines(chart.mean, chart.sigma)


def judge(errors: FloatArray, chart: Chart, recent: Recent = ()) -> tuple[IntArray, Recent]:
    """Bits each of ``errors`` (k,) breaks, and the context of the next call."""
    return individuals.judge(errors, chart.mean, chart.sigma, chart.rules, recent)


def one_step(values: FloatArray, weight: float, level: float | None = None) -> tuple[FloatArray, float | None]:
    """Errors (k,) of forecasting each of ``values`` from those before it, and the level to go on from.

    The very first value has no forecast: its error is NaN.
    """
    if not len(values):
        return np.empty(0), level
    first = float(values[0]) if level is None else level
    known = values[1:] if level is None else values
    levels = scipy.signal.lfilter([weight], [1.0, weight - 1.0], known, zi=[(1.0 - weight) * first])[0]
    errors = known - np.concatenate([[first], levels[:-1]])[: len(known)]
    last = float(levels[-1]) if len(levels) else first
    return (np.concatenate([[np.nan], errors]) if level is None else errors), last
