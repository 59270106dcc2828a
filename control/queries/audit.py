"""The record, as those who may audit look into it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from control.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows; what is empty asks for all. ``object`` is a type, or a type and a key: ``change:12``."""

    action: str = ""
    object: str = ""
    line: str = ""
    person: str = ""
    find: str = ""
    since: datetime | None = None
    until: datetime | None = None


def rows(lines: Iterable[tuple[int, str]], *, without_line: bool, asked: Asked) -> QuerySet[AuditEntry]:
    """Rows of the lines (id and key), the newest first; ``without_line`` adds those that concern no single line."""
    mine = Q(line_id__in=[pk for pk, key in lines if asked.line in ("", key)])
    if without_line and not asked.line:
        mine |= Q(line_id__isnull=True)
    found = AuditEntry.objects.filter(mine)
    if asked.find:
        found = found.filter(_names(asked.find))
    return found.filter(**_exact(asked)).order_by("-number")


def _exact(asked: Asked) -> dict[str, object]:
    kind, _, key = asked.object.partition(":")
    told = {
        "action": asked.action, "actor_name": asked.person, "object_type": kind, "object_id": key,
        "at__gte": asked.since, "at__lt": asked.until,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value}


def _names(text: str) -> Q:
    return Q(actor_name__icontains=text) | Q(reason__icontains=text) | Q(object_id=text) | Q(action__icontains=text)
