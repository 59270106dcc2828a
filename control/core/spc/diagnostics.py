"""Whether a stretch of values is what the limits and capability drawn from it take it for: normal and independent.

Missing values are NaN; a value next to one has no neighbour there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
import scipy

from control.core.types import FloatArray

LAGS = 40
LONGEST_MEMORY = 20  # highest order of an autoregression; gauge noise on a drift needs a long one
WARM_UP = 1000  # values simulated and thrown away before the first that counts


@dataclass(frozen=True, slots=True)
class Normality:
    """Anderson-Darling's test of the ``n`` values against a normal distribution of their own mean and sigma.

    ``statistic`` is A^2 corrected for the sample size, ``p`` how often normal values would have a larger one. On
    thousands of values a small p may mean little: ``skewness`` and ``kurtosis`` (0 for the normal) say how far off.
    """

    n: int
    statistic: float
    p: float
    skewness: float
    kurtosis: float


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """``value[k]`` of the values ``k`` apart; inside +- ``bound`` are 95 % of those of independent values."""

    value: tuple[float, ...]
    bound: float
    n: int

    @property
    def lag_1(self) -> float:
        return self.value[1]

    @property
    def effective_n(self) -> float:
        """How many independent values would tell as much of the sigma as these n: n / (1 + 2 sum rho_k^2) [1].

        The sum ends at the first lag that could be chance.

        [1] G. V. Bayley, J. M. Hammersley, J. R. Statist. Soc. Suppl. 8 (1946) 184-197.
        """
        rho = np.array(self.value[1:])
        chance = np.flatnonzero(np.abs(rho) <= self.bound)
        told = rho[: chance[0]] if len(chance) else rho
        return float(self.n / (1.0 + 2.0 * told @ told))


@dataclass(frozen=True, slots=True)
class Autoregression:
    """x_t = mean + sum_k phi_k (x_(t-k) - mean) + e_t, the e_t independent with standard deviation ``noise``."""

    mean: float
    phi: tuple[float, ...]
    noise: float
    sigma: float  # of x

    def simulate(self, n: int, rng: np.random.Generator) -> FloatArray:
        """``n`` values of it with normal noise, settled from the first."""
        noise = rng.normal(0.0, self.noise, WARM_UP + n)
        x = np.asarray(scipy.signal.lfilter([1.0], [1.0, *(-one for one in self.phi)], noise), np.float64)
        return self.mean + x[WARM_UP:]


def normality(values: FloatArray) -> Normality:
    """R. B. D'Agostino, M. A. Stephens, Goodness-of-Fit Techniques (1986) section 4.8, case 3."""
    used = np.sort(values[np.isfinite(values)])
    n = len(used)
    centred = used - used.mean()
    z = centred / used.std(ddof=1)
    odd = 2.0 * np.arange(1, n + 1) - 1.0
    squared = -n - float(odd @ (scipy.special.log_ndtr(z) + scipy.special.log_ndtr(-z[::-1]))) / n
    statistic = squared * (1.0 + 0.75 / n + 2.25 / n**2)
    variance = float(np.mean(centred**2))
    skewness = float(np.mean(centred**3)) / variance**1.5
    return Normality(n, statistic, _p(statistic), skewness, float(np.mean(centred**4)) / variance**2 - 3.0)


def _p(a: float) -> float:
    """Share of normal samples with a larger statistic, table 4.9."""
    if a < 0.2:
        return 1.0 - exp(-13.436 + 101.14 * a - 223.73 * a**2)
    if a < 0.34:
        return 1.0 - exp(-8.318 + 42.796 * a - 59.938 * a**2)
    if a < 0.6:
        return exp(0.9177 - 4.279 * a - 1.38 * a**2)
    return exp(1.2937 - 5.709 * a + 0.0186 * a**2) if a < 13.0 else 0.0


def autocorrelation(values: FloatArray, lags: int = LAGS) -> Autocorrelation:
    """rho_k = sum (x_t - mean)(x_(t+k) - mean) / sum (x_t - mean)^2, at most a quarter of the values apart.

    Bartlett's bound of independent values is 1.96 / sqrt(n). G. E. P. Box, G. M. Jenkins, Time Series Analysis
    (1976) section 2.1.
    """
    known = np.isfinite(values)
    n = int(known.sum())
    centred = np.where(known, values - np.mean(values[known]), 0.0)
    lags = min(lags, max(1, n // 4))
    whole = float(centred @ centred)
    if not whole > 0:
        raise ValueError("the values do not vary: they have no autocorrelation")
    rho = [float(centred[k:] @ centred[: len(centred) - k]) / whole for k in range(lags + 1)]
    return Autocorrelation(tuple(rho), 1.96 / sqrt(n), n)


def fit_autoregression(values: FloatArray, longest: int = LONGEST_MEMORY) -> Autoregression:
    """Yule-Walker, with the order that Akaike's criterion finds best; always a process that settles.

    G. E. P. Box, G. M. Jenkins, Time Series Analysis (1976) sections 3.2 and 6.2.
    """
    used = values[np.isfinite(values)]
    sigma = float(used.std())
    found = autocorrelation(values, longest)
    rho = np.array(found.value)
    best = (0.0, np.empty(0), 1.0)  # criterion, coefficients, share of the variance that is noise
    for order in range(1, len(rho)):
        phi = np.asarray(scipy.linalg.solve_toeplitz(rho[:order], rho[1 : order + 1]))
        share = max(float(1.0 - phi @ rho[1 : order + 1]), 1e-12)
        criterion = found.n * log(share) + 2.0 * order
        if criterion < best[0]:
            best = (criterion, phi, share)
    return Autoregression(float(used.mean()), tuple(best[1].tolist()), sigma * sqrt(best[2]), sigma)


def normal_quantiles(n: int) -> FloatArray:
    """Where the n ordered values of a normal sample are expected, standardised: for a probability plot [1].

    [1] G. Blom, Statistical Estimates and Transformed Beta-Variables (1958): (i - 3/8) / (n + 1/4).
    """
    return np.asarray(scipy.special.ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25)), np.float64)
