"""A window of values in three drawings: in time, by size, and against itself. Pure: no database, no clock.

Everything is in units of a drawing WIDE (in time: WIDER) x HIGH, as paths and rectangles of an SVG.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite

import numpy as np

from control.core.spc.capability import Specification
from control.core.spc.diagnostics import Autocorrelation
from control.core.types import BoolArray, FloatArray, IntArray

WIDE, WIDER, HIGH = 640.0, 1200.0, 200.0
MOST_DRAWN = 800  # points of a line; of more, the lowest and highest of each stretch stay
MOST_BARS = 40
MARGIN = 0.06  # of the height, above and below what is drawn


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the drawing or a spot in it, with what it is called or stands for."""

    x: float
    y: float
    kind: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class RunChart:
    """``path`` of the values used, broken where a stage ends; ``lines`` at heights; ``spots`` that need a look."""

    path: str
    lines: list[Mark]
    spots: list[Mark]


@dataclass(frozen=True, slots=True)
class Histogram:
    """``bars`` of the values, ``curve`` of the normal distribution with their mean and sigma, ``lines`` at x."""

    bars: list[Bar]
    curve: str
    lines: list[Mark]


@dataclass(frozen=True, slots=True)
class Correlogram:
    """A bar for each lag from one, standing on ``zero``; between ``high`` and ``low`` it could be chance."""

    bars: list[Bar]
    zero: float
    high: float
    low: float


def run_chart(
    at_s: FloatArray,
    value: FloatArray,
    stage: IntArray,
    kept: BoolArray,
    suspect: BoolArray,
    lines: dict[str, float],
    decimals: int,
) -> RunChart:
    """``lines`` are heights by kind: ``mean``, ``lcl``, ``ucl``, and ``lsl``, ``usl`` where they are near enough."""
    shown = np.concatenate([value, [lines[kind] for kind in ("lcl", "mean", "ucl")]])
    low, high = _padded(float(shown.min()), float(shown.max()))
    x = (at_s - at_s[0]) / max(at_s[-1] - at_s[0], 1.0) * WIDER
    y = (high - value) / (high - low) * HIGH
    drawn = [
        Mark(WIDER, round((high - at) / (high - low) * HIGH, 1), kind, f"{at:.{decimals}f}")
        for kind, at in lines.items()
        if isfinite(at) and low <= at <= high
    ]
    spots = [Mark(round(x[i], 1), round(y[i], 1), "left-out") for i in np.flatnonzero(~kept)]
    spots += [Mark(round(x[i], 1), round(y[i], 1), "suspect") for i in np.flatnonzero(suspect)]
    return RunChart(_path(x, y, stage, kept), drawn, spots)


def _path(x: FloatArray, y: FloatArray, stage: IntArray, kept: BoolArray) -> str:
    where = _thinned(y, np.flatnonzero(kept))
    parts, before = [], None
    for i in where.tolist():
        parts.append(f"{'L' if stage[i] == before else 'M'}{x[i]:.1f} {y[i]:.1f}")
        before = stage[i]
    return "".join(parts)


def _thinned(y: FloatArray, where: IntArray) -> IntArray:
    if len(where) <= MOST_DRAWN:
        return where
    stretches = np.array_split(where, MOST_DRAWN // 2)
    return np.unique([stretch[pick(y[stretch])] for stretch in stretches for pick in (np.argmin, np.argmax)])


def histogram(value: FloatArray, spec: Specification, lines: dict[str, float], decimals: int) -> Histogram:
    """``lines`` as of the run chart; the specification is drawn where the values come near it."""
    mean, sigma = float(value.mean()), float(value.std(ddof=1))
    edges = np.array([value.min(), value.max(), lines["lcl"], lines["ucl"]])
    low, high = _padded(float(edges.min()), float(edges.max()))
    bins = int(min(MOST_BARS, max(8, np.sqrt(len(value)))))
    count, _edges = np.histogram(value, bins=bins, range=(low, high))
    normal = [(x, exp(-0.5 * ((x - mean) / sigma) ** 2)) for x in np.linspace(low, high, 81)]
    peak = len(value) * (high - low) / bins / (sigma * (2 * np.pi) ** 0.5)
    unit = HIGH * (1 - MARGIN) / max(float(count.max()), peak)
    wide = WIDE / bins
    bars = [
        Bar(round(i * wide + 0.5, 1), round(HIGH - n * unit, 1), round(wide - 1, 1), round(n * unit, 1))
        for i, n in enumerate(count.tolist())
    ]
    curve = "M" + "L".join(f"{(x - low) / (high - low) * WIDE:.1f} {HIGH - y * peak * unit:.1f}" for x, y in normal)
    told = {**lines, "lsl": spec.lower, "usl": spec.upper}
    marks = [
        Mark(round((x - low) / (high - low) * WIDE, 1), 0.0, kind, f"{x:.{decimals}f}")
        for kind, x in told.items()
        if isfinite(x) and low <= x <= high
    ]
    return Histogram(bars, curve, marks)


def correlogram(found: Autocorrelation) -> Correlogram:
    """As far above and below zero as there is anything to show, and at least half and a fifth."""
    rho = found.value[1:]
    low, high = min(-0.2, *rho, -found.bound) * 1.1, max(0.5, *rho, found.bound) * 1.1
    unit = HIGH / (high - low)
    zero, wide = high * unit, WIDE / len(rho)
    bars = [
        Bar(
            round(i * wide + 1, 1), round(zero - max(one, 0.0) * unit, 1), round(wide - 2, 1), round(abs(one) * unit, 1)
        )
        for i, one in enumerate(rho)
    ]
    return Correlogram(bars, round(zero, 1), round(zero - found.bound * unit, 1), round(zero + found.bound * unit, 1))


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = MARGIN * (high - low) or 1.0
    return low - pad, high + pad
