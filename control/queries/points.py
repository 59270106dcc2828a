"""Points on charts: by sequence number for those who follow, by time and thinned for those who look."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypedDict
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from control.core.types import MeasuredBy, Quality, Rule, Verdict
from control.core.vm.metrology import Doubt
from control.models import Cursor

KIND = {MeasuredBy.PREDICTION: "predicted", MeasuredBy.GAUGE: "gauge", MeasuredBy.LAB: "lab"}
QUALITY = {q.value: q.name.lower() for q in Quality}
DOUBT = {d.value: d.name.lower() if d else "" for d in Doubt}
VERDICT = {v.value: v.name.lower() for v in Verdict}

_COLUMNS = """p.seq, s.lane_id, p.stream_id, p.by, p.at, p.known_at, p.roll, p.web_m, p.value, p.low, p.high,
    p.predicted, p.reliance, p.similarity, p.quality, p.verdict, p.rules, p.doubt, p.n"""
_SINCE = f"""
    SELECT {_COLUMNS} FROM control_point p JOIN control_stream s ON s.id = p.stream_id
    WHERE p.equipment_id = %(equipment)s AND p.seq > %(since)s AND p.seq <= %(until)s
      AND (%(lane)s::bigint IS NULL OR s.lane_id = %(lane)s)
    ORDER BY p.seq LIMIT %(limit)s"""  # noqa: S608 - our own column names
_NEWEST = f"""
    SELECT * FROM (
        SELECT {_COLUMNS} FROM control_point p JOIN control_stream s ON s.id = p.stream_id
        WHERE p.equipment_id = %(equipment)s AND p.seq <= %(until)s AND p.seq > %(until)s - %(reach)s
          AND (%(lane)s::bigint IS NULL OR s.lane_id = %(lane)s)
        ORDER BY p.seq DESC LIMIT %(limit)s) newest
    ORDER BY seq"""  # noqa: S608 - our own column names
_EVERY = f"""
    SELECT {_COLUMNS} FROM control_point p JOIN control_stream s ON s.id = p.stream_id
    WHERE s.lane_id = %(lane)s AND p.at >= %(start)s AND p.at <= %(end)s ORDER BY p.at, p.seq"""  # noqa: S608 - our own column names
# Of each bucket the lowest and the highest stay, and every point that breaks a rule: thinning hides no violation.
_RANGE = f"""
    WITH inside AS (
        SELECT {_COLUMNS},
            width_bucket(extract(epoch FROM p.at), extract(epoch FROM %(start)s::timestamptz),
                         extract(epoch FROM %(end)s::timestamptz) + 1e-6, %(buckets)s) AS bucket
        FROM control_point p JOIN control_stream s ON s.id = p.stream_id
        WHERE s.lane_id = %(lane)s AND p.at >= %(start)s AND p.at <= %(end)s),
    ranked AS (
        SELECT *, row_number() OVER (PARTITION BY stream_id, by, bucket ORDER BY value NULLS FIRST, at) AS from_low,
            row_number() OVER (PARTITION BY stream_id, by, bucket ORDER BY value DESC NULLS LAST, at) AS from_high
        FROM inside)
    SELECT seq, lane_id, stream_id, by, at, known_at, roll, web_m, value, low, high, predicted, reliance, similarity,
        quality, verdict, rules, doubt, n
    FROM ranked WHERE from_low = 1 OR from_high = 1 OR rules <> 0 ORDER BY at, seq LIMIT %(limit)s"""  # noqa: S608 - our own column names


class PointJson(TypedDict):
    """A point as scripts and browsers get it. Times are UTC; a number that is not finite is null."""

    seq: int
    lane: int
    stream: int
    by: str
    at: str
    known_at: str
    roll: int
    web_m: float | None
    value: float | None
    low: float | None
    high: float | None
    predicted: float | None
    reliance: float | None
    similarity: float | None
    quality: str
    verdict: str
    rules: list[str]
    doubt: str
    n: float | None


def utc(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def rule_names(bits: int) -> list[str]:
    return [rule.name.lower() for rule in Rule if rule.value & bits and rule.name]


def _as_json(row: tuple[Any, ...]) -> PointJson:
    seq, lane, stream, by, at, known_at, roll, web_m, *numbers, quality, verdict, rules, doubt, n = row
    value, low, high, predicted, reliance, similarity = map(finite, numbers)
    return PointJson(
        seq=seq, lane=lane, stream=stream, by=KIND[MeasuredBy(by)], at=utc(at), known_at=utc(known_at), roll=roll,
        web_m=finite(web_m), value=value, low=low, high=high, predicted=predicted, reliance=reliance,
        similarity=similarity, quality=QUALITY[quality], verdict=VERDICT[verdict], rules=rule_names(rules),
        doubt=DOUBT[doubt], n=n,
    )  # fmt: skip


def _rows(sql: str, **given: Any) -> list[PointJson]:
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        return [_as_json(row) for row in cursor.fetchall()]


def since(equipment_id: int, seq: int, *, until: int, limit: int, lane_id: int | None = None) -> list[PointJson]:
    """Points with ``seq < number <= until`` in order: what a client that stands at ``seq`` has missed."""
    return _rows(_SINCE, equipment=equipment_id, since=seq, until=until, limit=limit, lane=lane_id)


def newest(equipment_id: int, *, until: int, limit: int, reach: int, lane_id: int | None = None) -> list[PointJson]:
    """The last ``limit`` points up to ``until``, looking back over at most ``reach`` sequence numbers."""
    return _rows(_NEWEST, equipment=equipment_id, until=until, limit=limit, reach=reach, lane=lane_id)


def in_range(lane_id: int, start: datetime, end: datetime, *, buckets: int = 900) -> list[PointJson]:
    """A lane's points made between two instants, at most about two a bucket and trace, violations always kept."""
    return _rows(_RANGE, lane=lane_id, start=start, end=end, buckets=buckets, limit=50_000)


def heads(equipment_ids: Iterable[int]) -> dict[int, int]:
    """The last sequence number given on each equipment."""
    return dict(Cursor.objects.filter(pk__in=list(equipment_ids)).values_list("equipment_id", "head_seq"))


def head(equipment_id: int) -> int:
    return heads([equipment_id]).get(equipment_id, 0)


def every(lane_id: int, start: datetime, end: datetime, zone: str) -> Iterator[dict[str, Any]]:
    """All points of a lane made in a range, read a few at a time, each with the plant's own time."""
    here = ZoneInfo(zone)
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_EVERY, {"lane": lane_id, "start": start, "end": end})
        while rows := cursor.fetchmany(2000):
            for row in rows:
                yield {**_as_json(row), "plant_time": row[4].astimezone(here).isoformat(timespec="milliseconds")}
