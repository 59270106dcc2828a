"""Laney's p' and u': shares and rates of large samples, which differ by more than chance within them explains.

    z_i = (p_i - p) / sigma_i        sigma_z = mean moving range of z / d2        p' : p +- 3 sigma_i sigma_z

sigma_i is the binomial sigma (p') or the Poisson one (u'). sigma_z is 1 where chance explains all; then the chart is
that of p or u. Most large samples have one of 2 to 10.

D. B. Laney, "Improved control charts for attributes", Quality Engineering 14 (2002) 531-537.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from control.core.spc import p_chart, u_chart
from control.core.spc.limits import sigma_of
from control.core.spc.lines import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.spc.rules import judge as judge_runs
from control.core.types import FloatArray, IntArray

Kind = Literal["p", "u"]
_CHARTS = {"p": p_chart, "u": u_chart}


def sigma_z(counts: FloatArray, sizes: FloatArray, mean: float, kind: Kind) -> float:
    """Phase I: how many times wider samples (k,) scatter than chance within them would have it."""
    return sigma_of(_CHARTS[kind].standardised(counts, sizes, mean), "moving_range")


def lines(mean: float, sizes: FloatArray, wider: float, kind: Kind) -> Lines:
    """``wider`` is sigma_z."""
    reach = 3.0 * wider * _CHARTS[kind].sigma(mean, sizes)
    upper = mean + reach if kind == "u" else np.minimum(mean + reach, 1.0)
    return Lines(np.maximum(mean - reach, 0.0), np.full(len(sizes), mean), upper)


def judge(
    counts: FloatArray,
    sizes: FloatArray,
    mean: float,
    wider: float,
    kind: Kind,
    rules: RuleSet,
    recent: Recent = (),
) -> tuple[IntArray, Recent]:
    """Bits that samples of ``counts`` (k,) among ``sizes`` (k,) break, and the context of the next call."""
    return judge_runs(_CHARTS[kind].standardised(counts, sizes, mean) / wider, rules, recent)
