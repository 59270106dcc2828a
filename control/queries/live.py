"""What the socket tells beside points: which streams there are, and what happened on a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import TypedDict

from django.db import connection

from control.models import AuditEntry, Equipment, Lane, Line

from . import points
from .points import utc


class EventJson(TypedDict):
    """Something that happened on a line, told by name only: whoever wants to know more asks for it."""

    seq: int
    at: str
    action: str
    object: str
    id: str


@cache
def epoch() -> str:
    """Names this database: sequence numbers of another one mean nothing here."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database())"
            " FROM pg_control_system()"
        )
        system, database = cursor.fetchone()
    return f"{system:x}-{database:x}"


def place_of(kind: str, key: int) -> tuple[int, int] | None:
    """(equipment, line) of ``equipment:<key>`` or ``lane:<key>``, (0, line) of ``line:<key>``; None if unknown."""
    if kind == "lane":
        return Lane.objects.filter(pk=key).values_list("equipment_id", "equipment__line_id").first()
    if kind == "equipment":
        return Equipment.objects.filter(pk=key).values_list("id", "line_id").first()
    found = Line.objects.filter(pk=key).values_list("id", flat=True).first()
    return None if found is None else (0, found)


def following(lines: Iterable[Line] = (), equipment: Iterable[Equipment] = ()) -> str:
    """Streams and where they stand, as a page's fragment follows them. Ask before reading what the fragment shows."""
    head = audit_head()
    machines = list(equipment)
    heads = points.heads(machine.pk for machine in machines)
    told = [f"line:{line.pk}@{head}" for line in lines]
    return " ".join([*told, *(f"equipment:{one.pk}@{heads.get(one.pk, 0)}" for one in machines)])


def audit_head() -> int:
    newest = AuditEntry.objects.order_by("-number").values_list("number", flat=True).first()
    return newest or 0


def events_after(number: int, *, until: int, limit: int, line_id: int | None = None) -> dict[int, list[EventJson]]:
    """What was recorded on each line (or one) with ``number < seq <= until``."""
    entries = AuditEntry.objects.filter(number__gt=number, number__lte=until, line_id__isnull=False)
    if line_id is not None:
        entries = entries.filter(line_id=line_id)
    told = defaultdict(list)
    fields = entries.order_by("number").values_list("line_id", "number", "at", "action", "object_type", "object_id")
    for line, seq, at, action, object_type, object_id in fields[:limit]:
        told[line].append(EventJson(seq=seq, at=utc(at), action=action, object=object_type, id=object_id))
    return told
