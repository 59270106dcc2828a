"""c: the number of defects on an area that is always the same.

    c +- 3 sqrt(c), never below 0

It is :mod:`u_chart` of one unit. NIST/SEMATECH e-Handbook section 6.3.3.1.
"""

from __future__ import annotations

import numpy as np

from control.core.spc import u_chart
from control.core.spc.lines import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.types import FloatArray, IntArray


def lines(mean: float, k: int) -> Lines:
    """For ``k`` areas."""
    return u_chart.lines(mean, np.ones(k))


def judge(counts: FloatArray, mean: float, rules: RuleSet, recent: Recent = ()) -> tuple[IntArray, Recent]:
    """Bits that ``counts`` (k,) defects break, and the context of the next call."""
    return u_chart.judge(counts, np.ones(len(counts)), mean, rules, recent)
