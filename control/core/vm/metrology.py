"""DQIy: is a measured value fit to be learned from or fed back? A bad one is shown, and moves nothing.

Each check is a ratio that says no above 1:

    range      |y - c| / reach                 c: the target, or the mean of training
    alone      |y - f - B| / (6 sigma)         unless another value, before it or beside it, says the same
    identity   |10 m / (t d) - 1| / allowed    loading m [mg/cm2], thickness t [um] and density d [g/cm3] of one metre
    gauge lab  max(C+, C-) / 5                 CUSUM of gauge less lab at the same metre, in sigma of the residual
    reversed   no ratio                        the web ran back over the metre: nobody knows which time made it

The idea of an index of the quality of y: Y.-T. Huang, F.-T. Cheng, IEEE Transactions on Semiconductor Manufacturing
24 (2011) 209-216. CUSUM: E. S. Page, Biometrika 41 (1954) 100-115; with k = 0.5 and h = 5 a bias of one sigma is found
after ten samples, and a sound gauge is blamed once in 470.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from control.core.types import FloatArray, IntArray, Measured

FAR = 6.0  # sigma of the residual
PLAUSIBLE = 0.5  # of the target or mean: further off than that is another quantity, or nothing
SPREADS = 20.0  # sigma of the labels, where those say more
REFERENCE, LIMIT = 0.5, 5.0  # of the CUSUM, in sigma
HIGHEST = 1.2 * LIMIT  # so that a gauge that was set right is believed again after two samples


class Doubt(IntEnum):
    """Why a measured value is not believed. The numbers are stored."""

    NONE = 0
    RANGE = 1
    ALONE = 2
    IDENTITY = 3
    GAUGE_LAB = 4
    REVERSED = 5


@dataclass(frozen=True, slots=True)
class Triple:
    """Streams of one lane that the identity binds, by index. ``loading`` is None where it is only known from elsewhere:

    then ``expected`` is what should come in (mg/cm2, both sides), and ``tolerance`` how far it may be off, relative.
    """

    thickness: int
    density: int
    loading: int | None = None
    expected: float = float("nan")
    tolerance: float = 0.0


def plausible(centre: FloatArray, sigma: FloatArray) -> FloatArray:
    """How far from its centre a stream's value may lie (streams,); NaN where nothing is known of it."""
    return np.fmax(PLAUSIBLE * np.abs(centre), SPREADS * sigma)


def out_of_range(value: FloatArray, centre: FloatArray, reach: FloatArray) -> FloatArray:
    """Ratio (k,): distance from the centre over the reach."""
    return np.asarray(np.abs(value - centre) / reach)


def alone(deviation: float, others: Iterable[float], far: float) -> float:
    """Ratio: how far a value is from its prediction; 0 where one of ``others`` is far too, and to the same place.

    Two that agree are foil, however far; one by itself is a wild reading. All in the unit of the value.
    """
    if not abs(deviation) > far:
        return abs(deviation) / far
    witnessed = any(abs(other) > far and abs(deviation - other) <= far for other in others)
    return 0.0 if witnessed else abs(deviation) / far


def contradictions(triples: Sequence[Triple], measured: Measured, sigma: FloatArray) -> FloatArray:
    """Ratio (k,) by which the three quantities of one lane and metre contradict each other; 0 where not all are known.

    ``sigma`` (streams,) is that of each stream's residual: what is allowed is six of them, in quadrature, and twice the
    tolerance of a loading that was not measured here.
    """
    broken = np.zeros(len(measured))
    if not triples or len(measured) < 2:
        return broken
    found = {
        (stream, roll, web_m): k
        for k, (stream, roll, web_m) in enumerate(
            zip(measured.stream.tolist(), measured.roll.tolist(), measured.web_m.tolist(), strict=True)
        )
    }
    by_thickness = {triple.thickness: triple for triple in triples}
    for (stream, roll, web_m), k in found.items():
        triple = by_thickness.get(stream)
        if triple is None or (other := found.get((triple.density, roll, web_m))) is None:
            continue
        loading = None if triple.loading is None else found.get((triple.loading, roll, web_m))
        places = [k, other] if loading is None else [k, other, loading]
        broken[places] = _contradiction(triple, measured.value[places], measured.stream[places], sigma)
    return broken


def _contradiction(triple: Triple, value: FloatArray, stream: IntArray, sigma: FloatArray) -> float:
    """Ratio for one metre; ``value`` are thickness, density and, if it was measured here, loading."""
    known = len(value) == 3
    loading, tolerance = (float(value[2]), 0.0) if known else (triple.expected, triple.tolerance)
    thickness, density = float(value[0]), float(value[1])
    if not (thickness > 0 and density > 0 and loading > 0):
        return 0.0
    noise = float(np.sqrt(np.sum((sigma[stream] / value) ** 2)))
    ratio = abs(10.0 * loading / (thickness * density) - 1.0) / (FAR * noise + 2.0 * tolerance)
    return ratio if np.isfinite(ratio) else 0.0


def gauge_to_lab(held: tuple[float, float], difference: float) -> tuple[float, float]:
    """C+ and C- after one more lab sample; ``difference`` is gauge less lab at its metre, in sigma."""
    up, down = held
    return (
        min(max(0.0, up + difference - REFERENCE), HIGHEST),
        min(max(0.0, down - difference - REFERENCE), HIGHEST),
    )
