"""Where things lie in a drawing, and what a stream's risk is called. Pure: no database, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from control.core.types import Quality, Verdict
from control.queries.overview import StreamNow

WIDTH = 100.0  # positions are percent of the drawing, so that marks keep their shape at any width
MARGIN = 0.25  # of the specification's width, on either side
AHEAD_S = 1800.0
OLD_S = 30.0  # a prediction older than this is said to be old


class Risk(StrEnum):
    """What the next half hour holds for a stream, in three states; two more where little or nothing can be said."""

    NORMAL = "normal"
    WATCH = "watch"
    OUT = "out"
    UNSURE = "unsure"  # there is a prediction, but it does not trust itself: a new roll, doubtful inputs
    UNKNOWN = "unknown"


ORDER = (Risk.OUT, Risk.WATCH, Risk.UNKNOWN, Risk.UNSURE, Risk.NORMAL)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from ``low`` to ``high`` onto 0 to WIDTH, clipping what lies beyond."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(min(1.0, max(0.0, share)) * WIDTH, 2)

    def clips(self, value: float) -> str:
        """``low`` or ``high`` when the value lies outside the drawing."""
        return "low" if value < self.low else "high" if value > self.high else ""


@dataclass(frozen=True, slots=True)
class Band:
    x: float
    width: float

    @property
    def right(self) -> float:
        return round(self.x + self.width, 2)


@dataclass(frozen=True, slots=True)
class Bar:
    """A stream in its normal band, ready to be drawn."""

    spec: Band | None
    control: Band | None
    interval: Band | None
    target: float | None
    predicted: float | None
    measured: float | None
    clipped: str


def scale_for(values: Iterable[float | None], lower: float | None, upper: float | None) -> Scale | None:
    """The specification +- 25 %; without one, the values and a quarter more."""
    if lower is not None and upper is not None and upper > lower:
        pad = MARGIN * (upper - lower)
        return Scale(lower - pad, upper + pad)
    known = [value for value in (*values, lower, upper) if value is not None and math.isfinite(value)]
    if not known:
        return None
    pad = MARGIN * (max(known) - min(known)) or abs(known[0]) * 0.05 or 1.0
    return Scale(min(known) - pad, max(known) + pad)


def bar(now: StreamNow) -> Bar | None:
    predicted = now.predicted and now.predicted.value
    measured = now.measured and now.measured.value
    low, high = (now.predicted.low, now.predicted.high) if now.predicted else (None, None)
    scale = scale_for((predicted, measured, low, high, *(now.control or ())), now.lower, now.upper)
    if scale is None:
        return None
    return Bar(
        spec=_band(scale, now.lower, now.upper),
        control=_band(scale, *(now.control or (None, None))),
        interval=_band(scale, low, high),
        target=_at(scale, now.target),
        predicted=_at(scale, predicted),
        measured=_at(scale, measured),
        clipped=scale.clips(predicted) if predicted is not None else "",
    )


def _band(scale: Scale, low: float | None, high: float | None) -> Band | None:
    if low is None or high is None:
        return None
    return Band(scale(low), max(0.3, round(scale(high) - scale(low), 2)))


def _at(scale: Scale, value: float | None) -> float | None:
    return None if value is None else scale(value)


def risk(now: StreamNow) -> Risk:
    """Where the stream will be in half an hour if its trend goes on and nothing is done."""
    said = now.predicted
    if said is None or said.value is None or said.quality >= Quality.BAD:
        return Risk.UNKNOWN
    half = (said.high - said.low) / 2 if said.low is not None and said.high is not None else 0.0
    ahead = said.value + (now.slope or 0.0) * AHEAD_S
    if said.verdict == Verdict.OUT or _outside(ahead, now.lower, now.upper):
        return Risk.OUT
    close = _outside(ahead - half, now.lower, None) or _outside(ahead + half, None, now.upper)
    if close or (now.control and _outside(ahead, *now.control)):
        return Risk.WATCH
    return Risk.UNSURE if said.verdict == Verdict.MEASURE else Risk.NORMAL


def _outside(value: float, lower: float | None, upper: float | None) -> bool:
    return (lower is not None and value < lower) or (upper is not None and value > upper)


def worst(risks: Sequence[Risk]) -> Risk:
    return min(risks, key=ORDER.index, default=Risk.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Outlook:
    """One controlled stream of a change: now, without and with it; positions on a common scale."""

    stream: str
    target: float
    now: float
    do_nothing: float
    after: float
    half_width: float
    spec: Band | None
    x_target: float
    x_now: float
    x_do_nothing: float
    x_after: float
    after_band: Band | None
    do_nothing_band: Band | None


def outlook(
    stream: str,
    target: float,
    now: float,
    do_nothing: float,
    after: float,
    half_width: float,
    lower: float | None,
    upper: float | None,
) -> Outlook:
    around = (target, now, do_nothing - half_width, do_nothing + half_width, after - half_width, after + half_width)
    scale = scale_for(around, lower, upper) or Scale(target - 1, target + 1)
    return Outlook(
        stream, target, now, do_nothing, after, half_width,
        spec=_band(scale, lower, upper),
        x_target=scale(target), x_now=scale(now), x_do_nothing=scale(do_nothing), x_after=scale(after),
        after_band=_band(scale, after - half_width, after + half_width),
        do_nothing_band=_band(scale, do_nothing - half_width, do_nothing + half_width),
    )  # fmt: skip
