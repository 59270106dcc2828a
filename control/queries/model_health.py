"""The model health page: how every stream's estimator is doing, what is in force, and what was trained lately."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max, QuerySet, TextField
from django.db.models.functions import Cast

from control.core.state import State, StreamState
from control.core.types import Quality, Verdict
from control.core.vm.calibration import coverage
from control.core.vm.metrology import LIMIT, Doubt
from control.models import AuditEntry, Cursor, Equipment, Estimator, Point, RollValue, Stream, TrainingRun, VersionState

LOOKED = timedelta(hours=1)  # back from the newest point
DRIFTED = 1.0  # half widths of training: a bias larger than that says that the line is another one than then

ERRORS = """
SELECT m.stream_id, coalesce(r.recipe_id, 0), max(pr.name), max(pr.name_ko), count(p.value),
    avg(abs(m.value - p.value)), avg(m.value - p.value), count(*) FILTER (WHERE m.value BETWEEN p.low AND p.high)
FROM control_point m
JOIN control_point p ON p.stream_id = m.stream_id AND p.at = m.at AND p.by = 0 AND p.at >= %(since)s
LEFT JOIN control_roll r ON r.equipment_id = m.equipment_id AND r.number = m.roll
LEFT JOIN control_recipe re ON re.id = r.recipe_id LEFT JOIN control_product pr ON pr.id = re.product_id
WHERE m.stream_id = ANY(%(streams)s) AND m.at >= %(since)s AND m.by > 0 AND m.quality = %(good)s AND p.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
TRUST = """
SELECT stream_id, count(*), avg(reliance), count(*) FILTER (WHERE similarity > 1),
    count(*) FILTER (WHERE verdict = %(measure)s), (array_agg(verdict ORDER BY at DESC))[1]
FROM control_point
WHERE stream_id = ANY(%(streams)s) AND at >= %(since)s AND by = 0 GROUP BY 1
"""
DOUBTS = """
SELECT stream_id, doubt, count(*) FROM control_point
WHERE stream_id = ANY(%(streams)s) AND at >= %(since)s AND by > 0 AND doubt > 0 GROUP BY 1, 2 ORDER BY 1, 3 DESC
"""


@dataclass(frozen=True, slots=True)
class Errors:
    """One stream on one product: ``n`` measured values against what was stated when their foil was made."""

    product: str
    n: int
    mae: float
    bias: float
    inside: float


@dataclass(frozen=True, slots=True)
class Trust:
    """Of the predictions looked at: mean RI, the shares unlike training and that asked for a sample, and the last."""

    n: int
    reliance: float | None
    unlike: float
    asked: float
    asks_now: bool


@dataclass(frozen=True, slots=True)
class Health:
    """One stream. ``width`` is the rolling half width, ``drift`` the bias over the half width of training."""

    stream: Stream
    estimator: Estimator | None
    errors: list[Errors]
    trust: Trust | None
    doubts: list[tuple[Doubt, int]]
    bias: float
    width: float | None
    coverage: float | None
    scored: int
    drift: float | None
    gauge_lab: float

    @property
    def drifted(self) -> bool:
        return self.drift is not None and abs(self.drift) > DRIFTED


def streams_of(equipment: Equipment) -> list[Stream]:
    """What is measured: nothing predicts a count."""
    of_it = Stream.objects.filter(lane__equipment=equipment, characteristic__counted="").select_related(
        "lane", "characteristic"
    )
    return list(of_it.order_by("characteristic_id", "-lane__side", "lane__number"))


def of(equipment: Equipment) -> list[Health]:
    """Every stream of an equipment over the last hour of its points."""
    rows = streams_of(equipment)
    ids = [stream.pk for stream in rows]
    newest = Point.objects.filter(stream_id__in=ids).aggregate(at=Max("at"))["at"]
    given = {
        "streams": ids, "since": newest and newest - LOOKED,
        "good": int(Quality.GOOD), "measure": int(Verdict.MEASURE),
    }  # fmt: skip
    errors: dict[int, list[Errors]] = {}
    trust: dict[int, Trust] = {}
    doubts: dict[int, list[tuple[Doubt, int]]] = {}
    if newest:
        for stream, _, name, _ko, n, mae, bias, inside in _rows(ERRORS, given):
            errors.setdefault(stream, []).append(Errors(name or "", n, mae, bias, inside / n))
        for stream, n, reliance, unlike, asked, last in _rows(TRUST, given):
            trust[stream] = Trust(n, reliance, unlike / n, asked / n, last == Verdict.MEASURE)
        for stream, doubt, n in _rows(DOUBTS, given):
            doubts.setdefault(stream, []).append((Doubt(doubt), n))
    active = {
        row.stream_id: row
        for row in Estimator.objects.filter(stream__in=ids, state=VersionState.ACTIVE).defer("content")
    }
    states = _states(equipment)
    widths = _half_widths(active.values())
    return [
        _health(s, active.get(s.pk), errors.get(s.pk, []), trust.get(s.pk), doubts.get(s.pk, []),
                states.get(s.key, StreamState()), widths.get(s.pk))
        for s in rows
    ]  # fmt: skip


def _health(
    stream: Stream,
    estimator: Estimator | None,
    errors: list[Errors],
    trust: Trust | None,
    doubts: list[tuple[Doubt, int]],
    state: StreamState,
    trained: float | None,
) -> Health:
    share, scored = coverage(state.scores)
    return Health(
        stream=stream,
        estimator=estimator,
        errors=errors,
        trust=trust,
        doubts=doubts,
        bias=state.bias,
        width=state.width * trained if trained else None,
        coverage=None if math.isnan(share) else share,
        scored=scored,
        drift=state.bias / trained if trained else None,
        gauge_lab=max(state.gauge_lab) / LIMIT,
    )


def _half_widths(active: Iterable[Estimator]) -> dict[int, float]:
    """Half widths of training, read out of the contents by the database: those are large."""
    rows = Estimator.objects.filter(pk__in=[row.pk for row in active]).values_list("stream_id", "content__half_width")
    return {stream: float(width) for stream, width in rows if width}


def kinds_in_force(equipment: Equipment) -> dict[int, str]:
    """The kind of the main model in force, by stream; read out of the contents by the database as well."""
    rows = Estimator.objects.filter(stream__lane__equipment=equipment, state=VersionState.ACTIVE)
    return dict(rows.values_list("stream_id", "content__main__kind"))


def chosen(equipment: Equipment) -> AuditEntry | None:
    """Who last chose other kinds of model, and why."""
    of_it = {"object_type": "equipment", "object_id": str(equipment.pk), "line_id": equipment.line_id}
    return AuditEntry.objects.filter(action="model.choose", **of_it).order_by("-number").first()


def _states(equipment: Equipment) -> dict[str, StreamState]:
    told = Cursor.objects.filter(pk=equipment.pk).values_list(Cast("state", TextField()), flat=True).first()
    return dict(State.from_json(told or "{}").streams)


def runs(equipment: Equipment) -> QuerySet[TrainingRun]:
    rows = TrainingRun.objects.filter(equipment=equipment).select_related("asked_by").order_by("-id")
    return rows.defer("outside")  # a file of megabytes


def roll_values(equipment: Equipment) -> QuerySet[RollValue]:
    """Newest roll first, lanes in order."""
    return (
        RollValue.objects.filter(equipment=equipment)
        .select_related("stream__lane", "stream__characteristic")
        .order_by("-made_from", "stream_id")
    )


def _rows(sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        return cursor.fetchall()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is (0 to 1) and how long it will take yet; None where nothing tells."""

    share: float
    left_s: float | None


def progress(run: TrainingRun, now: datetime) -> Progress:
    """From how long the last run that came to a verdict took; the step it is at where there was none."""
    if run.started_at is None:
        return Progress(0.0, None)
    told = TrainingRun.objects.filter(equipment=run.equipment_id, step="", share=1.0, started_at__isnull=False)
    last = told.order_by("-id").values_list("started_at", "ended_at").first()
    if last is None or last[1] is None:
        return Progress(run.share, None)
    took_s, spent_s = (last[1] - last[0]).total_seconds(), (now - run.started_at).total_seconds()
    left_s = took_s - spent_s
    return Progress(max(run.share, min(spent_s / max(took_s, 1.0), 0.99)), left_s if left_s > 0 else None)
