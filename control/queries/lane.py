"""The lane page: what frames its charts (specification, limits through time) and what happened meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet

from control.models import CauseCode, Lane, Limits, Roll, SetPointMove, Signal, Stream


def visible_lanes(line_ids: Iterable[int]) -> QuerySet[Lane]:
    return Lane.objects.filter(equipment__line__in=line_ids).select_related("equipment__line__area__site")


def streams_of(lane: Lane) -> QuerySet[Stream]:
    return lane.streams.select_related("characteristic", "lane__equipment").order_by("characteristic_id")


def limits_between(lane: Lane, start: datetime, end: datetime) -> QuerySet[Limits]:
    """Every version that was in force for some of the time."""
    return (
        Limits.objects.filter(stream__lane=lane, effective_from__lt=end)
        .filter(Q(effective_to__isnull=True) | Q(effective_to__gt=start))
        .select_related("stream__lane__equipment")
        .order_by("stream_id", "chart", "effective_from")
    )


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
        .select_related("stream__characteristic", "stream__lane", "cause", "closed_by")
        .order_by("-closed_at", "-last_at")
    )


def causes() -> QuerySet[CauseCode]:
    return CauseCode.objects.filter(is_active=True).order_by("id")
