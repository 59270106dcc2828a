"""Loops with their modes, and HOLD: on a loop, a line or a whole site."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from control.actions import figures, loops, standing
from control.actions.authority import Right
from control.actions.holds import Scope
from control.core.modes import Mode
from control.core.promotion import Met, conditions
from control.models import Hold, Line, Loop
from control.plantvalues import NO_ZERO
from control.queries import loops as queries
from control.queries import overview
from dashboards import hands, modes, permissions, wording
from dashboards.api.changes import DECISION, REFUSALS, Key, answer
from dashboards.api.schemas import Signed
from dashboards.gate import needs

router = Router(tags=["loops and HOLD"])


class LoopOut(Schema):
    id: int
    line: str
    equipment: str
    key: str
    requested: str = Field(description="The mode that people asked for")
    actual: str = Field(description="The mode in force")
    reasons: list[Any] = Field(description="Why they differ, the newest first")
    since: datetime | None


class ConditionOut(Schema):
    condition: str
    met: bool
    has: float | None = Field(description="How it stands; null where that is endless")
    needed: float
    words: str


class SpellOut(Schema):
    requested: str
    actual: str
    since: datetime
    until: datetime | None
    code: str
    detail: str
    by: str | None


class FateOut(Schema):
    outcome: str = Field(description="applied, rejected, expired, or edited: a person's other values took its place")
    number: int
    verdicts: dict[str, int] = Field(description="How many were effective, or would have helped, harmed, or neither")


class LoopDetailOut(LoopOut):
    conditions: list[ConditionOut] = Field(description="What automatic mode asks for, besides a signature")
    spells: list[SpellOut]
    record: list[FateOut] = Field(description="What became of its recommendations of the last 30 days")


class ModeIn(Signed, extra="forbid"):
    mode: Mode
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


class ReleaseIn(Signed, extra="forbid"):
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


class ModeOut(Schema):
    id: int
    requested: str
    actual: str


class HoldIn(Schema, extra="forbid"):
    reason: str = Field("", max_length=400, pattern=NO_ZERO)


class ReasonIn(Schema, extra="forbid"):
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


NOTHING_SAID = HoldIn()


class HoldOut(Schema):
    id: int
    site: str | None
    line: str | None
    loop: str | None
    since: datetime
    by: str
    reason: str
    settled: bool = Field(description="Whether everything that was under way had ended when this was answered")


class Ended(Schema):
    id: int
    ended: bool


@router.get("/loops", response={200: list[LoopOut], **REFUSALS})
def all_loops(request: HttpRequest, line: str | None = None) -> Any:
    mine = permissions.lines(request)
    rows = queries.visible_loops((mine.filter(key=line) if line else mine).values_list("pk", flat=True))
    return [_loop(loop) for loop in rows.order_by("pk")]


@router.get("/loops/{loop_id}", response={200: LoopDetailOut, **REFUSALS})
def one_loop(request: HttpRequest, loop_id: int) -> Any:
    loop = _found(request, loop_id)
    found = conditions(standing.standing(loop, permissions.now()), figures.of(loop.equipment.line_id))
    spells = [
        {name: getattr(row, name) for name in ("requested", "actual", "since", "until", "code", "detail")}
        | {"by": row.by.get_username() if row.by else None}
        for row in queries.spells(loop)
    ]
    record = queries.record(loop, permissions.now() - queries.RECORDED)
    return {
        **_loop(loop),
        "conditions": [_condition(one) for one in found],
        "spells": spells,
        "record": [asdict(fate) for fate in record],
    }


@router.post("/loops/{loop_id}/mode", response={**DECISION, 200: ModeOut})
@needs(Right.SET_MODE)
def ask_for_mode(request: HttpRequest, loop_id: int, asked: ModeIn, key: str = Key) -> HttpResponse:
    """Ask for a mode. 409 ``auto_conditions_unmet``: ``difference`` says which; 403 ``signature_needed``: sign."""
    loop = _found(request, loop_id)
    by = hands.hand(request, asked.signer, asked.password)
    return answer(modes.request(permissions.person(request), key, loop, asked.mode, by=by, reason=asked.reason))


@router.get("/holds", response={200: list[HoldOut], **REFUSALS})
def holds(request: HttpRequest) -> Any:
    """What is stopped now on the lines you may see."""
    rows = overview.visible_holds(permissions.lines(request)).filter(ended_at__isnull=True)
    return [_hold_out(row) for row in rows.order_by("pk")]


@router.post("/loops/{loop_id}/hold", response={**DECISION, 200: HoldOut})
@needs(Right.HOLD)
def hold_loop(request: HttpRequest, loop_id: int, asked: HoldIn = NOTHING_SAID) -> Any:
    """Stop a loop. No key, no password; again changes nothing."""
    return _hold(request, _found(request, loop_id), asked)


@router.post("/lines/{line_id}/hold", response={**DECISION, 200: HoldOut})
@needs(Right.HOLD)
def hold_line(request: HttpRequest, line_id: int, asked: HoldIn = NOTHING_SAID) -> Any:
    return _hold(request, permissions.found(permissions.lines(request), pk=line_id), asked)


@router.post("/sites/{key}/hold", response={**DECISION, 200: HoldOut})
@needs(Right.HOLD)
def hold_site(request: HttpRequest, key: str, asked: HoldIn = NOTHING_SAID) -> Any:
    return _hold(request, permissions.found(overview.sites(permissions.lines(request)), key=key), asked)


@router.post("/holds/{hold_id}/reason", response={**DECISION, 200: HoldOut})
@needs(Right.HOLD)
def hold_reason(request: HttpRequest, hold_id: int, asked: ReasonIn) -> Any:
    """Why it was stopped, said afterwards."""
    row = _found_hold(request, hold_id)
    loops.hold_reason(row, asked.reason, actor=permissions.person(request), now=permissions.now())
    return _hold_out(_found_hold(request, hold_id))


@router.post("/holds/{hold_id}/release", response={**DECISION, 200: Ended})
@needs(Right.RELEASE)
def release(request: HttpRequest, hold_id: int, asked: ReleaseIn, key: str = Key) -> HttpResponse:
    """End a HOLD, signed by a supervisor."""
    row = _found_hold(request, hold_id)
    by = hands.hand(request, asked.signer, asked.password)
    return answer(modes.release(permissions.person(request), key, row, by=by, reason=asked.reason))


def _found(request: HttpRequest, loop_id: int) -> Loop:
    return permissions.found(queries.visible_loops(permissions.line_ids(request)), pk=loop_id)


def _found_hold(request: HttpRequest, hold_id: int) -> Hold:
    return permissions.found(overview.visible_holds(permissions.lines(request)), pk=hold_id)


def _hold(request: HttpRequest, scope: Scope, asked: HoldIn) -> dict[str, Any]:
    return _hold_out(loops.hold(scope, actor=permissions.person(request), now=permissions.now(), reason=asked.reason))


def _loop(loop: Loop) -> dict[str, Any]:
    line: Line = loop.equipment.line
    return {
        "id": loop.pk, "line": line.key, "equipment": loop.equipment.key, "key": loop.key,
        "requested": loop.requested_mode, "actual": loop.actual_mode, "reasons": loop.mode_reasons,
        "since": loop.mode_since,
    }  # fmt: skip


def _condition(one: Met) -> dict[str, Any]:
    has = one.has if math.isfinite(one.has) else None
    return {
        "condition": one.condition.value, "met": one.met, "has": has, "needed": one.needed,
        "words": wording.condition(one),
    }  # fmt: skip


def _hold_out(row: Hold) -> dict[str, Any]:
    return {
        "id": row.pk, "site": row.site and row.site.key, "line": row.line and row.line.key,
        "loop": row.loop and row.loop.key, "since": row.since, "by": row.by.get_username(), "reason": row.reason,
        "settled": row.settled,
    }  # fmt: skip
