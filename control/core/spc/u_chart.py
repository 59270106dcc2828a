"""u: defects per unit, such as pinholes per square metre of foil looked at.

    u +- 3 sqrt(u / n_i), never below 0

Beside it: :mod:`c_chart` for an area that is always the same, :mod:`laney` for large ones.

D. C. Montgomery, Introduction to Statistical Quality Control (2005) section 6-3.
"""

from __future__ import annotations

import numpy as np

from control.core.spc.lines import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.spc.rules import judge as judge_runs
from control.core.types import FloatArray, IntArray


def centre(counts: FloatArray, units: FloatArray) -> float:
    """Phase I: defects per unit of all samples (k,) together."""
    return float(np.nansum(counts) / np.nansum(units))


def lines(mean: float, units: FloatArray) -> Lines:
    reach = 3.0 * sigma(mean, units)
    return Lines(np.maximum(mean - reach, 0.0), np.full(len(units), mean), mean + reach)


def judge(
    counts: FloatArray, units: FloatArray, mean: float, rules: RuleSet, recent: Recent = ()
) -> tuple[IntArray, Recent]:
    """Bits that ``counts`` (k,) defects on ``units`` (k,) break, and the context of the next call."""
    return judge_runs(standardised(counts, units, mean), rules, recent)


def standardised(counts: FloatArray, units: FloatArray, mean: float) -> FloatArray:
    """How many Poisson sigma each rate is from the mean."""
    return np.asarray((counts / units - mean) / sigma(mean, units))


def sigma(mean: float, units: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(mean / units))
