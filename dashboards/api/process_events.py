"""What happened to the machines of a line: told here, and read here."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Query, Router

from control.actions.authority import Right
from control.actions.errors import Invalid
from control.core.process_events import Kind
from control.models import Equipment, Line
from control.queries import process_events as queries
from dashboards import permissions, process_events
from dashboards.api.changes import DECISION, REFUSALS, Key
from dashboards.api.plant import FROM, TO
from dashboards.api.schemas import Instant, ProcessEventIn, ProcessEventOut, ProcessEventsOut
from dashboards.gate import needs

router = Router(tags=["process events"])


@router.get("/lines/{line_id}/events", response={200: list[ProcessEventOut], **REFUSALS})
def events(
    request: HttpRequest,
    line_id: int,
    start: Instant | None = FROM,
    end: Instant | None = TO,
    kind: Kind | None = None,
    limit: int = Query(100, ge=1, le=1000),
) -> Any:
    """The newest first: batches, filters, recipes changed, repairs; told by people or seen by the system."""
    rows = queries.of_line(_line(request, line_id))
    rows = rows.filter(at__gte=start) if start else rows
    rows = rows.filter(at__lte=end) if end else rows
    rows = rows.filter(kind=kind) if kind else rows
    return [process_events.as_json(row) for row in rows[:limit]]


@router.post("/lines/{line_id}/events", response={**DECISION, 200: ProcessEventsOut})
@needs(Right.RECORD_EVENT)
def record(request: HttpRequest, line_id: int, asked: ProcessEventIn, key: str = Key) -> HttpResponse:
    """Tell of an event. Without ``equipment`` it concerns every machine of the line, from the foil then at each."""
    line = _line(request, line_id)
    machine = _machine(line, asked.equipment) if asked.equipment else None
    if asked.at.tzinfo is None:
        raise Invalid("no_offset", "Give the instant with its offset from UTC.")
    told = {"at": asked.at, "equipment": machine, "side": asked.side, "note": asked.note}
    done = process_events.record(permissions.person(request), key, line, asked.kind, **told)
    headers = {"Idempotent-Replayed": "true"} if done.again else {}
    return JsonResponse(dict(done.answer), status=done.status, headers=headers)


def _line(request: HttpRequest, line_id: int) -> Line:
    return permissions.found(permissions.lines(request), pk=line_id)


def _machine(line: Line, key: str) -> Equipment:
    return permissions.found(Equipment.objects.filter(line=line), key=key)
