"""Phase I: from a stretch of history to (mean, sigma, n, method, window). Limits are this, never bare lines.

The constants are computed from the distribution of the range of n standard normal values [1].

[1] H. L. Harter, "Tables of range and studentized range", Annals of Mathematical Statistics 31 (1960) 1122-1147.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import gamma, sqrt
from typing import Any, Literal

import numpy as np
from scipy.special import ndtr

from control.core.types import BoolArray, FloatArray

Method = Literal["moving_range", "median_moving_range", "standard_deviation"]
FEWEST_VALUES = 20
_MEDIAN_OF_MOVING_RANGE = 0.9538725524170089  # median of |x1 - x2|, x standard normal: sqrt(2) * Phi^-1(3/4)


@dataclass(frozen=True, slots=True)
class Limits:
    """In-control mean and sigma of one stream, from ``n`` values by ``method`` between two instants (epoch seconds).

    ``lag_1`` is the autocorrelation of the values used: above about 0.3 a sigma from moving ranges is too small.
    """

    mean: float
    sigma: float
    n: int
    method: Method
    from_s: float
    to_s: float
    excluded: int
    lag_1: float


@cache
def d2(n: int) -> float:
    """Mean range of n standard normal values."""
    x, weight = _grid()
    cdf = ndtr(x)
    return float(weight @ (1.0 - cdf**n - (1.0 - cdf) ** n))


@cache
def d3(n: int) -> float:
    """Standard deviation of the range of n standard normal values."""
    x, weight = _grid()
    density = np.exp(-(x**2) / 2) / sqrt(2 * np.pi)
    # P(range <= w) = n * integral of f(x) (F(x + w) - F(x))^(n-1); E[range^2] = 2 * integral of w P(range > w)
    spans = np.linspace(0.0, 14.0, 1401)
    inside = np.array([n * (weight * density) @ (ndtr(x + w) - ndtr(x)) ** (n - 1) for w in spans])
    simpson = np.ones(1401)
    simpson[1:-1:2], simpson[2:-1:2] = 4.0, 2.0
    second = 2.0 * (simpson * 0.01 / 3.0) @ (spans * (1.0 - inside))
    return sqrt(float(second) - d2(n) ** 2)


@cache
def c4(n: int) -> float:
    """Mean standard deviation of n standard normal values."""
    return sqrt(2.0 / (n - 1)) * gamma(n / 2) / gamma((n - 1) / 2)


def phase_one(
    values: FloatArray, at_s: FloatArray, *, method: Method = "moving_range", excluded: BoolArray | None = None
) -> Limits:
    """Limits from ``values`` (n,) in time order; ``excluded`` marks points left out for a stated reason.

    A moving range is taken only between neighbours in the record, never across an excluded or missing value. The
    median of them shrugs off shifts within the stretch.
    """
    kept = np.isfinite(values) if excluded is None else np.isfinite(values) & ~excluded
    used = values[kept]
    if len(used) < FEWEST_VALUES:
        raise ValueError(f"limits need at least {FEWEST_VALUES} values, there are {len(used)}")
    sigma = _sigma(np.where(kept, values, np.nan), method)
    if not sigma > 0:
        raise ValueError("the values do not vary: no limits can be drawn from them")
    inside = at_s[kept]
    return Limits(
        mean=float(used.mean()),
        sigma=sigma,
        n=len(used),
        method=method,
        from_s=float(inside[0]),
        to_s=float(inside[-1]),
        excluded=len(values) - len(used),
        lag_1=_lag_1(used),
    )


def _sigma(values: FloatArray, method: Method) -> float:
    used = values[np.isfinite(values)]
    if method == "standard_deviation":
        return float(used.std(ddof=1)) / (c4(len(used)) if len(used) < 300 else 1.0)
    ranges = np.abs(np.diff(values))
    ranges = ranges[np.isfinite(ranges)]
    if not len(ranges):
        raise ValueError("no two values follow each other: moving ranges cannot be formed")
    if method == "median_moving_range":
        return float(np.median(ranges)) / _MEDIAN_OF_MOVING_RANGE
    return float(ranges.mean()) / d2(2)


def _lag_1(used: FloatArray) -> float:
    centred = used - used.mean()
    return float(centred[1:] @ centred[:-1] / (centred @ centred)) if centred.any() else 0.0


@cache
def _grid() -> tuple[Any, Any]:
    """Simpson's nodes and weights over the whole standard normal line."""
    x = np.linspace(-9.0, 9.0, 3601)
    weight = np.ones(3601)
    weight[1:-1:2], weight[2:-1:2] = 4.0, 2.0
    return x, weight * (x[1] - x[0]) / 3.0
