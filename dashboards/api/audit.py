"""The audit: its rows with the chain, and its present end, signed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.errors import HttpError

from control.actions import roots
from control.queries.audit import Asked
from dashboards import audits, permissions
from dashboards.api.schemas import AuditOut, Failure, Instant, RootOut

router = Router(tags=["audit"])
Word = Query("", max_length=100)
From, To = Query(None, alias="from"), Query(None, alias="to", description="The first instant that is no more told")


@router.get("/audit", response={200: list[AuditOut], 401: Failure, 403: Failure, 422: Failure})
def audit(
    request: HttpRequest,
    action: str = Word,
    object: str = Query("", max_length=100, description="A type, or a type and a key: change:12"),  # noqa: A002
    line: str = Word,
    person: str = Word,
    find: str = Word,
    since: Instant | None = From,
    until: Instant | None = To,
    limit: int = Query(100, ge=1, le=1000),
    before: int | None = Query(None, ge=1, lt=2**63),
) -> Any:
    """Audit rows of the lines you may audit, the newest first, with all that was hashed."""
    _require(request)
    asked = Asked(action, object, line, person, find, since, until)
    rows = audits.rows(request, asked)
    rows = rows.filter(number__lt=before) if before else rows
    return [audits.told(row) for row in rows[:limit]]


@router.get("/audit/root", response={200: RootOut, 401: Failure, 403: Failure})
def root(request: HttpRequest) -> Any:
    """The end of the chain at this moment. Kept elsewhere, it shows later that no row before it was touched."""
    _require(request)
    return roots.present(permissions.now()).told()


def _require(request: HttpRequest) -> None:
    if not permissions.audits(request):
        raise HttpError(403, "This is for those who may audit.")
