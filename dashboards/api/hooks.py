"""The addresses outside that a line tells of its changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from control.actions.authority import Right, require
from control.models import Line, Webhook
from control.plantvalues import NO_ZERO
from control.queries import hooks as queries
from dashboards import hooks as doors
from dashboards import permissions
from dashboards.api.changes import DECISION, REFUSALS, Key, answer
from dashboards.api.schemas import Failure
from dashboards.gate import needs

router = Router(tags=["webhooks"])


class HookIn(Schema, extra="forbid"):
    url: str = Field(description="https, at a host that the installation names", max_length=300, pattern=NO_ZERO)
    actions: list[str] = Field(description="Actions of the audit that it is told of: change.approve and the like")
    reason: str = Field("", max_length=400, pattern=NO_ZERO)


class HookOut(Schema):
    id: int
    line: str
    url: str
    actions: list[str]
    is_active: bool
    created_at: datetime
    sent: int = Field(description="Number of the last row of the audit that it was told of or that did not concern it")
    told_at: datetime | None
    attempts: int = Field(description="Tries in a row that failed")
    next_at: datetime | None
    last_error: str


class HookMade(HookOut):
    secret: str = Field(description="Told this once; it signs what is sent")


class HookStop(Schema, extra="forbid"):
    reason: str = Field("", max_length=400, pattern=NO_ZERO)


class HookDone(Schema):
    id: int


@router.get("/lines/{line_id}/webhooks", response={200: list[HookOut], 403: Failure, **REFUSALS})
@needs(Right.CONFIGURE)
def hooks(request: HttpRequest, line_id: int) -> Any:
    """For those who configure the line."""
    line = _line(request, line_id)
    require(permissions.person(request), Right.CONFIGURE, line, permissions.now())
    return [doors.told(hook) for hook in queries.visible([line.pk])]


@router.post("/lines/{line_id}/webhooks", response={**DECISION, 200: HookMade})
@needs(Right.CONFIGURE)
def make(request: HttpRequest, line_id: int, asked: HookIn) -> Any:
    """Tell an address of what happens from now on. The secret is stored in no answer, so this
    takes no Idempotency-Key; the same address a second time is refused."""
    line = _line(request, line_id)
    hook, secret = doors.make(permissions.person(request), line, asked.url, asked.actions, asked.reason)
    return {**doors.told(hook), "secret": secret}


@router.post("/webhooks/{hook_id}/stop", response={**DECISION, 200: HookDone})
@needs(Right.CONFIGURE)
def stop(request: HttpRequest, hook_id: int, asked: HookStop, key: str = Key) -> HttpResponse:
    return answer(doors.stop(permissions.person(request), key, _found(request, hook_id), asked.reason))


@router.post("/webhooks/{hook_id}/try", response={**DECISION, 200: HookDone})
@needs(Right.CONFIGURE)
def try_again(request: HttpRequest, hook_id: int, key: str = Key) -> HttpResponse:
    """At once instead of after its wait."""
    return answer(doors.try_again(permissions.person(request), key, _found(request, hook_id)))


def _line(request: HttpRequest, line_id: int) -> Line:
    return permissions.found(permissions.lines(request), pk=line_id)


def _found(request: HttpRequest, hook_id: int) -> Webhook:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=hook_id)
