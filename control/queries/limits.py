"""Limits: their versions, the values a new one could be drawn from, and what a stretch of values is capable of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection
from django.db.models import QuerySet

from control.core.spc.capability import MOVING_RANGE_EFFICIENCY, Capability, Specification, capability
from control.core.spc.constants import d2
from control.core.types import FloatArray, IntArray, MeasuredBy, Quality
from control.core.versions import OPEN
from control.models import Lane, Limits, Point, Recipe, Stream, VersionState
from control.models import Version as Stored

from . import process_events

MOST_VALUES = 50_000
# Mean, spread, mean moving range within a roll and resemblance of neighbours, a row a stream
_SUMMARY = f"""
    WITH told AS (
        SELECT p.stream_id, p.value, lag(p.value) OVER line AS before, lag(p.roll) OVER line = p.roll AS same_roll
        FROM control_point p JOIN control_stream s ON s.id = p.stream_id
        WHERE s.lane_id = %(lane)s AND p.at >= %(start)s AND p.at < %(end)s AND p.by = {MeasuredBy.GAUGE}
            AND p.quality = {Quality.GOOD} AND p.value IS NOT NULL
        WINDOW line AS (PARTITION BY p.stream_id ORDER BY p.at, p.seq))
    SELECT stream_id, count(*), avg(value), stddev_samp(value), avg(abs(value - before)) FILTER (WHERE same_roll),
        coalesce(corr(value, before), 0)
    FROM told GROUP BY stream_id HAVING count(*) > 1"""  # noqa: S608 - our own numbers


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a stream's limits, and its rows: the charts that were drafted and in force together."""

    stored: Stored
    rows: tuple[Limits, ...]

    @property
    def matters(self) -> bool:
        """Whether it is in force, or may still come into force."""
        return self.stored.state == VersionState.ACTIVE or self.stored.state in OPEN

    @property
    def first(self) -> Limits:
        """The chart of single values, or the only one there is."""
        return self.rows[0]

    @property
    def per_shift(self) -> float | None:
        """False alarms foretold for a shift; None where nobody asked."""
        told = [row.expected["per_shift"] for row in self.rows if row.expected]
        return sum(told) if told else None

    @property
    def shares(self) -> list[tuple[int, float]]:
        """Each rule's share of them in percent, the loudest first."""
        by_rule = [
            (int(bit), number) for row in self.rows if row.expected for bit, number in row.expected["by_rule"].items()
        ]
        whole = sum(number for _, number in by_rule)
        return [(bit, 100.0 * number / whole) for bit, number in sorted(by_rule, key=lambda one: -one[1]) if number > 0]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Good gauge values of one stream in the order of the foil, all (n,).

    ``error`` is measured minus predicted, NaN where nothing was predicted; ``stage`` counts what they were made under:
    another roll, recipe or an event that breaks the chart begins the next. ``cut``: there were more than
    ``MOST_VALUES``, and these are the newest of them. ``n`` are the sizes of samples, of what is counted: whoever
    counted it, and a roll, of which there may be but one sample, begins no stage.
    """

    at_s: FloatArray
    value: FloatArray
    error: FloatArray
    stage: IntArray
    cut: bool
    n: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Capable:
    """Capability of one stream in a window: of ``n`` values, worth ``effective_n`` that know nothing of each other."""

    stream: Stream
    n: int
    effective_n: float
    mean: float
    indices: Capability


def versions(stream: Stream) -> list[Version]:
    """All versions, the newest first."""
    found = Stored.objects.filter(kind=Limits.KIND, scope=stream.pk).select_related("author", "approved_by")
    return [Version(row, tuple(sorted(Limits.of(row), key=_place))) for row in found.order_by("-number")]


def _place(row: Limits) -> int:
    return Limits.Chart.values.index(row.chart)


def visible_streams(line_ids: Iterable[int]) -> QuerySet[Stream]:
    rows = Stream.objects.filter(lane__equipment__line__in=line_ids)
    return rows.select_related("characteristic", "lane__equipment__line__area__site")


def beside(stream: Stream) -> list[Stream]:
    """The other lanes of its characteristic on the same machine, as far as they are charted."""
    alike = Stream.objects.filter(lane__equipment=stream.lane.equipment_id, characteristic=stream.characteristic_id)
    charted = alike.filter(limits__chart=Limits.Chart.INDIVIDUALS, limits__state=VersionState.ACTIVE)
    return list(charted.exclude(pk=stream.pk).select_related("lane", "characteristic").order_by("id"))


def newest(stream: Stream) -> datetime | None:
    """When the foil of the last gauge value was made."""
    points = Point.objects.filter(stream=stream, by__in=_charted(stream))
    return points.order_by("-at").values_list("at", flat=True).first()


def window(stream: Stream, start: datetime, end: datetime) -> Window:
    """What was measured of foil made in ``start <= at < end``, the newest of it if that is very much."""
    points = Point.objects.filter(
        stream=stream, at__gte=start, at__lt=end, by__in=_charted(stream), quality=Quality.GOOD, value__isnull=False
    )
    counted = bool(stream.characteristic.counted)
    if counted:
        points = points.filter(n__isnull=False)
    newest_first = points.order_by("-at", "-seq").values_list("at", "roll", "value", "predicted", "n")
    found = list(newest_first[: MOST_VALUES + 1])
    told = found[:MOST_VALUES][::-1]
    at_s = np.array([at.timestamp() for at, *_ in told])
    value, predicted = (np.array([row[i] for row in told], np.float64) for i in (2, 3))
    roll = np.array([0 if counted else row[1] for row in told], np.int64)
    return Window(
        at_s, value, value - predicted, _stages(stream, start, end, at_s, roll), len(found) > MOST_VALUES,
        np.array([row[4] for row in told], np.float64) if counted else None,
    )  # fmt: skip


def _charted(stream: Stream) -> tuple[MeasuredBy, ...]:
    return (MeasuredBy.GAUGE, MeasuredBy.LAB) if stream.characteristic.counted else (MeasuredBy.GAUGE,)


def targets(stream: Stream, at_s: FloatArray) -> FloatArray:
    """What the recipe of then wanted of foil made at each instant (n,); NaN where it did not say.

    Of foil made before the first recipe that is known, the first.
    """
    begun = Recipe.objects.filter(line=stream.lane.equipment.line_id, effective_from__isnull=False)
    recipes = list(begun.order_by("effective_from", "number"))
    told = [specification(stream, recipe).target for recipe in recipes]
    place = np.searchsorted([at.timestamp() for recipe in recipes if (at := recipe.effective_from)], at_s, "right")
    return np.array(told or [np.nan])[np.maximum(place - 1, 0)]


def recipes_begun(stream: Stream, start: datetime, end: datetime) -> list[datetime]:
    """When other recipes came into force after ``start`` and before ``end``."""
    rows = Recipe.objects.filter(line=stream.lane.equipment.line_id, effective_from__gt=start, effective_from__lt=end)
    return [at for at in rows.order_by("effective_from").values_list("effective_from", flat=True) if at]


def _stages(stream: Stream, start: datetime, end: datetime, at_s: FloatArray, roll: IntArray) -> IntArray:
    begun = [one.at for one in process_events.stages(stream, start, end)]
    begun += recipes_begun(stream, start, end)
    after = np.searchsorted(np.sort([at.timestamp() for at in begun]), at_s, "right")
    return np.asarray(after + _rolls_begun(roll), np.int64)


def _rolls_begun(roll: IntArray) -> IntArray:
    """How many rolls began up to each value; a value whose roll is not known (0) belongs to the one before it."""
    known = np.maximum.accumulate(np.where(roll > 0, np.arange(len(roll)), 0))
    return np.asarray(np.cumsum(np.diff(roll[known], prepend=roll[known][:1]) != 0), np.int64)


def specification(stream: Stream, recipe: Recipe | None) -> Specification:
    spec = (recipe.stream_spec(stream.lane.equipment.key, stream.key) if recipe else None) or {}
    return Specification(*(_or_nan(spec.get(side)) for side in ("lower", "target", "upper")))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def capable(
    lane: Lane, streams: Iterable[Stream], recipe: Recipe | None, start: datetime, end: datetime
) -> list[Capable]:
    """Capability of a lane's streams from one look at the foil made in ``start <= at < end``.

    Sigma within is that of moving ranges. Neighbours are taken to resemble each other as in a first-order process.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARY, {"lane": lane.pk, "start": start, "end": end})
        told = {row[0]: row[1:] for row in cursor.fetchall()}
    return [_capable(stream, recipe, *told[stream.pk]) for stream in streams if stream.pk in told]


def _capable(
    stream: Stream, recipe: Recipe | None, n: int, mean: float, overall: float, moving_range: float | None, rho: float
) -> Capable:
    effective = max(2.0, n * (1.0 - rho**2) / (1.0 + rho**2))
    indices = capability(
        mean, (moving_range or 0.0) / d2(2), overall, effective, specification(stream, recipe),
        within_n=MOVING_RANGE_EFFICIENCY * effective,
    )  # fmt: skip
    return Capable(stream, n, effective, mean, indices)
