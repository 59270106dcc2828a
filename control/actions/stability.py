"""Once a minute, what the newest measured values tell of every loop: gain error, Harris index, a concern."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction

from control import events
from control.actions import audit, machines
from control.actions._each import each
from control.actions.machines import Built
from control.core.machine import LoopConfig
from control.core.r2r import harris, stability
from control.core.r2r.gain_error import GainError
from control.core.r2r.stability import SETTLE_S, Made, Stability
from control.core.types import FloatArray, MeasuredBy, Quality
from control.models import Cursor, Equipment, LoopStability, Point, Snapshot

BEGIN = timedelta(minutes=30)  # how far back a loop is looked at for the first time
RECENT = timedelta(hours=2)  # of values that the Harris index is told from
TURN = "SELECT pg_try_advisory_xact_lock(hashtext('control_value_loops'), %s)"  # ends with the transaction
UNKNOWN_M = 1.0  # metres a value where the web has not moved


@dataclass(frozen=True, slots=True, eq=False)
class _News:
    """Good gauge values of one equipment since the last look, with the settings from a little before them."""

    stream_id: list[int]
    made_s: FloatArray
    value: FloatArray
    at_s: FloatArray
    web_m: FloatArray
    settings: FloatArray  # (n, tags)


def value_all(now: datetime) -> int:
    """Every equipment with a loop that is not off; returns how many loops were valued."""
    return each(Equipment.objects.filter(loops__isnull=False).distinct().order_by("pk"), value, now)


def value(equipment: Equipment, now: datetime) -> int:
    """The loops of one equipment that have points newer than their last word; none while another worker is at them."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TURN, [equipment.pk])
        if not cursor.fetchone()[0]:
            return 0
        head = Cursor.objects.filter(pk=equipment.pk).values_list("head_seq", flat=True).first() or 0
        built = machines.built(equipment.pk)
        return sum(_value(built, config, head, now) for config in built.machine.loops)


def _value(built: Built, config: LoopConfig, head: int, now: datetime) -> bool:
    loop = built.loops[config.key]
    row = LoopStability.objects.filter(pk=loop.pk).first()
    same = row is not None and row.settings_number == loop.settings_number
    since = row.seq if row is not None and same else 0
    if since >= head:
        return False
    ids = [built.stream_ids[built.machine.stream_at[cv]] for cv in config.cvs]
    news = _read(built, ids, since, head, now)
    known = GainError.from_json(row.state) if row is not None and same else GainError()
    told, known = _found(built, config, ids, known, news, now)
    figures = {name: getattr(told, name) for name in ("ratio", "low", "high", "moved", "limit", "swing")}
    figures |= {"harris": told.harris if math.isfinite(told.harris) else None, "concern": told.concern.value}
    with audit.atomic():
        LoopStability.objects.update_or_create(
            loop=loop,
            defaults={
                **figures,
                "settings_number": loop.settings_number,
                "seq": head,
                "state": asdict(known),
                "valued_at": now,
            },
        )
        if (row.concern if row else "") != told.concern:
            events.publish("loop", line_id=built.line_id, loop_id=loop.pk)
    return True


def _found(
    built: Built, config: LoopConfig, ids: Sequence[int], known: GainError, news: _News | None, now: datetime
) -> tuple[Stability, GainError]:
    metres = UNKNOWN_M
    if news is not None:
        columns = [built.machine.tag_at[mv.tag] for mv in config.mvs]
        row = np.searchsorted(news.at_s, news.made_s, "right") - 1
        place = {pk: k for k, pk in enumerate(ids)}
        cv = np.array([place[pk] for pk in news.stream_id], np.int64)
        in_trace = row >= 0
        made = Made(row[in_trace], cv[in_trace], news.value[in_trace])
        known = stability.learned(known, config, news.at_s, news.settings[:, columns], made)
        metres = _metres(news.web_m)
    off_target, metres_a_measurement = _recent(built, config, ids, now)
    delay = max(1, math.ceil(config.dead_time_m / metres_a_measurement))
    index = harris.index(off_target, delay) if len(off_target) else math.nan
    swing = harris.swing(off_target) if len(off_target) else 0.0
    return stability.of(known, config.largest_gain_ratio(metres), index, swing), known


def _read(built: Built, ids: Sequence[int], since: int, head: int, now: datetime) -> _News | None:
    """Values with the snapshots around them; None where there is none."""
    good = {"by": MeasuredBy.GAUGE, "quality": Quality.GOOD, "value__isnull": False, "at__gt": now - BEGIN}
    points = Point.objects.filter(equipment=built.equipment_id, stream__in=ids, seq__gt=since, seq__lte=head, **good)
    rows = list(points.order_by("at", "seq").values_list("stream_id", "at", "value"))
    if not rows:
        return None
    stream_id, at, value = zip(*rows, strict=True)
    span = {"at__gte": at[0] - timedelta(seconds=2 * SETTLE_S), "at__lte": at[-1]}
    snapshots = Snapshot.objects.filter(equipment=built.equipment_id, **span).order_by("at", "sequence")
    told = list(snapshots.values_list("at", "web_m", "values"))
    if not told:
        return None
    width = len(built.tags)
    settings = [[np.nan if v is None else v for v in values[:width]] for _, _, values in told]
    return _News(
        stream_id=list(stream_id),
        made_s=_seconds(at),
        value=np.array(value, np.float64),
        at_s=_seconds([one for one, _, _ in told]),
        web_m=np.array([web for _, web, _ in told], np.float64),
        settings=np.array([row + [np.nan] * (width - len(row)) for row in settings]),
    )


def _recent(built: Built, config: LoopConfig, ids: Sequence[int], now: datetime) -> tuple[FloatArray, float]:
    """Newest values less their targets (n, cvs), the n-th of each stream beside each other, and metres between them."""
    good = {"by": MeasuredBy.GAUGE, "quality": Quality.GOOD, "value__isnull": False, "at__gt": now - RECENT}
    points = Point.objects.filter(equipment=built.equipment_id, stream__in=ids, **good).order_by("at", "seq")
    by_stream: dict[int, list[tuple[float, float]]] = {pk: [] for pk in ids}
    for pk, value, web_m in points.values_list("stream_id", "value", "web_m"):
        by_stream[pk].append((float(value or 0.0), web_m))
    n = min(map(len, by_stream.values()))
    if n < 2:
        return np.empty((0, len(ids))), UNKNOWN_M
    newest = np.array([by_stream[pk][-n:] for pk in ids])
    return newest[:, :, 0].T - np.array(config.targets), _metres(newest[0, :, 1])


def _metres(web_m: FloatArray) -> float:
    """What usually lies between one and the next."""
    steps = np.diff(web_m)
    running = steps[steps > 0]
    return float(np.median(running)) if len(running) else UNKNOWN_M


def _seconds(instants: Sequence[datetime]) -> FloatArray:
    return np.array([at.timestamp() for at in instants])
