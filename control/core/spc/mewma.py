"""MEWMA: the EWMA of several values taken together.

    z_t = w y_t + (1 - w) z_(t-1)        T2_t = |z_t|^2 / (w / (2 - w) (1 - (1 - w)^(2 t)))        signal: T2_t > h

on whitened deviations y (:class:`control.core.spc.hotelling.Reference`). h follows from the run length wanted, by a
Markov chain over |z|. Beside it: :mod:`hotelling`, quicker on large shifts.

C. A. Lowry, W. H. Woodall, C. W. Champ, S. E. Rigdon, Technometrics 34 (1992) 46-53; the chain: G. C. Runger,
S. S. Prabhu, J. American Statistical Association 91 (1996) 1701-1706.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import sqrt
from typing import NamedTuple

import numpy as np
import scipy

from control.core.spc.hotelling import Reference
from control.core.types import BoolArray, FloatArray

RINGS = 60  # the range of |z| is cut into so many


class Standing(NamedTuple):
    """Where the average stands after ``taken`` observations: (p,) plain numbers."""

    average: tuple[float, ...]
    taken: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Mewma:
    """T2 of the average after each observation (k,), whether it is beyond h, and where it stands now."""

    value: FloatArray
    beyond: BoolArray
    standing: Standing


def judge(values: FloatArray, reference: Reference, weight: float, h: float, standing: Standing | None = None) -> Mewma:
    """Continue the average from ``standing`` (None: from the mean) over ``values`` (k, p)."""
    held = standing or Standing((0.0,) * len(reference.mean))
    whitened = reference.whitened(values)
    began = (1.0 - weight) * np.array([held.average])
    average = scipy.signal.lfilter([weight], [1.0, weight - 1.0], whitened, axis=0, zi=began)[0]
    t = held.taken + np.arange(1, len(values) + 1)
    variance = weight / (2.0 - weight) * (1.0 - (1.0 - weight) ** (2.0 * t))
    value = np.square(average).sum(axis=1) / variance
    last = tuple(average[-1].tolist()) if len(values) else held.average
    return Mewma(value, value > h, Standing(last, held.taken + len(values)))


@cache
def upper_line(p: int, weight: float, run_length: float = 370.4) -> float:
    """h for which a false alarm comes every ``run_length`` observations, once the limits have settled."""
    found = scipy.optimize.brentq(
        lambda h: in_control_run_length(p, weight, h) - run_length, 0.5, 10.0 * p + 30.0, xtol=1e-4
    )
    return float(found)


def in_control_run_length(p: int, weight: float, h: float) -> float:
    """Mean observations to a false alarm with settled limits."""
    radius = sqrt(h * weight / (2.0 - weight))
    ring = 2.0 * radius / (2 * RINGS + 1)
    at = ring * np.arange(RINGS + 1)  # middle of each ring; the innermost is a disc around zero
    edges = (at + ring / 2.0) / weight
    inside = scipy.special.chndtr(edges[None, :] ** 2, p, (((1.0 - weight) * at / weight) ** 2)[:, None])
    stay = np.diff(inside, axis=1, prepend=0.0)
    return float(np.linalg.solve(np.eye(RINGS + 1) - stay, np.ones(RINGS + 1))[0])
