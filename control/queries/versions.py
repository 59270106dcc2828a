"""Versions as their pages show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from control.core.versions import OPEN
from control.models import AuditEntry, Equipment, Estimator, Limits, Line, Loop, Stream, Version, VersionState


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


def streams(line: Line) -> QuerySet[Stream]:
    rows = Stream.objects.filter(lane__equipment__line=line)
    return rows.select_related("characteristic", "lane__equipment").order_by("lane__equipment__position", "pk")


def subjects(rows: Iterable[Version]) -> dict[tuple[str, int], str]:
    """What versions are of, by kind and scope, where that is not the line as a whole."""
    scopes = defaultdict[str, set[int]](set)
    for row in rows:
        scopes[row.kind].add(row.scope)
    found: dict[str, QuerySet[Any]] = {
        "loop": Loop.objects.all(),
        Limits.KIND: Stream.objects.select_related("characteristic", "lane__equipment"),
        Estimator.KIND: Equipment.objects.all(),
    }
    return {(kind, row.pk): str(row) for kind, of in found.items() for row in of.filter(pk__in=scopes[kind])}


def waiting(line: Line) -> QuerySet[Version]:
    """What may still come into force."""
    return of_line(line).filter(state__in=sorted(OPEN))


def history(version: Version) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(object_type="version", object_id=str(version.pk)).order_by("number")
