"""Versions: what is in force, drafts, their review, and files that become drafts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Field, File, Form, Query, Router, Schema
from ninja.files import UploadedFile

from control.actions import versions as actions
from control.actions.authority import Right
from control.actions.errors import Invalid
from control.actions.idempotency import Answered
from control.core.versions import State
from control.models import Line, Version
from control.plantvalues import NO_ZERO
from control.queries import versions as queries
from dashboards import hands, permissions, uploads, version_doors
from dashboards.api.changes import DECISION, REFUSALS, Key
from dashboards.api.gate import needs
from dashboards.api.schemas import Instant, Signed

WHEN = Query(...)
router = Router(tags=["versions"])


class VersionOut(Schema):
    id: int
    kind: str
    line: str
    scope: int = Field(description="What it is of: loop, stream (limits), machine (estimators), or the line itself")
    number: int
    state: str
    source: str
    sha256: str = Field(description="Of the content; send it back as seen")
    base: int | None = Field(description="Number of the version it was drafted from")
    author: str | None
    created_at: datetime
    reason: str
    approved_by: str | None
    approved_at: datetime | None
    waits_for: str
    due_at: datetime | None
    effective_from: datetime | None
    effective_to: datetime | None


class FaultOut(Schema):
    path: str
    code: str
    than: float | str | None


class DifferenceOut(Schema):
    path: str
    old: Any
    new: Any
    change: float | None
    percent: float | None
    faults: list[FaultOut]


class VersionDetailOut(VersionOut):
    content: dict[str, Any]
    difference: list[DifferenceOut] = Field(description="Beside its base, with what is wrong with it now")


class InForceOut(Schema):
    kind: str
    scope: int
    number: int | None = Field(description="None: no version was in force. What usually holds did")
    effective_from: datetime | None
    content: dict[str, Any] = Field(description="Empty where it was put on record only later, as of recipes and loops")


class VersionTold(Schema):
    id: int
    kind: str
    number: int
    state: str
    sha256: str


class DraftIn(Schema, extra="forbid"):
    kind: str = Field(max_length=16, pattern=NO_ZERO)
    scope: int | None = Field(None, ge=1, lt=2**63, description="The line itself without it")
    content: dict[str, Any] = Field(description="What is to be otherwise; the rest stays as it is in force")
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


class EditIn(Schema, extra="forbid"):
    content: dict[str, Any]
    seen: str = Field(description="sha256 of the content you saw", max_length=64, pattern=NO_ZERO)
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


class ReasonIn(Schema, extra="forbid"):
    reason: str = Field("", max_length=400, pattern=NO_ZERO)


class SignatureIn(Signed, extra="forbid"):
    seen: str = Field(description="sha256 of the content you saw", max_length=64, pattern=NO_ZERO)
    when: Literal["", "now", "lot", "time"] = Field("", description="lot: with the next roll of the first machine")
    at: Instant | None = Field(None, description="For when=time; with its offset from UTC")
    reason: str = Field("", max_length=400, pattern=NO_ZERO)


DECIDED = {**DECISION, 200: VersionTold}
OF_VERB = {
    "submit": Right.CONFIGURE, "discard": Right.CONFIGURE, "rework": actions.may_rework,
    "reject": actions.may_review, "recall": actions.may_review, "retire": actions.may_review,
    "again": Right.CONFIGURE,
}  # fmt: skip


@router.get("/lines/{line_id}/versions", response={200: list[VersionOut], **REFUSALS})
def versions(
    request: HttpRequest,
    line_id: int,
    kind: str = Query("", max_length=16),
    state: State | None = None,
    limit: int = Query(100, ge=1, le=500),
    before: int | None = Query(None, ge=1, lt=2**63),
) -> Any:
    """The newest first; ``before`` an id for the next page."""
    rows = queries.of_line(_line(request, line_id))
    rows = rows.filter(kind=kind) if kind else rows
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(pk__lt=before) if before else rows
    return [_version(row) for row in rows[:limit]]


@router.get("/lines/{line_id}/versions/at", response={200: InForceOut, **REFUSALS})
def in_force_at(
    request: HttpRequest,
    line_id: int,
    kind: str = Query(..., max_length=16),
    when: Instant = WHEN,
    scope: int | None = Query(None, ge=1, lt=2**63),
) -> Any:
    """What held at an instant."""
    line = _line(request, line_id)
    found, content = actions.held_at(kind, line, scope or line.pk, when)
    return {
        "kind": kind, "scope": scope or line.pk, "number": found and found.number,
        "effective_from": found and found.effective_from,
        "content": content,
    }  # fmt: skip


@router.post("/lines/{line_id}/versions", response=DECIDED)
@needs(Right.CONFIGURE)
def draft(request: HttpRequest, line_id: int, asked: DraftIn, key: str = Key) -> HttpResponse:
    """Draft a version. 422 ``not_valid`` names everything that is wrong in ``difference.faults``."""
    line = _line(request, line_id)
    return _answer(version_doors.draft(
        permissions.person(request), key, asked.kind, line, asked.scope or line.pk, asked.content,
        reason=asked.reason, source=Version.Source.API,
    ))  # fmt: skip


@router.post("/lines/{line_id}/versions/import", response=DECIDED)
@needs(Right.CONFIGURE)
def bring(
    request: HttpRequest,
    line_id: int,
    file: File[UploadedFile],
    kind: Form[str],
    reason: Form[str],
    key: str = Key,
    scope: Form[int | None] = None,
) -> HttpResponse:
    """A draft from a file: CSV (``path,value``) or a JSON object, by the ending of its name."""
    line = _line(request, line_id)
    return _answer(version_doors.bring(
        permissions.person(request), key, kind[:16], line, scope or line.pk, uploads.read(file),
        version_doors.media(file.name or ""), reason=reason[:400],
    ))  # fmt: skip


@router.get("/versions/{version_id}", response={200: VersionDetailOut, **REFUSALS})
def version(request: HttpRequest, version_id: int) -> Any:
    found = _found(request, version_id)
    return _version(found) | {
        "content": found.content,
        "difference": [row.as_json() for row in actions.difference(found)],
    }


@router.post("/versions/{version_id}/edit", response=DECIDED)
@needs(Right.CONFIGURE)
def edit(request: HttpRequest, version_id: int, asked: EditIn, key: str = Key) -> HttpResponse:
    """Change a draft of your own; from then on it rests on what is in force now."""
    _found(request, version_id)
    user, told = permissions.person(request), {"seen": asked.seen, "reason": asked.reason}
    return _answer(version_doors.edit(user, key, version_id, asked.content, **told))


@router.post("/versions/{version_id}/approve", response=DECIDED)
@needs(actions.may_sign)
def approve(request: HttpRequest, version_id: int, asked: SignatureIn, key: str = Key) -> HttpResponse:
    """Sign that it may come into force; with ``when`` the same signature says from when it does."""
    told = _signed(request, version_id, asked)
    then = version_doors.when(asked.when, asked.at)
    return _answer(version_doors.approve(permissions.person(request), key, version_id, then=then, **told))


@router.post("/versions/{version_id}/put_in_force", response=DECIDED)
@needs(actions.may_sign)
def put_in_force(request: HttpRequest, version_id: int, asked: SignatureIn, key: str = Key) -> HttpResponse:
    """Sign from when what was approved is in force."""
    told = _signed(request, version_id, asked)
    when = version_doors.when(asked.when, asked.at)
    if when is None:
        raise Invalid("no_when", "Say when: now, with the next roll, or at which time.")
    return _answer(version_doors.put_in_force(permissions.person(request), key, version_id, when=when, **told))


@router.post("/versions/{version_id}/{verb}", response=DECIDED)
@needs(OF_VERB)
def decide(
    request: HttpRequest,
    version_id: int,
    verb: Literal["submit", "discard", "rework", "reject", "recall", "retire", "again"],
    asked: ReasonIn,
    key: str = Key,
) -> HttpResponse:
    """What being signed in is enough for. ``again`` answers with a new draft of what was in force once."""
    _found(request, version_id)
    return _answer(version_doors.decide(permissions.person(request), key, version_id, verb, reason=asked.reason))


def _signed(request: HttpRequest, version_id: int, asked: SignatureIn) -> dict[str, Any]:
    _found(request, version_id)
    if asked.at is not None and asked.at.tzinfo is None:
        raise Invalid("no_offset", "Give the instant with its offset from UTC.")
    by = hands.hand(request, asked.signer, asked.password)
    return {"by": by, "seen": asked.seen, "reason": asked.reason}


def _line(request: HttpRequest, line_id: int) -> Line:
    return permissions.found(permissions.lines(request), pk=line_id)


def _found(request: HttpRequest, version_id: int) -> Version:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=version_id)


def _answer(done: Answered) -> HttpResponse:
    headers = {"Idempotent-Replayed": "true"} if done.again else {}
    return JsonResponse(dict(done.answer), status=done.status, headers=headers)


def _version(row: Version) -> dict[str, Any]:
    plain = (
        "id", "kind", "scope", "number", "state", "source", "sha256", "created_at", "reason", "approved_at",
        "waits_for", "due_at", "effective_from", "effective_to",
    )  # fmt: skip
    return {name: getattr(row, name) for name in plain} | {
        "line": row.line.key,
        "base": row.base and row.base.number,
        "author": row.author and row.author.get_username(),
        "approved_by": row.approved_by and row.approved_by.get_username(),
    }
