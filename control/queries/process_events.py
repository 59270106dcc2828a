"""What happened to the machines of a line, and where that begins a new stage of a stream's charts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet

from control.core.process_events import BREAKING, Event, Kind
from control.models import Equipment, Line, ProcessEvent, Roll, Stream


class Boundary(NamedTuple):
    """From ``at`` on, foil of a stream belongs to another stage."""

    at: datetime
    kind: Kind


def of_line(line: Line) -> QuerySet[ProcessEvent]:
    """The newest first."""
    return ProcessEvent.objects.filter(equipment__line=line).select_related("equipment", "recorded_by")


def between(equipment: Equipment, start: datetime, end: datetime) -> QuerySet[ProcessEvent]:
    return ProcessEvent.objects.filter(equipment=equipment, at__gte=start, at__lte=end).order_by("at", "id")


def stages(stream: Stream, start: datetime, end: datetime, kinds: Collection[Kind] = BREAKING) -> list[Boundary]:
    """Where a new stage of ``stream`` begins within ``start`` < at <= ``end``, in order of time.

    ``kinds``: those of the table that break a stage; with ROLL_CHANGE in it, every roll that began on the machine too.
    """
    equipment, side = stream.lane.equipment_id, stream.lane.side
    rows = ProcessEvent.objects.filter(equipment=equipment, kind__in=kinds, at__gt=start, at__lte=end)
    found = {Boundary(row.at, Kind(row.kind)) for row in rows if concerns(row, side)}
    if Kind.ROLL_CHANGE in kinds:
        found |= set(_rolls(equipment, start, end))
    return sorted(found)


def concerns(row: ProcessEvent, side: str) -> bool:
    """Whether an event touches the lanes of a side."""
    return Event(Kind(row.kind), row.at.timestamp(), row.side).concerns(side)


def _rolls(equipment_id: int, start: datetime, end: datetime) -> Iterable[Boundary]:
    rolls = Roll.objects.filter(equipment=equipment_id, started_at__gt=start, started_at__lte=end)
    return (Boundary(at, Kind.ROLL_CHANGE) for at in rolls.values_list("started_at", flat=True))
