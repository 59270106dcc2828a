"""The line overview: where every stream stands against its specification, and what is open on the line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Prefetch, Q, QuerySet

from control.core.lifecycle import OPEN, State
from control.core.types import MeasuredBy
from control.models import (
    Change,
    Equipment,
    Hold,
    Intake,
    Limits,
    Line,
    Loop,
    Recipe,
    Roll,
    SetPointMove,
    Site,
    Snapshot,
    Stream,
    VersionState,
)

WATCHED = frozenset({State.APPLIED, State.VERIFYING})
_THIRD_S = 400  # the predictions of the last twenty minutes, in thirds, say where a stream is heading
_NEWEST_SQL = f"""
    SELECT s.id, p.at, p.known_at, p.value, p.low, p.high, p.quality, p.verdict,
        m.at, m.known_at, m.value, m.by, m.quality, t.early, t.middle, t.late
    FROM control_stream s JOIN control_lane l ON l.id = s.lane_id
    LEFT JOIN LATERAL (
        SELECT * FROM control_point WHERE stream_id = s.id AND by = {MeasuredBy.PREDICTION}
        ORDER BY at DESC LIMIT 1) p ON true
    LEFT JOIN LATERAL (
        SELECT * FROM control_point WHERE stream_id = s.id AND by <> {MeasuredBy.PREDICTION}
            AND at > coalesce(p.at, now()) - interval '12 hours'
        ORDER BY at DESC LIMIT 1) m ON true
    LEFT JOIN LATERAL (
        SELECT avg(value) FILTER (WHERE at <= p.at - interval '{2 * _THIRD_S} seconds') AS early,
            avg(value) FILTER (WHERE at > p.at - interval '{2 * _THIRD_S} seconds'
                AND at <= p.at - interval '{_THIRD_S} seconds') AS middle,
            avg(value) FILTER (WHERE at > p.at - interval '{_THIRD_S} seconds') AS late
        FROM control_point
        WHERE stream_id = s.id AND by = {MeasuredBy.PREDICTION} AND quality = 0
            AND at > p.at - interval '{3 * _THIRD_S} seconds' AND at <= p.at) t ON true
    WHERE l.equipment_id = ANY(%s)"""  # noqa: S608 - our own numbers


class Predicted(NamedTuple):
    """The newest prediction of a stream; ``low`` and ``high`` its 90 % interval."""

    at: datetime
    known_at: datetime
    value: float | None
    low: float | None
    high: float | None
    quality: int
    verdict: int


class Gauged(NamedTuple):
    """The newest real value of a stream."""

    at: datetime
    known_at: datetime
    value: float | None
    by: int
    quality: int


@dataclass(frozen=True, slots=True)
class StreamNow:
    """One stream at this moment, in its own unit; ``slope`` is the predictions' trend per second."""

    stream: Stream
    lower: float | None
    target: float | None
    upper: float | None
    limits: Limits | None
    predicted: Predicted | None
    measured: Gauged | None
    slope: float | None

    @property
    def control(self) -> tuple[float, float] | None:
        """Lower and upper control limit of the individuals chart."""
        if self.limits is None:
            return None
        return Limits.lines(self.limits.chart, *self.limits.under(self.target), self.limits.reach)


def equipment_of(line: Line) -> QuerySet[Equipment]:
    return Equipment.objects.filter(line=line).order_by("position", "id")


def active_recipe(line: Line) -> Recipe | None:
    return Recipe.objects.filter(line=line, state=VersionState.ACTIVE).select_related("product").first()


def streams_now(equipment: Iterable[Equipment], recipe: Recipe | None) -> list[StreamNow]:
    """What is measured on some machines of one line, in the order of lanes from the operator side."""
    ids = [machine.pk for machine in equipment]
    newest = _newest(ids)
    streams = (
        Stream.objects.filter(lane__equipment__in=ids, characteristic__counted="")
        .select_related("lane__equipment", "characteristic")
        .order_by("lane__equipment__position", "characteristic_id", "-lane__side", "lane__number")
    )
    limits = active_limits(streams)
    return [_stream_now(stream, recipe, limits.get(stream.pk), *newest[stream.pk]) for stream in streams]


def active_limits(streams: Iterable[Stream]) -> dict[int, Limits]:
    """The active chart of single values of each stream."""
    rows = Limits.objects.filter(stream__in=streams, chart__in=Limits.SINGLE, state=VersionState.ACTIVE)
    return {row.stream_id: row for row in rows}


def _newest(equipment_ids: list[int]) -> dict[int, tuple[Predicted | None, Gauged | None, float | None]]:
    found: dict[int, tuple[Predicted | None, Gauged | None, float | None]] = defaultdict(lambda: (None, None, None))
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_SQL, [equipment_ids])
        for stream, *rest in cursor.fetchall():
            predicted = Predicted(*rest[:7]) if rest[0] else None
            measured = Gauged(*rest[7:12]) if rest[7] else None
            found[stream] = predicted, measured, trend(*rest[12:])
    return found


def trend(early: float | None, middle: float | None, late: float | None) -> float | None:
    """Unit per second, from the means of three equal parts; 0 unless both steps go the same way.

    The smaller step counts: a drift goes on in both, while a step in the process lies in one, and a line drawn
    through it would foretell what is not going to happen.
    """
    if early is None or middle is None or late is None:
        return None
    first, second = (middle - early) / _THIRD_S, (late - middle) / _THIRD_S
    return min(first, second, key=abs) if first * second > 0 else 0.0


def _stream_now(
    stream: Stream,
    recipe: Recipe | None,
    limits: Limits | None,
    predicted: Predicted | None,
    measured: Gauged | None,
    slope: float | None,
) -> StreamNow:
    spec = (recipe and recipe.stream_spec(stream.lane.equipment.key, stream.key)) or {}
    return StreamNow(
        stream, spec.get("lower"), spec.get("target"), spec.get("upper"), limits, predicted, measured, slope
    )


def loops_of(line: Line) -> QuerySet[Loop]:
    rows = Loop.objects.filter(equipment__line=line).select_related("equipment", "stability")
    return rows.order_by("equipment__position", "id")


def open_holds(line: Line) -> QuerySet[Hold]:
    """What stops the line, one of its loops, or the whole site."""
    return visible_holds(Line.objects.filter(pk=line.pk)).filter(ended_at__isnull=True).order_by("since")


def visible_holds(lines: QuerySet[Line]) -> QuerySet[Hold]:
    ids = list(lines.values_list("pk", flat=True))
    mine = Q(line__in=ids) | Q(site__in=Site.objects.filter(areas__lines__in=ids))
    return Hold.objects.filter(mine).select_related("by", "loop__equipment__line", "line__area__site", "site")


def sites(lines: QuerySet[Line]) -> QuerySet[Site]:
    """The sites that some lines are on."""
    return Site.objects.filter(pk__in=lines.values("area__site"))


def open_changes(line_ids: Iterable[int]) -> QuerySet[Change]:
    """What is to be decided, written or watched, the most urgent first."""
    return with_moves(Change.objects.filter(line__in=line_ids, state__in=OPEN | WATCHED)).order_by("expires_at")


def with_moves(changes: QuerySet[Change]) -> QuerySet[Change]:
    moves = SetPointMove.objects.select_related("tag").order_by("id")
    return changes.select_related(
        "loop__equipment", "line__area__site", "decided_by", "author", "reason_code", "superseded_by"
    ).prefetch_related(Prefetch("moves", queryset=moves))


def rolls_now(equipment: Iterable[Equipment]) -> dict[int, Roll]:
    """The roll that is on each machine."""
    rows = Roll.objects.filter(equipment__in=equipment).order_by("equipment_id", "-started_at").distinct("equipment_id")
    return {roll.equipment_id: roll for roll in rows}


def last_received(equipment: Iterable[Equipment]) -> dict[int, datetime | None]:
    rows = Intake.objects.filter(equipment__in=equipment)
    return dict(rows.values_list("equipment_id", "last_received_at"))


def web_speed(equipment: Equipment) -> float | None:
    """Metres of web a second at the newest snapshot; None where no speed in m/min or m/s is known."""
    tag = equipment.tags.filter(key=equipment.web.get("speed", "")).first()
    scale = {"m/min": 1 / 60, "m/s": 1.0}.get(tag.unit) if tag else None
    values = Snapshot.objects.filter(equipment=equipment).order_by("-at").values_list("values", flat=True).first()
    if tag is None or scale is None or not values or len(values) <= tag.slot or values[tag.slot] is None:
        return None
    return float(values[tag.slot]) * scale
