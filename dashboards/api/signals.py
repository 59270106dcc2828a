"""Signals of a line: read, seen, put aside for a time, answered; and how often people were called."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from control.actions import attention
from control.actions.authority import Right
from control.models import Line, Signal
from control.plantvalues import NO_ZERO
from control.queries import signals as queries
from control.queries.points import rule_names
from dashboards import permissions
from dashboards import signals as doors
from dashboards.api.changes import DECISION, REFUSALS, Key, answer
from dashboards.gate import needs

router = Router(tags=["signals"])
LARGEST = 2**63 - 1


class SignalOut(Schema):
    id: int
    kind: str
    stream: int | None
    loop: str | None
    rules: list[str]
    priority: int = Field(description="1 is the most urgent, 3 the least")
    first_at: datetime
    last_at: datetime
    points: int
    value: float | None
    detail: str
    raised_at: datetime
    joins: int | None = Field(description="The open signal of the same cause that calls in its place")
    called_at: datetime | None = Field(description="When it was first put before people; empty while it waits its turn")
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    cause: str | None = Field(description="Key of the cause it was closed with")
    action: str | None = Field(description="Key of what was done about it")
    action_taken: str


class AttentionOut(Schema):
    """Calls of the last eight hours: signals, and recommendations that took no other's place."""

    calls: int
    budget: float
    operators: int
    each_ten_minutes: float = Field(description="Calls per operator and ten minutes")


class Acknowledgement(Schema, extra="forbid"):
    ids: list[int] = Field(min_length=1, max_length=500)


class Acknowledged(Schema):
    acknowledged: int = Field(description="How many were not acknowledged or closed before")


class Answer(Schema, extra="forbid"):
    cause: str = Field(description="Key of a cause", max_length=64, pattern=NO_ZERO)
    action: str = Field("other", description="Key of what was done; other needs words", max_length=64, pattern=NO_ZERO)
    action_taken: str = Field(
        "", max_length=400, pattern=NO_ZERO, description="In words, where the code says too little"
    )


class Closed(Schema):
    id: int
    cause: str
    action: str


class Shelving(Schema, extra="forbid"):
    minutes: int = Field(ge=1, le=1440)
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


class Shelved(Schema):
    id: int
    until: datetime


class Unshelved(Schema):
    id: int


@router.get("/lines/{line_id}/signals", response={200: list[SignalOut], **REFUSALS})
def signals(
    request: HttpRequest,
    line_id: int,
    open: bool = True,  # noqa: A002 - its name in the address
    limit: int = Query(100, ge=1, le=1000),
    before: int | None = Query(None, ge=1, le=LARGEST),
) -> Any:
    """The newest first; those without a cause unless ``open`` is false. ``before`` an id for the next page."""
    rows = queries.visible([_line(request, line_id).pk]).filter(closed_at__isnull=open)
    rows = rows.filter(pk__lt=before) if before else rows
    return [_signal(row) for row in rows.order_by("-pk")[:limit]]


@router.get("/lines/{line_id}/attention", response={200: AttentionOut, **REFUSALS})
def how_often(request: HttpRequest, line_id: int) -> Any:
    """How often the people of a line were called, beside how often they may be."""
    told = attention.rate(_line(request, line_id).pk, permissions.now())
    names = ("calls", "budget", "operators", "each_ten_minutes")
    return {name: getattr(told, name) for name in names}


@router.post("/lines/{line_id}/signals/acknowledge", response={**DECISION, 200: Acknowledged})
@needs(Right.ANSWER_SIGNAL)
def acknowledge(request: HttpRequest, line_id: int, asked: Acknowledgement, key: str = Key) -> HttpResponse:
    """Say of open signals that they were seen. They still want a cause."""
    line = _line(request, line_id)
    return answer(doors.acknowledge(permissions.person(request), key, line, asked.ids))


@router.post("/signals/{signal_id}/close", response={**DECISION, 200: Closed})
@needs(Right.ANSWER_SIGNAL)
def close(request: HttpRequest, signal_id: int, asked: Answer, key: str = Key) -> HttpResponse:
    """Say why a signal came and what was done, for those that joined it too."""
    row, (cause, action) = _found(request, signal_id), doors.codes(asked.cause, asked.action)
    return answer(doors.close(permissions.person(request), key, row, cause, action, asked.action_taken))


@router.post("/signals/{signal_id}/shelve", response={**DECISION, 200: Shelved})
@needs(Right.ANSWER_SIGNAL)
def shelve(request: HttpRequest, signal_id: int, asked: Shelving, key: str = Key) -> HttpResponse:
    """Have a rule of a stream call nobody for a time. What breaks it is stored all the same."""
    row = _found(request, signal_id)
    return answer(doors.shelve(permissions.person(request), key, row, asked.minutes, asked.reason))


@router.post("/signals/{signal_id}/unshelve", response={**DECISION, 200: Unshelved})
@needs(Right.ANSWER_SIGNAL)
def unshelve(request: HttpRequest, signal_id: int, key: str = Key) -> HttpResponse:
    """Let it call again before the time is over."""
    return answer(doors.unshelve(permissions.person(request), key, _found(request, signal_id)))


def _line(request: HttpRequest, line_id: int) -> Line:
    return permissions.found(permissions.lines(request), pk=line_id)


def _found(request: HttpRequest, signal_id: int) -> Signal:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=signal_id)


def _signal(row: Signal) -> dict[str, Any]:
    plain = (
        "id", "kind", "priority", "first_at", "last_at", "points", "value", "detail", "raised_at", "called_at",
        "acknowledged_at", "closed_at", "action_taken",
    )  # fmt: skip
    return {name: getattr(row, name) for name in plain} | {
        "stream": row.stream_id, "loop": row.loop.key if row.loop else None, "rules": rule_names(row.rule),
        "joins": row.joins_id,
        "cause": row.cause.key if row.cause else None, "action": row.action.key if row.action else None,
        "acknowledged_by": row.acknowledged_by.get_username() if row.acknowledged_by else None,
    }  # fmt: skip
