"""Versions as their pages show them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from control.core.versions import OPEN
from control.models import AuditEntry, Equipment, Line, Loop, Version, VersionState


def visible(line_ids: Iterable[int]) -> QuerySet[Version]:
    rows = Version.objects.filter(line__in=list(line_ids))
    return rows.select_related("line__area__site", "author", "approved_by", "base")


def of_line(line: Line) -> QuerySet[Version]:
    return visible([line.pk]).order_by("-pk")


def in_force(line: Line) -> dict[tuple[str, int], Version]:
    """What holds on a line, by kind and scope."""
    return {(row.kind, row.scope): row for row in of_line(line).filter(state=VersionState.ACTIVE)}


def loops(line: Line) -> QuerySet[Loop]:
    return Loop.objects.filter(equipment__line=line).select_related("equipment").order_by("pk")


def predicted(line: Line) -> QuerySet[Equipment]:
    """The machines that have streams to predict."""
    return Equipment.objects.filter(line=line, lanes__streams__isnull=False).distinct().order_by("position")


def waiting(line: Line) -> QuerySet[Version]:
    """What may still come into force."""
    return of_line(line).filter(state__in=sorted(OPEN))


def history(version: Version) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(object_type="version", object_id=str(version.pk)).order_by("number")
