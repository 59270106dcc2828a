"""The values of streams that entered their charts, in the order in which they were judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection

from control.core.process_events import LATE_S
from control.core.types import BoolArray, FloatArray, IntArray, MeasuredBy, Quality
from control.models import Limits, ProcessEvent, Stream, VersionState

from . import process_events

REACH = timedelta(days=2)  # before a range, that averages and sums have come to where they stood at its beginning
LATE = timedelta(seconds=LATE_S)
_CHARTED = f"by = {MeasuredBy.GAUGE:d} AND quality = {Quality.GOOD:d} AND value IS NOT NULL"
_VALUES = f"""
    SELECT stream_id, date_part('epoch', at), date_part('epoch', known_at), value, value - predicted, rules,
           roll > 0 OR web_m <> 0
    FROM control_point WHERE stream_id = ANY(%(streams)s) AND at >= %(since)s AND at <= %(until)s AND {_CHARTED}
    ORDER BY seq"""  # noqa: S608 - our own numbers
_BEFORE = f"""
    SELECT count(*) FROM control_point WHERE stream_id = %(stream)s AND at >= %(since)s AND at < %(until)s
        AND {_CHARTED}"""  # noqa: S608 - our own numbers


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Values of one stream (n,) in the order in which they were judged: made at ``at_s``, known at ``known_s``."""

    at_s: FloatArray
    known_s: FloatArray
    value: FloatArray
    error: FloatArray
    rules: IntArray

    def at(self, kept: BoolArray) -> Judged:
        columns = (self.at_s, self.known_s, self.value, self.error, self.rules)
        return Judged(*(column[kept] for column in columns))


def values(streams: Iterable[int], since: datetime, until: datetime) -> dict[int, Judged]:
    """Good gauge values of foil made in ``since <= at <= until`` that came in their turn, by stream."""
    told: dict[int, list[tuple[Any, ...]]] = {pk: [] for pk in streams}
    with connection.cursor() as cursor:
        cursor.execute(_VALUES, {"streams": list(told), "since": since, "until": until})
        for stream, *row in cursor.fetchall():
            told[stream].append(tuple(row))
    return {stream: _judged(rows) for stream, rows in told.items()}


def _judged(rows: Sequence[tuple[Any, ...]]) -> Judged:
    columns = list(zip(*rows, strict=True)) or [()] * 6
    at_s, known_s, value, error = (np.array(column, np.float64) for column in columns[:4])
    placed = np.array(columns[5], np.bool_)  # another stands at the instant it was measured
    latest = np.maximum.accumulate(np.where(placed, at_s, -np.inf))
    found = Judged(at_s, known_s, value, error, np.array(columns[4], np.int64))
    return found.at(~placed | (at_s >= latest))


def versions(streams: Iterable[Stream], until: datetime) -> dict[int, list[list[Limits]]]:
    """The charts of each version that came into force before ``until``, by stream and in that order."""
    rows = Limits.objects.filter(stream__in=list(streams), effective_from__lt=until).exclude(state=VersionState.DRAFT)
    told: dict[int, dict[int, list[Limits]]] = {}
    for row in rows.order_by("effective_from", "number", "pk"):
        told.setdefault(row.stream_id, {}).setdefault(row.number, []).append(row)
    return {stream: list(numbered.values()) for stream, numbered in told.items()}


@dataclass(frozen=True, slots=True)
class Boundary:
    """Foil made from ``at_s`` on is of another stage, as far as it was judged after ``told_s``."""

    at_s: float
    told_s: float


def boundaries(stream: Stream, until: datetime) -> list[Boundary]:
    """Where new stages of a stream's charts began, in order. What was told too late to act began none."""
    rows = ProcessEvent.objects.filter(
        equipment=stream.lane.equipment_id, kind__in=process_events.BREAKING, at__lte=until
    ).order_by("at")
    return [
        Boundary(row.at.timestamp(), row.recorded_at.timestamp() if row.recorded_by_id else -np.inf)
        for row in rows
        if process_events.concerns(row, stream.lane.side)
        and not (row.recorded_by_id and row.recorded_at - row.at > LATE)
    ]


def counted(stream: Stream, since: datetime, until: datetime) -> int:
    """How many values of foil made in ``since <= at < until`` entered the stream's charts."""
    with connection.cursor() as cursor:
        cursor.execute(_BEFORE, {"stream": stream.pk, "since": since, "until": until})
        return int(cursor.fetchone()[0])
