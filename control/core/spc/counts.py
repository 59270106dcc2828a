"""The six charts of counts in one form, for samples of any size.

    z_i = (r_i - r) / (sigma_1 / sqrt(n_i))        r_i = count / n_i, r the rate of all samples together
    sigma_1 = sqrt(r (1 - r)) of defectives, sqrt(r) of defects, times sigma_z of Laney's charts

sigma_1 is that of a sample of one unit. A sample of four times the size has lines twice as close, whatever the chart.
Those of one size (np, c) are drawn as counts and judged as rates. See :mod:`p_chart`, :mod:`np_chart`, :mod:`c_chart`,
:mod:`u_chart` and :mod:`laney`, whose verdicts these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from control.core.spc import laney, p_chart, u_chart
from control.core.spc.capability import MOVING_RANGE_EFFICIENCY
from control.core.spc.lines import Lines
from control.core.types import FloatArray, Rule

DEFECTIVES, DEFECTS = "defectives", "defects"
FIT = Rule.BEYOND_3_SIGMA | Rule.RUN_ONE_SIDE | Rule.TREND | Rule.ALTERNATING  # the others presume normal zones
SURE = 1.645  # sigma of an estimated sigma_z above 1 that chance passes once in twenty
FEWEST = 20  # samples


@dataclass(frozen=True, slots=True)
class Kind:
    """A chart of counts: of what, whether samples have one size, and whether they differ by more than chance."""

    of: str
    one_size: bool = False
    wider: bool = False

    @property
    def family(self) -> laney.Kind:
        return "p" if self.of == DEFECTIVES else "u"


KINDS = {
    "p": Kind(DEFECTIVES),
    "np": Kind(DEFECTIVES, one_size=True),
    "laney_p": Kind(DEFECTIVES, wider=True),
    "u": Kind(DEFECTS),
    "c": Kind(DEFECTS, one_size=True),
    "laney_u": Kind(DEFECTS, wider=True),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Phase I: the rate of all ``samples``, sigma of the rate of a sample of one unit, and the usual ``size``.

    ``sigma_z`` is how many times wider they scatter than chance; Laney's charts have it in ``sigma_1``.
    """

    mean: float
    sigma_1: float
    size: float
    sigma_z: float
    samples: int

    @property
    def sigma(self) -> float:
        """Of the rate of a sample of the usual size."""
        return self.sigma_1 / sqrt(self.size)

    @property
    def overdispersed(self) -> bool:
        """Whether sigma_z is above 1 by more than estimating it from so few samples explains."""
        return self.sigma_z > 1.0 + SURE / sqrt(2.0 * MOVING_RANGE_EFFICIENCY * self.samples)


def phase_one(rates: FloatArray, sizes: FloatArray, kind: Kind) -> Found:
    """From samples (k,) in time order; ``rates`` is NaN where one is left out or a stage ends."""
    kept = np.isfinite(rates)
    counts, chart = rates * sizes, p_chart if kind.family == "p" else u_chart
    if kept.sum() < FEWEST:
        raise ValueError(f"limits need at least {FEWEST} values, there are {kept.sum()}")
    if not np.ptp(rates[kept]) > 0:
        raise ValueError("the values do not vary: no limits can be drawn from them")
    if kind.one_size and np.ptp(sizes[kept]) > 0:
        raise ValueError("the samples are not of one size: the chart of their rates has lines for each")
    mean = chart.centre(counts[kept], sizes[kept])
    wider = laney.sigma_z(counts, sizes, mean, kind.family)
    if kind.wider and not wider > 0:
        raise ValueError("the values do not vary: no limits can be drawn from them")
    of_one = float(chart.sigma(mean, np.ones(1))[0])
    size = float(np.median(sizes[kept]))
    return Found(mean, of_one * (wider if kind.wider else 1.0), size, wider, int(kept.sum()))


@dataclass(frozen=True, slots=True)
class Chance:
    """Samples of one ``size`` in which nothing but chance is at work: the process whose false alarms are foretold.

    ``sigma`` is that of their rate; on Laney's charts it is wider than counting alone explains, and taken as normal, as
    far as a rate can be.
    """

    mean: float
    sigma: float
    size: float
    kind: Kind

    def simulate(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Rates of ``n`` samples."""
        if self.kind.wider:
            highest = 1.0 if self.kind.of == DEFECTIVES else np.inf
            return np.clip(self.mean + self.sigma * rng.standard_normal(n), 0.0, highest)
        if self.kind.of == DEFECTIVES:
            return np.asarray(rng.binomial(round(self.size), self.mean, n) / self.size)
        return np.asarray(rng.poisson(self.size * self.mean, n) / self.size)


def standardised(rates: FloatArray, sizes: FloatArray, mean: float, sigma_1: float) -> FloatArray:
    """How many sigma each rate is from the mean."""
    return np.asarray((rates - mean) * np.sqrt(sizes) / sigma_1)


def lines(mean: float, sigma_1: float, sizes: FloatArray, of: str) -> Lines:
    """Of rates (k,): never below 0, of defectives never above 1."""
    reach = 3.0 * sigma_1 / np.sqrt(sizes)
    upper = mean + reach if of == DEFECTS else np.minimum(mean + reach, 1.0)
    return Lines(np.maximum(mean - reach, 0.0), np.full(len(sizes), mean), upper)


def fits(rules: Rule) -> bool:
    """Whether a set of rules means something on a chart of counts."""
    return not rules & ~FIT
