"""p: the share of defectives in samples, such as cells with a flaw in a lot.

    p_i +- 3 sqrt(p (1 - p) / n_i), p the share of all        lower line never below 0, upper never above 1

Caveat: samples of thousands are more alike in theory than in life; then :mod:`laney`. Beside it: :mod:`np_chart`.

W. A. Shewhart (1931); NIST/SEMATECH e-Handbook section 6.3.3.2.
"""

from __future__ import annotations

import numpy as np

from control.core.spc.lines import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.spc.rules import judge as judge_runs
from control.core.types import FloatArray, IntArray


def centre(counts: FloatArray, sizes: FloatArray) -> float:
    """Phase I: the share of defectives in all samples (k,) together."""
    return float(np.nansum(counts) / np.nansum(sizes))


def lines(mean: float, sizes: FloatArray) -> Lines:
    reach = 3.0 * sigma(mean, sizes)
    return Lines(np.maximum(mean - reach, 0.0), np.full(len(sizes), mean), np.minimum(mean + reach, 1.0))


def judge(
    counts: FloatArray, sizes: FloatArray, mean: float, rules: RuleSet, recent: Recent = ()
) -> tuple[IntArray, Recent]:
    """Bits that samples of ``counts`` (k,) defectives among ``sizes`` (k,) break, and the context of the next call."""
    return judge_runs(standardised(counts, sizes, mean), rules, recent)


def standardised(counts: FloatArray, sizes: FloatArray, mean: float) -> FloatArray:
    """How many binomial sigma each share is from the mean."""
    return np.asarray((counts / sizes - mean) / sigma(mean, sizes))


def sigma(mean: float, sizes: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(mean * (1.0 - mean) / sizes))
