"""Changes and the decisions on them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Header, Query, Router

from control.actions import deciding
from control.actions.authority import Right
from control.actions.errors import NoPermission
from control.actions.foretelling import expected
from control.actions.idempotency import Answered
from control.actions.revising import undoable_until
from control.core.lifecycle import State
from control.models import Change, SetPointMove
from control.queries import changes as queries
from dashboards import decisions, hands, permissions
from dashboards.api.schemas import (
    Approval,
    ChangeDetailOut,
    ChangeOut,
    Decided,
    EachDecided,
    Edit,
    Failure,
    Rejection,
    Rejections,
    Resolution,
    Undoing,
    Word,
)
from dashboards.gate import needs

router = Router(tags=["changes"])
REFUSALS = {401: Failure, 404: Failure, 422: Failure}
DECISION = {200: Decided, 401: Failure, 403: Failure, 404: Failure, 409: Failure, 422: Failure}
Key = Header(..., alias="Idempotency-Key", min_length=1, max_length=80, description="The same key has one effect")


@router.get("/changes", response={200: list[ChangeOut], **REFUSALS})
def changes(
    request: HttpRequest,
    state: State | None = None,
    line: str | None = None,
    limit: int = Query(100, ge=1, le=500),
    before: int | None = Query(None, ge=1, lt=2**63),
) -> Any:
    """The newest changes first; ``before`` an id for the next page."""
    mine = permissions.lines(request)
    rows = queries.visible(mine.filter(key=line) if line else mine)
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(pk__lt=before) if before else rows
    return [_change(change) for change in rows.order_by("-pk")[:limit]]


@router.post("/changes/reject", response={**DECISION, 200: list[EachDecided]})
@needs(Right.DECIDE)
def reject_several(request: HttpRequest, asked: Rejections, key: str = Key) -> Any:
    """Reject each of these at the version you saw. Each is answered for itself, and once for the key: what has changed
    since stays. 404: one of them is not yours to see, and none is rejected."""
    user = permissions.person(request)
    if not permissions.may_somewhere(request, Right.DECIDE):
        raise NoPermission("no_permission", f"{user.get_username()} may not decide on changes.")
    seen = {_found(request, one.id).pk: one.version for one in asked.changes}
    answers = decisions.reject_each(user, key, seen, code=asked.reason, text=asked.text)
    return [{"id": change_id, "status": done.status, **done.answer} for change_id, done in answers.items()]


@router.get("/changes/{change_id}", response={200: ChangeDetailOut, **REFUSALS})
def change(request: HttpRequest, change_id: int) -> Any:
    found = _found(request, change_id)
    left_out = SetPointMove.everything.filter(change=found, left_out=True).select_related("tag")
    return {
        **_change(found),
        "evidence": found.evidence,
        "expected": expected(found),
        "left_out": [_move(move) for move in left_out],
        "undoable_until": undoable_until(found),
    }


@router.post("/changes/{change_id}/approve", response=DECISION)
@needs(Right.DECIDE)
def approve(request: HttpRequest, change_id: int, asked: Approval, key: str = Key) -> HttpResponse:
    """Approve the version you saw. 409: it is not that any more, and ``difference`` says how. 403: it takes a password
    (``signature_needed``), which ``wrong_password`` was not, or is not looked at ``until`` (``locked_out``)."""
    _found(request, change_id)
    user, by = permissions.person(request), hands.hand(request, asked.signer, asked.password)
    told = {"version": asked.version, "reason": asked.reason, "parts": asked.parts}
    return answer(decisions.approve(user, key, change_id, by=by, **told))


@router.post("/changes/{change_id}/reject", response=DECISION)
@needs(Right.DECIDE)
def reject(request: HttpRequest, change_id: int, asked: Rejection, key: str = Key) -> HttpResponse:
    """Reject the version you saw, with the key of a reason code."""
    _found(request, change_id)
    user, version = permissions.person(request), asked.version
    return answer(decisions.reject(user, key, change_id, version=version, code=asked.reason, text=asked.text))


@router.post("/changes/{change_id}/ask", response=DECISION)
@needs(Right.DECIDE)
def ask(request: HttpRequest, change_id: int, asked: Word, key: str = Key) -> HttpResponse:
    """Hand the decision up to a supervisor."""
    _found(request, change_id)
    user = permissions.person(request)
    return answer(decisions.ask_supervisor(user, key, change_id, version=asked.version, reason=asked.reason))


@router.post("/changes/{change_id}/withdraw", response=DECISION)
@needs(deciding.may_withdraw)
def withdraw(request: HttpRequest, change_id: int, asked: Word, key: str = Key) -> HttpResponse:
    """Take back what is not written yet: who proposed it, or a supervisor."""
    _found(request, change_id)
    user = permissions.person(request)
    return answer(decisions.withdraw(user, key, change_id, version=asked.version, reason=asked.reason))


@router.post("/changes/{change_id}/edit", response=DECISION)
@needs(Right.PROPOSE)
def edit(request: HttpRequest, change_id: int, asked: Edit, key: str = Key) -> HttpResponse:
    """Propose other values in its place. The answer is the new change, your own: somebody else decides on it.
    422 ``beyond_everybody``: ``difference`` says between which values somebody might approve."""
    _found(request, change_id)
    user, told = permissions.person(request), {"values": asked.values, "reason": asked.reason}
    return answer(decisions.edit(user, key, change_id, version=asked.version, **told))


@router.post("/changes/{change_id}/undo", response=DECISION)
@needs(Right.PROPOSE)
def undo(request: HttpRequest, change_id: int, asked: Undoing, key: str = Key) -> HttpResponse:
    """Propose the way back of what was applied, for a while. The answer is the new change, your own."""
    _found(request, change_id)
    return answer(decisions.undo(permissions.person(request), key, change_id, reason=asked.reason))


@router.post("/changes/{change_id}/resolve", response=DECISION)
@needs(Right.RESOLVE)
def resolve(request: HttpRequest, change_id: int, asked: Resolution, key: str = Key) -> HttpResponse:
    """Say what was found at the machine about an unconfirmed write."""
    _found(request, change_id)
    user, found = permissions.person(request), {"applied": asked.applied, "reason": asked.reason}
    return answer(decisions.resolve(user, key, change_id, version=asked.version, **found))


def _found(request: HttpRequest, change_id: int) -> Change:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=change_id)


def answer(done: Answered) -> HttpResponse:
    headers = {"Idempotent-Replayed": "true"} if done.again else {}
    return JsonResponse(dict(done.answer), status=done.status, headers=headers)


def _change(change: Change) -> dict[str, Any]:
    plain = (
        "id", "state", "version", "proposed_at", "expires_at", "state_since", "needs", "size_percent", "decided_at",
        "reason", "applied_at", "effect", "hindsight",
    )  # fmt: skip
    return {name: getattr(change, name) for name in plain} | {
        "line": change.line.key,
        "loop": change.loop.key,
        "author": change.author.get_username() if change.author else None,
        "supersedes": change.supersedes_id,
        "superseded_by": change.superseded_by.pk if hasattr(change, "superseded_by") else None,
        "undoes": change.undoes_id,
        "decided_by": change.decided_by.get_username() if change.decided_by else None,
        "reason_code": change.reason_code.key if change.reason_code else None,
        "moves": [_move(move) for move in change.moves.all()],
    }


def _move(move: SetPointMove) -> dict[str, Any]:
    plain = ("from_value", "to_value", "contributions", "part", "left_out", "read_back")
    return {"tag": move.tag.key, "unit": move.tag.unit} | {name: getattr(move, name) for name in plain}
