"""The lane page: what frames its charts (specification, limits through time) and what happened meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Least

from control.models import ActionCode, CauseCode, Lane, Limits, Point, Recipe, Roll, SetPointMove, Signal, Stream

NEWEST = 200  # of the last points one is the youngest: gauge values are of foil made a little earlier


def visible_lanes(line_ids: Iterable[int]) -> QuerySet[Lane]:
    return Lane.objects.filter(equipment__line__in=line_ids).select_related("equipment__line__area__site")


def streams_of(lane: Lane) -> QuerySet[Stream]:
    return lane.streams.select_related("characteristic", "lane__equipment").order_by("characteristic_id")


def limits_between(lane: Lane, start: datetime, end: datetime) -> QuerySet[Limits]:
    """Every version that was in force for some of the time, since ``begun``.

    Foil made before a chart's first limits, such as that of a replayed year, is drawn under those.
    """
    same = Q(chart=OuterRef("chart")) | Q(chart__in=Limits.COUNTS)  # of which a stream has one at a time
    of_chart = Limits.objects.filter(same, stream=OuterRef("stream"))
    earlier = of_chart.filter(effective_from__lt=OuterRef("effective_from"))
    begun = Case(When(Exists(earlier), then=F("effective_from")), default=Least(F("effective_from"), Value(start)))
    return (
        Limits.objects.filter(stream__lane=lane, effective_from__isnull=False)
        .annotate(begun=begun)
        .filter(Q(effective_to__isnull=True) | Q(effective_to__gt=start), begun__lt=end)
        .select_related("stream__lane__equipment")
        .order_by("stream_id", "chart", "effective_from")
    )


def newest_at(lane: Lane) -> datetime | None:
    """When the newest piece of foil was made that the lane's charts show; of a replayed file, years ago."""
    of_machine = Point.objects.filter(equipment=lane.equipment_id).order_by("-seq")
    return max(of_machine.values_list("at", flat=True)[:NEWEST], default=None)


def recipes_between(line_id: int, start: datetime, end: datetime) -> list[tuple[Recipe, datetime, datetime | None]]:
    """Every recipe that was in force for some of the time, since when and until when.

    Foil made before the first recipe that is known is drawn under that one.
    """
    rows = Recipe.objects.filter(line=line_id, effective_from__isnull=False).order_by("effective_from", "number")
    known = [(row, at) for row in rows if (at := row.effective_from)]
    begins = [min(start, known[0][1]), *(at for _, at in known[1:])] if known else []
    until = [*begins[1:], known[-1][0].effective_to] if known else []
    spans = zip((row for row, _ in known), begins, until, strict=True)
    return [(row, since, to) for row, since, to in spans if since < end and (to is None or to > start)]


def moves_between(lane: Lane, start: datetime, end: datetime) -> QuerySet[SetPointMove]:
    """Set-points that were changed on the lane's machine."""
    return (
        SetPointMove.objects.filter(
            tag__equipment=lane.equipment, change__applied_at__gte=start, change__applied_at__lte=end
        )
        .select_related("tag", "change")
        .order_by("change__applied_at")
    )


def rolls_between(lane: Lane, start: datetime, end: datetime) -> QuerySet[Roll]:
    return Roll.objects.filter(equipment=lane.equipment, started_at__gte=start, started_at__lte=end).order_by(
        "started_at"
    )


def signals_of(lane: Lane) -> QuerySet[Signal]:
    """Open signals first, then the last closed ones."""
    return (
        Signal.objects.filter(stream__lane=lane)
        .select_related("stream__characteristic", "stream__lane", "cause", "action", "closed_by")
        .order_by("-closed_at", "-last_at")
    )


def causes() -> QuerySet[CauseCode]:
    return CauseCode.objects.filter(is_active=True).order_by("id")


def actions() -> QuerySet[ActionCode]:
    return ActionCode.objects.filter(is_active=True).order_by("id")
