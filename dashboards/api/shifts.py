"""Shifts of a line: what happened, and who handed it over to whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from control.actions import shifts
from control.actions.authority import Right
from control.actions.signing import Hand
from control.models import Handover
from control.plantvalues import NO_ZERO
from control.queries import handover as queries
from dashboards import hands, permissions
from dashboards import shifts as doors
from dashboards.api.changes import DECISION, REFUSALS, Key, answer
from dashboards.api.schemas import Signed
from dashboards.gate import needs

router = Router(tags=["shifts"])


class ShiftOut(Schema):
    id: int
    line: str
    starts_at: datetime
    ends_at: datetime
    running: bool
    given_by: str | None
    given_at: datetime | None
    accepted_by: str | None
    accepted_at: datetime | None


class NoteOut(Schema):
    at: datetime
    by: str
    text: str


class ShiftDetailOut(ShiftOut):
    report: dict[str, Any] = Field(description="Frozen when the shift ended; until now while it runs")
    notes: list[NoteOut]


class NoteIn(Schema, extra="forbid"):
    text: str = Field(min_length=1, max_length=1000, pattern=NO_ZERO)


class NotedOut(Schema):
    id: int
    shift: int
    at: datetime
    text: str


@router.get("/lines/{line_id}/shifts", response={200: list[ShiftOut], **REFUSALS})
def list_shifts(request: HttpRequest, line_id: int, limit: int = Query(30, ge=1, le=500)) -> Any:
    """The newest first; the first one runs."""
    line = permissions.found(permissions.lines(request), pk=line_id)
    return [doors.told(row) for row in queries.handovers([line.pk])[:limit]]


@router.get("/shifts/{shift_id}", response={200: ShiftDetailOut, **REFUSALS})
def shift(request: HttpRequest, shift_id: int) -> Any:
    """A shift with its report and notes."""
    row = _found(request, shift_id)
    notes = [{"at": one.at, "by": one.by.get_username(), "text": one.text} for one in row.notes.select_related("by")]
    return {**doors.told(row), "report": shifts.report(row, permissions.now()), "notes": notes}


@router.post("/shifts/{shift_id}/notes", response={**DECISION, 200: NotedOut})
@needs(Right.HAND_OVER)
def note(request: HttpRequest, shift_id: int, asked: NoteIn, key: str = Key) -> HttpResponse:
    """Tell the next shift something, until it has accepted."""
    return answer(doors.note(permissions.person(request), key, _found(request, shift_id), asked.text))


@router.post("/shifts/{shift_id}/give", response={**DECISION, 200: ShiftOut})
@needs(Right.HAND_OVER)
def give(request: HttpRequest, shift_id: int, asked: Signed, key: str = Key) -> HttpResponse:
    """Sign that this is what happened. 403 as for an approval that takes a password."""
    row = _found(request, shift_id)
    return answer(doors.give(permissions.person(request), key, row, _hand(request, asked)))


@router.post("/shifts/{shift_id}/accept", response={**DECISION, 200: ShiftOut})
@needs(Right.HAND_OVER)
def accept(request: HttpRequest, shift_id: int, asked: Signed, key: str = Key) -> HttpResponse:
    """Sign that it was read and the line is taken over: another person than who gave it."""
    row = _found(request, shift_id)
    return answer(doors.accept(permissions.person(request), key, row, _hand(request, asked)))


def _hand(request: HttpRequest, asked: Signed) -> Hand:
    return hands.hand(request, asked.signer, asked.password)


def _found(request: HttpRequest, shift_id: int) -> Handover:
    return permissions.found(queries.handovers(permissions.line_ids(request)), pk=shift_id)
