"""The constants of control charts for samples of n values, computed from the normal distribution.

    d2, d3: mean and standard deviation of the range of n standard normal values
    c4, c5: mean and standard deviation of their standard deviation s, c5 = sqrt(1 - c4^2)

All others follow from these: a line lies three standard deviations of what is charted from its centre, and never
below zero.

H. L. Harter, "Tables of range and studentized range", Annals of Mathematical Statistics 31 (1960) 1122-1147;
ASTM Manual on Presentation of Data and Control Chart Analysis, table 49.
"""

from __future__ import annotations

from functools import cache
from math import exp, lgamma, pi, sqrt

import numpy as np
import scipy

from control.core.types import FloatArray


@cache
def d2(n: int) -> float:
    """Mean range of n standard normal values."""
    x, weight = _grid()
    cdf = scipy.special.ndtr(x)
    return float(weight @ (1.0 - cdf**n - (1.0 - cdf) ** n))


@cache
def d3(n: int) -> float:
    """Standard deviation of the range of n standard normal values."""
    x, weight = _grid()
    density = np.exp(-(x**2) / 2) / sqrt(2 * pi)
    # P(range <= w) = n * integral of f(x) (F(x + w) - F(x))^(n-1); E[range^2] = 2 * integral of w P(range > w)
    spans, step = _simpson(0.0, 14.0, 281)
    cdf = scipy.special.ndtr
    inside = np.array([n * (weight * density) @ (cdf(x + w) - cdf(x)) ** (n - 1) for w in spans])
    return sqrt(float(2.0 * step @ (spans * (1.0 - inside))) - d2(n) ** 2)


@cache
def c4(n: int) -> float:
    """Mean standard deviation of n standard normal values; any n, in logarithms so that none is too large."""
    return sqrt(2.0 / (n - 1)) * exp(lgamma(n / 2) - lgamma((n - 1) / 2))


def c5(n: int) -> float:
    """Standard deviation of the standard deviation of n standard normal values."""
    return sqrt(1.0 - c4(n) ** 2)


def a(n: int) -> float:
    """Mean chart from sigma: mean +- A sigma."""
    return 3.0 / sqrt(n)


def a2(n: int) -> float:
    """Mean chart from the mean range: mean +- A2 Rbar."""
    return a(n) / d2(n)


def a3(n: int) -> float:
    """Mean chart from the mean standard deviation: mean +- A3 sbar."""
    return a(n) / c4(n)


def b3(n: int) -> float:
    """Chart of s from sbar, lower line: B3 sbar."""
    return b5(n) / c4(n)


def b4(n: int) -> float:
    """Chart of s from sbar, upper line: B4 sbar."""
    return b6(n) / c4(n)


def b5(n: int) -> float:
    """Chart of s from sigma, lower line: B5 sigma."""
    return max(0.0, c4(n) - 3.0 * c5(n))


def b6(n: int) -> float:
    """Chart of s from sigma, upper line: B6 sigma."""
    return c4(n) + 3.0 * c5(n)


def d_1(n: int) -> float:
    """Range chart from sigma, lower line: D1 sigma. The underscore keeps D1 to D4 apart from d2 and d3."""
    return max(0.0, d2(n) - 3.0 * d3(n))


def d_2(n: int) -> float:
    """Range chart from sigma, upper line: D2 sigma."""
    return d2(n) + 3.0 * d3(n)


def d_3(n: int) -> float:
    """Range chart from the mean range, lower line: D3 Rbar."""
    return d_1(n) / d2(n)


def d_4(n: int) -> float:
    """Range chart from the mean range, upper line: D4 Rbar."""
    return d_2(n) / d2(n)


def e2(n: int) -> float:
    """Individuals chart from the mean (moving) range of n: mean +- E2 Rbar."""
    return 3.0 / d2(n)


def e3(n: int) -> float:
    """Individuals chart from the mean standard deviation of n: mean +- E3 sbar."""
    return 3.0 / c4(n)


@cache
def _grid() -> tuple[FloatArray, FloatArray]:
    """Simpson's nodes and weights over the whole standard normal line."""
    return _simpson(-9.0, 9.0, 721)


def _simpson(low: float, high: float, nodes: int) -> tuple[FloatArray, FloatArray]:
    """``nodes`` (an odd number) from ``low`` to ``high`` and their weights."""
    x = np.linspace(low, high, nodes)
    weight = np.ones(nodes)
    weight[1:-1:2], weight[2:-1:2] = 4.0, 2.0
    return x, weight * (x[1] - x[0]) / 3.0
