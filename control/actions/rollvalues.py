"""Both values of every roll that has news: phase I as soon as it is predicted, phase II when it was measured."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction

from control.actions._each import each
from control.core.types import MeasuredBy, Quality
from control.core.vm.dual_phase import Phase, second
from control.models import Cursor, Equipment, Estimator, Roll, RollCursor, RollValue, VersionState

MOST_POINTS = 200_000  # looked through for rolls that have news, at once
LONGEST = timedelta(hours=8)  # of a roll before its newest point; all that is one value where rolls are not counted
NEWS = """
SELECT roll, max(at), max(seq) FROM (
    SELECT roll, at, seq FROM control_point
    WHERE equipment_id = %(id)s AND seq > %(since)s ORDER BY seq LIMIT %(most)s
) AS news GROUP BY roll ORDER BY roll
"""
PREDICTED = """
SELECT stream_id, avg(value), avg(low), avg(high), count(*), min(at), max(at) FROM control_point
WHERE equipment_id = %(id)s AND at >= %(begin)s AND at < %(end)s AND roll = %(roll)s
  AND by = 0 AND quality < %(bad)s AND value IS NOT NULL AND low IS NOT NULL
GROUP BY stream_id
"""
MEASURED = """
SELECT m.stream_id, m.by, array_agg(m.value ORDER BY m.at, m.seq), array_agg(m.value - p.value ORDER BY m.at, m.seq),
    max(m.known_at)
FROM control_point m LEFT JOIN control_point p
    ON p.stream_id = m.stream_id AND p.at = m.at AND p.by = 0 AND p.quality < %(bad)s
    AND p.at >= %(begin)s AND p.at < %(end)s
WHERE m.equipment_id = %(id)s AND m.at >= %(begin)s AND m.at < %(end)s AND m.roll = %(roll)s
  AND m.by > 0 AND m.quality = %(good)s AND m.value IS NOT NULL
GROUP BY m.stream_id, m.by
"""


def value_all(now: datetime) -> int:
    """Every equipment; returns how many rows were written."""
    return each(Equipment.objects.order_by("pk"), value, now)


def value(equipment: Equipment, now: datetime) -> int:
    """The rolls of one equipment that have points not looked at yet; none while another worker is looking."""
    RollCursor.objects.get_or_create(equipment=equipment)
    with transaction.atomic():
        place = RollCursor.objects.select_for_update(skip_locked=True).filter(pk=equipment.pk).first()
        if place is None or not Cursor.objects.filter(pk=equipment.pk, head_seq__gt=place.seq).exists():
            return 0
        with connection.cursor() as cursor:
            cursor.execute(NEWS, {"id": equipment.pk, "since": place.seq, "most": MOST_POINTS})
            rolls = cursor.fetchall()
        place.seq = max((seq for *_, seq in rolls), default=place.seq)
        place.save(update_fields=["seq"])
        return sum(_value(equipment, number, newest, place.seq, now) for number, newest, _ in rolls)


def _value(equipment: Equipment, number: int, newest: datetime, seq: int, now: datetime) -> int:
    """One roll, of which ``newest`` is when its newest point not looked at before was made."""
    began = Roll.objects.filter(equipment=equipment, number=number).first()
    if began is None:
        return 0
    following = Roll.objects.filter(equipment=equipment, started_at__gt=began.started_at).order_by("started_at").first()
    end = following.started_at if following else now
    given: dict[str, Any] = {
        "id": equipment.pk, "begin": max(began.started_at, newest - LONGEST), "end": end, "roll": number,
        "bad": int(Quality.BAD), "good": int(Quality.GOOD),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(PREDICTED, given)
        predicted = cursor.fetchall()
        cursor.execute(MEASURED, given)
        measured = _preferred(cursor.fetchall())
    hashes = dict(
        Estimator.objects.filter(stream__lane__equipment=equipment, state=VersionState.ACTIVE).values_list(
            "stream_id", "sha256"
        )
    )
    for row in predicted:
        told = _told(row, measured.get(row[0]))
        shared = {"equipment": equipment, "model": hashes.get(row[0], ""), "seq": seq, "first_at": now}
        RollValue.objects.update_or_create(stream_id=row[0], roll=number, defaults={**told, **shared})
    return len(predicted)


def _preferred(rows: Iterable[tuple[Any, ...]]) -> dict[int, tuple[Any, ...]]:
    """Of each stream the values of the gauge, or of the laboratory where there is no gauge."""
    found: dict[int, tuple[Any, ...]] = {}
    for stream_id, *told in sorted(rows, key=lambda row: row[1] == MeasuredBy.GAUGE):
        found[stream_id] = tuple(told)
    return found


def _told(predicted: tuple[Any, ...], measured: tuple[Any, ...] | None) -> dict[str, Any]:
    _, mean, low, high, n, begin, end = predicted
    told = {"first": mean, "first_low": low, "first_high": high, "first_n": n, "made_from": begin, "made_to": end}
    if measured is None:
        return told
    by, values, errors, known_at = measured
    told |= {"by": by, "measured": float(np.mean(values)), "measured_n": len(values)}
    error = np.array([e for e in errors if e is not None], np.float64)
    if len(error):
        phase = second(Phase(mean, low, high, n), error)
        told |= {"second": phase.mean, "second_low": phase.low, "second_high": phase.high, "second_at": known_at}
    return told
