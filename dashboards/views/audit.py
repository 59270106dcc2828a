"""Who did what, and why: searchable and to be taken away, never to be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from control.models import AuditEntry
from control.queries.audit import Asked
from dashboards import audit_words, audits, permissions
from dashboards.instants import instant

A_PAGE = 50
LONGEST = 100  # characters of what is looked for
WORDS = ("action", "object", "line", "person", "find")
Lines = Callable[[QuerySet[AuditEntry]], Iterator[str]]


@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    rows = Paginator(_asked(request), A_PAGE).get_page(request.GET.get("page"))
    asked = request.GET.copy()
    asked.pop("page", None)
    context: dict[str, Any] = {"lines": permissions.lines(request), "page": "audit", "rows": rows, "asked": request.GET}
    context |= {"shown": audit_words.shown(rows), "query": asked.urlencode()}
    return render(request, "audit/page.html", context)


@login_required
@require_safe
def table(request: HttpRequest) -> StreamingHttpResponse:
    return _file(request, audits.csv_lines, "audit.csv", "text/csv; charset=utf-8")


@login_required
@require_safe
def lines(request: HttpRequest) -> StreamingHttpResponse:
    return _file(request, audits.json_lines, "audit.jsonl", "application/jsonl; charset=utf-8")


def _file(request: HttpRequest, lines: Lines, name: str, kind: str) -> StreamingHttpResponse:
    file = StreamingHttpResponse(lines(_asked(request)), content_type=kind)
    file["Content-Disposition"] = f'attachment; filename="{name}"'
    return file


def _asked(request: HttpRequest) -> QuerySet[AuditEntry]:
    if not permissions.audits(request):
        raise PermissionDenied
    words = {name: request.GET.get(name, "").strip()[:LONGEST] for name in WORDS}
    since, until = (instant(request.GET.get(name, ""), "UTC") for name in ("from", "to"))
    return audits.rows(request, Asked(**words, since=since, until=until))
