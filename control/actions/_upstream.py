"""What the foil was when the machine before made it, as columns of the trace of the machine that gets it.

A roll keeps its number and its metres from one machine to the next; lanes are told apart by the slitting map in the
settings of a loop. One question a roll and pass; where the coater has said nothing of a metre yet, the column is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg

from control.actions._window import Fresh, binary_cursor
from control.core.r2r.feedforward import FeedForward
from control.core.types import FloatArray, MeasuredBy, Quality
from control.epoch import instant
from control.models import Equipment, Loop, Stream

BACK_S = 60.0  # before the first new snapshot: the window a prediction is made from
LONGEST_WAY = timedelta(days=2)  # from one machine to the next
AROUND_M = 5.0
MADE = f"""
WITH made AS (
    SELECT min(at) AS first, max(at) AS last FROM control_snapshot
    WHERE equipment_id = %s AND roll = %s AND web_m >= %s AND web_m <= %s AND at > %s AND at <= %s)
SELECT p.stream_id, array_agg(p.web_m ORDER BY p.web_m), array_agg(p.value ORDER BY p.web_m)
FROM made, control_point p
WHERE p.stream_id = ANY(%s) AND p.at >= made.first AND p.at <= made.last AND p.by = {int(MeasuredBy.PREDICTION)}
  AND p.roll = %s AND p.quality = {int(Quality.GOOD)} AND p.value IS NOT NULL
GROUP BY p.stream_id
"""  # noqa: S608 - our own numbers


@dataclass(frozen=True, slots=True)
class Upstream:
    """Streams of a machine before: ``columns`` are their names in the trace of this one, ``coater:loading/1-top``."""

    equipment_id: int
    columns: tuple[str, ...]
    stream_ids: tuple[int, ...]


def upstreams(equipment: Equipment, loops: Iterable[Loop]) -> tuple[Upstream, ...]:
    """What the loops of an equipment feed forward from others of its line."""
    wanted: dict[str, set[str]] = {}
    for loop in loops:
        for told in loop.settings.get("feed_forward", ()):
            if told["equipment"]:
                wanted.setdefault(told["equipment"], set()).update(key for lane in told["streams"] for key in lane)
    found = []
    for key, streams in sorted(wanted.items()):
        rows = Stream.objects.filter(lane__equipment__line=equipment.line_id, lane__equipment__key=key)
        ids = {row.key: row.pk for row in rows.select_related("lane", "characteristic") if row.key in streams}
        other = Equipment.objects.get(line=equipment.line_id, key=key)
        names = sorted(ids)
        found.append(Upstream(other.pk, tuple(f"{key}:{one}" for one in names), tuple(ids[one] for one in names)))
    return tuple(found)


def fed(settings: Mapping[str, Any]) -> tuple[FeedForward, ...]:
    """The measured disturbances of a loop as the core takes them, from its settings."""
    return tuple(_fed(told) for told in settings.get("feed_forward", ()))


def _fed(told: Mapping[str, Any]) -> FeedForward:
    if not told["equipment"]:
        return FeedForward(told["tag"], (told["tag"],), tuple((float(gain),) for gain in told["gains"]))
    keys = sorted({key for lane in told["streams"] for key in lane})
    rows = tuple(
        tuple(float(gain) if key in lane else 0.0 for key in keys)
        for lane, gain in zip(told["streams"], told["gains"], strict=True)
    )
    kind = keys[0].partition("/")[0]
    return FeedForward(f"{told['equipment']}:{kind}", tuple(f"{told['equipment']}:{key}" for key in keys), rows)


def beside(conn: psycopg.Connection[Any], found: Sequence[Upstream], fresh: Fresh) -> Fresh:
    """The same with a column more for every stream of a machine before, in the order of ``found``."""
    if not found or not fresh.new.any():
        return fresh
    trace, first_s = fresh.trace, float(fresh.trace.at_s[fresh.new][0]) - BACK_S
    begin = int(np.searchsorted(trace.at_s, first_s))
    columns = np.full((len(trace), sum(len(one.columns) for one in found)), np.nan)
    span = (instant(first_s) - LONGEST_WAY, instant(float(trace.at_s[-1])))
    with binary_cursor(conn) as cursor:
        for roll in np.unique(trace.roll[begin:]).tolist():
            rows = begin + np.flatnonzero(trace.roll[begin:] == roll)
            web = trace.web_m[rows]
            place = 0
            for one in found:
                metres = (float(web.min()) - AROUND_M, float(web.max()) + AROUND_M)
                cursor.execute(MADE, [one.equipment_id, roll, *metres, *span, list(one.stream_ids), roll])
                for pk, made, value in cursor.fetchall():
                    columns[rows, place + one.stream_ids.index(pk)] = _at_metres(web, made, value)
                place += len(one.columns)
    return replace(fresh, trace=replace(trace, values=np.hstack([trace.values, columns])))


def _at_metres(web_m: FloatArray, made_m: FloatArray, value: FloatArray) -> FloatArray:
    """``value`` (m,) made at ``made_m`` at each of ``web_m`` (n,); NaN where nothing near was made."""
    found = np.interp(web_m, made_m, value, left=np.nan, right=np.nan)
    near = np.minimum(np.searchsorted(made_m, web_m), len(made_m) - 1)
    return np.where(np.abs(made_m[near] - web_m) <= AROUND_M, found, np.nan)
