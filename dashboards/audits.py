"""Rows of the audit that a person may see, and how a file or the API tells them: with all that was hashed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from control.actions.audit import canonical
from control.actions.authority import Right
from control.models import AuditEntry
from control.queries import audit as queries
from control.queries.audit import Asked
from dashboards import permissions
from dashboards.cells import neutral

COLUMNS = (
    "number", "at", "actor_id", "actor_name", "action", "object_type", "object_id", "line_id", "old", "new", "reason",
    "previous_hash", "hash",
)  # fmt: skip
CHUNK = 2000  # rows fetched at a time for a file


def rows(request: HttpRequest, asked: Asked) -> QuerySet[AuditEntry]:
    """Of the lines the person may audit, the newest first."""
    lines = [(line.pk, line.key) for line in permissions.lines_with(request, Right.AUDIT)]
    return queries.rows(lines, without_line=permissions.audits_all(request), asked=asked)


def told(row: AuditEntry) -> dict[str, Any]:
    """A row with its instant as it was hashed."""
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    return {name: getattr(row, name) for name in COLUMNS} | {"at": at}


def json_lines(found: QuerySet[AuditEntry]) -> Iterator[str]:
    """One object a line, in the order of the chain."""
    for row in found.order_by("number").iterator(chunk_size=CHUNK):
        yield canonical(told(row)) + "\n"


def csv_lines(found: QuerySet[AuditEntry]) -> Iterator[str]:
    """For a spreadsheet, in the order of the chain; a cell that would run is made harmless, so hash the JSON lines."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for row in found.order_by("number").iterator(chunk_size=CHUNK):
        yield writer.writerow([neutral(_cell(value)) for value in told(row).values()])


class _Line:
    """What the csv writer writes to: it hands the line back."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Any) -> Any:
    return canonical(value) if isinstance(value, dict | list) else value
