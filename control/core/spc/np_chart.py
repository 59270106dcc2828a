"""np: the number of defectives in samples of one size.

    n p +- 3 sqrt(n p (1 - p)), never below 0 nor above n

The verdicts are those of :mod:`p_chart`; whole numbers are easier to read at the line.

D. C. Montgomery, Introduction to Statistical Quality Control (2005) section 6-2.
"""

from __future__ import annotations

import numpy as np

from control.core.spc import p_chart
from control.core.spc.lines import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.types import FloatArray, IntArray


def lines(mean: float, size: float, k: int) -> Lines:
    """For ``k`` samples of ``size``; ``mean`` is the share p."""
    sizes = np.full(k, float(size))
    drawn = p_chart.lines(mean, sizes)
    return Lines(sizes * drawn.lower, sizes * drawn.centre, sizes * drawn.upper)


def judge(counts: FloatArray, size: float, mean: float, rules: RuleSet, recent: Recent = ()) -> tuple[IntArray, Recent]:
    """Bits that samples with ``counts`` (k,) defectives among ``size`` break."""
    return p_chart.judge(counts, np.full(len(counts), float(size)), mean, rules, recent)
