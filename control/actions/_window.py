"""What a pass reads: the rows that arrived since the last one, and the stretches of trace they need around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from control.actions._copy import unpack
from control.core.types import BoolArray, FloatArray, IntArray, Measured, Quality, Trace
from control.epoch import instant

LOOK_BACK_S = 300.0  # feature window, dead time and pairing of what is measured now
LOOK_BACK_ROWS = 60  # for equipment that is read seldom
AROUND_S = 30.0  # trace loaded after an old metre
LONGEST_AGE = timedelta(days=1)  # of a sample whose metre is looked for
JOIN_S = 120.0  # stretches closer than this are one

COLUMNS = (
    *("date_part('epoch', at)", "roll", "web_m", """array_replace("values", NULL, 'NaN')""", "quality"),
    *("arrival", "date_part('epoch', received_at)"),
)
FRESH_SNAPSHOTS = """
SELECT date_part('epoch', at), arrival FROM control_snapshot
WHERE equipment_id = %s AND arrival > %s AND arrival <= %s AND at >= %s
"""
FRESH_MEASUREMENTS = """
SELECT date_part('epoch', at), stream_id, coalesce(roll, -1), web_m, value, quality, "by",
       date_part('epoch', received_at), n
FROM control_measurement
WHERE equipment_id = %s AND arrival > %s AND arrival <= %s AND at >= %s ORDER BY at, sequence, stream_id
"""
MADE_AT = """
SELECT date_part('epoch', max(at)) FROM control_snapshot
WHERE equipment_id = %s AND roll = %s AND web_m <= %s AND web_m > %s AND at > %s AND at <= %s
"""
# Snapshots as a few arrays instead of many rows; %s picks them. A missing value is NaN, which no array minds. An hour
# at a time, for the server puts no more than a gigabyte into one array; rows of another length are by themselves
TRACE = f"""
SELECT {", ".join(f"array_agg({column} ORDER BY at, sequence, source_id)" for column in COLUMNS)}
FROM (%s) AS picked GROUP BY date_trunc('hour', at), cardinality("values")
"""  # noqa: S608 - constants
AROUND = TRACE % "SELECT * FROM control_snapshot WHERE equipment_id = %s AND arrival <= %s AND at >= %s AND at <= %s"


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """What is to be processed: a trace (n,) with its new rows marked, and measurements (k,) with their stream ids."""

    trace: Trace
    new: BoolArray
    received_s: FloatArray
    measured: Measured
    stream_ids: IntArray
    measured_received_s: FloatArray


@dataclass(frozen=True, slots=True)
class Span:
    """Arrivals after number ``after`` up to ``upto`` of an equipment; nothing of it is older than ``since``."""

    equipment_id: int
    after: int
    upto: int
    since: datetime


def read(conn: psycopg.Connection[Any], span: Span, stream_ids: Sequence[int], tags: int, cycle_s: float) -> Fresh:
    """The rows of a span with the trace around them; ``stream_ids`` in the order of the machine's streams."""
    order = {pk: i for i, pk in enumerate(stream_ids)}
    equipment_id, after, upto = span.equipment_id, span.after, span.upto
    with binary_cursor(conn) as cursor:
        snapshots = cursor.execute(FRESH_SNAPSHOTS, [equipment_id, after, upto, span.since]).fetchall()
        pieces = cursor.execute(FRESH_MEASUREMENTS, [equipment_id, after, upto, span.since]).fetchall()
        needed = _needed(cursor, equipment_id, [at for at, _ in snapshots], pieces, cycle_s)
        parts: list[Any] = []
        for begin, end in needed:
            parts += cursor.execute(AROUND, [equipment_id, upto, instant(begin), instant(end)]).fetchall()
    trace, arrival, received_s = trace_of(parts, tags)
    return Fresh(
        trace=trace,
        new=arrival > after,
        received_s=received_s,
        measured=measured_of(pieces, order),
        stream_ids=np.array([row[1] for row in pieces], np.int64),
        measured_received_s=np.array([row[7] for row in pieces], np.float64),
    )


class _Numbers(Loader):
    """An array for numpy, all at once."""

    format = pq.Format.BINARY

    def load(self, data: Buffer) -> NDArray[Any]:
        return unpack(bytes(data))


def binary_cursor(conn: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """A cursor that receives arrays of numbers as numpy's own; Django's kind reads them as text, one by one."""
    cursor = psycopg.Cursor(conn)
    cursor.format = pq.Format.BINARY
    for name in ("float8", "int2", "int8"):
        cursor.adapters.register_loader(cursor.adapters.types[name].array_oid, _Numbers)
    return cursor


def _needed(
    cursor: psycopg.Cursor[Any], equipment_id: int, at_s: Sequence[float], pieces: Sequence[Any], cycle_s: float
) -> list[tuple[float, float]]:
    """Stretches of time (epoch seconds) to load, apart from each other and in order."""
    back = max(LOOK_BACK_S, LOOK_BACK_ROWS * cycle_s)
    stretches = [(at - back, at) for at in at_s]
    stretches += [(at - back, at + cycle_s) for at, _, roll, web_m, *_ in pieces if roll < 0 or web_m is None]
    rolls: dict[int, list[tuple[float, float]]] = {}
    for at, _, roll, web_m, *_ in pieces:
        if roll >= 0 and web_m is not None:
            rolls.setdefault(roll, []).append((web_m, at))
    for roll, places in rolls.items():
        for begin, end in _made(cursor, equipment_id, roll, places):
            stretches.append((begin - back, end + AROUND_S + cycle_s))
    return _joined(stretches, max(JOIN_S, 3 * cycle_s))


def _made(
    cursor: psycopg.Cursor[Any], equipment_id: int, roll: int, places: Iterable[tuple[float, float]]
) -> list[tuple[float, float]]:
    """When the first and the last of some metres of a roll passed the die; each alone if they are far apart in age."""
    ordered = sorted(places)
    found = []
    for web_m, at in {ordered[0], ordered[-1]}:
        args = [equipment_id, roll, web_m, web_m - 1000.0, instant(at) - LONGEST_AGE, instant(at)]
        row = cursor.execute(MADE_AT, args).fetchone()
        if row and row[0] is not None:
            found.append(float(row[0]))
    return [(min(found), max(found))] if found else []


def _joined(stretches: Iterable[tuple[float, float]], gap_s: float) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(stretches):
        if joined and begin <= joined[-1][1] + gap_s:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((begin, end))
    return joined


def trace_of(parts: Sequence[Any], tags: int) -> tuple[Trace, IntArray, FloatArray]:
    """What TRACE told as one trace, with arrival numbers and instants of receipt (epoch seconds), all (n,).

    Tags added to the plant later are missing in older rows.
    """
    nothing = np.empty(0)
    whole = [np.concatenate(column) for column in zip(*((*part[:3], *part[5:]) for part in parts), strict=True)]
    at_s, roll, web_m, arrival, received_s = whole or [nothing] * 5
    values = np.full((len(at_s), tags), np.nan)
    quality = np.full((len(at_s), tags), int(Quality.MISSING))
    begin = 0
    for part in parts:
        rows = slice(begin, begin := begin + len(part[0]))
        for told, into in ((part[3], values), (part[4], quality)):
            columns = min(told.shape[-1], tags)
            into[rows, :columns] = told[..., :columns]
    order = np.argsort(at_s, kind="stable")
    trace = Trace(
        at_s=at_s[order].astype(np.float64),
        roll=roll[order].astype(np.int64),
        web_m=web_m[order].astype(np.float64),
        values=values[order],
        quality=quality[order],
    )
    return trace, arrival[order].astype(np.int64), received_s[order].astype(np.float64)


def measured_of(pieces: Sequence[Any], order: Mapping[int, int]) -> Measured:
    """Measurement rows; ``order`` is stream id -> number of the stream in its machine. A count becomes a rate."""
    columns: list[Any] = list(zip(*pieces, strict=True)) or [()] * 9
    at_s, stream_id, roll, web_m, told, quality, by, _, sizes = columns
    value, n = np.array(told, np.float64), np.array(sizes, np.float64)
    counted = np.isfinite(n)
    return Measured(
        at_s=np.array(at_s, np.float64),
        roll=np.array(roll, np.int64),
        web_m=np.array(web_m, np.float64),
        stream=np.array([order[pk] for pk in stream_id], np.int64),
        value=np.where(counted, value / n, value),
        quality=np.array(quality, np.int64),
        by=np.array(by, np.int64),
        n=n if counted.any() else None,
    )
