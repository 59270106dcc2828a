"""How well a stream fits its specification, with the interval that so few values leave open.

    Cp = (U - L) / 6 sigma      Cpk = min(U - mean, mean - L) / 3 sigma      of the sigma within
    Pp, Ppk: the same of the standard deviation of all values
    Cpm = (U - L) / 6 sqrt(sigma^2 + (mean - T)^2)

With a specification on one side only, Cpk and Ppk are what there is. Caveat: an index of a process that is not in
control foretells nothing; look at the chart first.

S. Kotz, N. L. Johnson, Process Capability Indices (1993); intervals: Cp by chi-squared, Cpk after A. F. Bissell,
Applied Statistics 39 (1990) 331-340, Cpm after R. A. Boyles, J. Quality Technology 23 (1991) 17-26.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
import scipy

from control.core.types import FloatArray, IntArray

CONFIDENCE = 0.95
TAILS = (0.00135, 0.5, 0.99865)  # below -3 sigma, the mean and +3 sigma of a normal distribution
FEWEST_FOR_TAILS = 1000  # from here a sample has values of its own beyond such a percentile
MOVING_RANGE_EFFICIENCY = 0.605  # of n values; J. D. Cryer, T. P. Ryan, J. Quality Technology 22 (1990) 187-192
RESAMPLED = 2000  # bootstrap samples behind the interval of a percentile index


@dataclass(frozen=True, slots=True)
class Index:
    """A capability index and the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Capability:
    """Indices of one stream; None where the specification lacks what they need."""

    cp: Index | None
    cpk: Index | None
    pp: Index | None
    ppk: Index | None
    cpm: Index | None


@dataclass(frozen=True, slots=True)
class Specification:
    """Lower and upper limit and target, NaN where there is none."""

    lower: float
    target: float
    upper: float


def capability(
    mean: float,
    within: float,
    overall: float,
    n: float,
    spec: Specification,
    confidence: float = CONFIDENCE,
    *,
    within_n: float | None = None,
) -> Capability:
    """Indices of ``n`` values with this mean, sigma ``within`` (short-term) and standard deviation ``overall``.

    Where neighbours resemble each other ``n`` is how many independent values they are worth, and ``within_n`` how many
    the sigma within is worth, where that is fewer: the intervals are too narrow otherwise.
    """
    fewer = n if within_n is None else within_n
    return Capability(
        cp=_width_index(spec, within, fewer, confidence),
        cpk=_nearest_index(spec, mean, within, fewer, confidence),
        pp=_width_index(spec, overall, n, confidence),
        ppk=_nearest_index(spec, mean, overall, n, confidence),
        cpm=_target_index(spec, mean, within, fewer, confidence),
    )


def of_percentiles(
    values: FloatArray, spec: Specification, rng: np.random.Generator, confidence: float = CONFIDENCE
) -> Capability | None:
    """Pp and Ppk of values (n,) of any distribution, from its own percentiles; None if there are too few values.

        Pp = (U - L) / (x_0.99865 - x_0.00135)    Ppk = min((U - x_0.5) / (x_0.99865 - x_0.5), ...)

    ISO 22514-2 (2017) method of percentiles; the interval is that of a bootstrap.
    """
    used = np.sort(values[np.isfinite(values)])
    if len(used) < FEWEST_FOR_TAILS:
        return None
    low, middle, high = np.quantile(used, TAILS)
    pp, ppk = _percentile_indices(np.vstack([[low, middle, high], used[_resampled(len(used), rng)]]).T, spec)
    return Capability(None, None, _with_bootstrap(pp, confidence), _with_bootstrap(ppk, confidence), None)


def _resampled(n: int, rng: np.random.Generator) -> IntArray:
    """Which of the n ordered values stand at the percentiles of a sample drawn from them: (RESAMPLED, 3).

    The k-th of n uniform numbers is a ratio of gamma variables, so no sample needs to be drawn and put in order.
    """
    rank = np.ceil(np.array(TAILS) * n)
    spaces = rng.standard_gamma(np.diff(rank, prepend=0.0, append=n + 1.0), (RESAMPLED, 4))
    ordered = np.cumsum(spaces, axis=1)
    return np.asarray(n * ordered[:, :3] / ordered[:, 3:], np.int64)


def _percentile_indices(at: FloatArray, spec: Specification) -> tuple[FloatArray, FloatArray]:
    """Pp and Ppk of each column of lower, middle and upper percentile ``at`` (3, k)."""
    low, middle, high = at
    sides = np.vstack([(spec.upper - middle) / (high - middle), (middle - spec.lower) / (middle - low)])
    return (spec.upper - spec.lower) / (high - low), np.fmin(sides[0], sides[1])


def _with_bootstrap(found: FloatArray, confidence: float) -> Index | None:
    if not np.isfinite(found[0]):
        return None
    low, high = np.quantile(found[1:], [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return Index(float(found[0]), float(low), float(high))


def _width_index(spec: Specification, sigma: float, n: float, confidence: float) -> Index | None:
    width = spec.upper - spec.lower
    if not (isfinite(width) and sigma > 0 and n > 1):
        return None
    return _by_chi_squared(width / (6.0 * sigma), n - 1.0, confidence)


def _nearest_index(spec: Specification, mean: float, sigma: float, n: float, confidence: float) -> Index | None:
    sides = [side for side in (spec.upper - mean, mean - spec.lower) if isfinite(side)]
    if not (sides and sigma > 0 and n > 1):
        return None
    index = min(sides) / (3.0 * sigma)
    reach = float(scipy.special.ndtri((1.0 + confidence) / 2.0)) * sqrt(1.0 / (9.0 * n) + index**2 / (2.0 * (n - 1.0)))
    return Index(index, index - reach, index + reach)


def _target_index(spec: Specification, mean: float, sigma: float, n: float, confidence: float) -> Index | None:
    """With the degrees of freedom of R's qcc: far from the target its interval is wide, and holds more than it says.

    Boyles has (1 + ((mean - T) / sigma)^2)^2 above the line, which holds 95 % there too.
    """
    width, off = spec.upper - spec.lower, mean - spec.target
    if not (isfinite(width) and isfinite(off) and sigma > 0 and n > 1):
        return None
    far = (off / sigma) ** 2
    freedom = n * (1.0 + far) / (1.0 + 2.0 * far)
    return _by_chi_squared(width / (6.0 * sqrt(sigma**2 + off**2)), freedom, confidence)


def _by_chi_squared(index: float, freedom: float, confidence: float) -> Index:
    """The interval of what is one over a standard deviation of so many degrees of freedom."""
    tails = np.array([1.0 - confidence, 1.0 + confidence]) / 2.0
    low, high = np.sqrt(2.0 * scipy.special.gammaincinv(freedom / 2.0, tails) / freedom)
    return Index(index, index * float(low), index * float(high))
