"""Who did what, and why: searchable and to be taken away, never to be changed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from control.actions.authority import Right
from control.models import AuditEntry
from control.queries import changes as queries
from dashboards import permissions
from dashboards.cells import neutral

A_PAGE = 50
COLUMNS = (
    "number", "at", "actor_name", "action", "object_type", "object_id", "old", "new", "reason", "previous_hash", "hash",
)  # fmt: skip


@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    rows = Paginator(_asked(request), A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"lines": permissions.lines(request), "page": "audit", "rows": rows}
    return render(request, "audit/page.html", context | {"find": request.GET.get("find", "")})


@login_required
@require_safe
def download(request: HttpRequest) -> StreamingHttpResponse:
    file = StreamingHttpResponse(_csv(_asked(request)), content_type="text/csv; charset=utf-8")
    file["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return file


def _asked(request: HttpRequest) -> QuerySet[AuditEntry]:
    lines = permissions.lines_with(request, Right.AUDIT)
    if not lines:
        raise PermissionDenied
    find, action = request.GET.get("find", "")[:100], request.GET.get("action", "")[:64]
    return queries.audit([line.pk for line in lines], action=action, find=find.replace("\0", ""))


class _Line:
    """What the csv writer writes to: it hands the line back."""

    def write(self, line: str) -> str:
        return line


def _csv(rows: QuerySet[AuditEntry]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for row in rows.iterator(chunk_size=2000):
        yield writer.writerow([neutral(_cell(getattr(row, name))) for name in COLUMNS])


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
