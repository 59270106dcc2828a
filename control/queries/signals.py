"""The signals of a line: what calls, what waits for its turn, and what lies on a shelf."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from control.models import Line, Shelf, Signal


@dataclass(frozen=True, slots=True)
class Board:
    """The open signals of a line that joined no other, the most urgent first; ``more`` of each joined it."""

    calling: list[Signal]
    waiting: list[Signal]
    shelved: list[Signal]


def visible(line_ids: Iterable[int]) -> QuerySet[Signal]:
    return Signal.objects.filter(line__in=line_ids).select_related(
        "line__area__site",
        "stream__lane__equipment",
        "stream__characteristic",
        "loop__equipment",
        "acknowledged_by",
        "cause",
        "action",
    )


def leading(line: Line) -> QuerySet[Signal]:
    """Open signals that joined no other, with how many open ones joined them."""
    joined = Count("joined", filter=Q(joined__closed_at__isnull=True))
    rows = visible([line.pk]).filter(closed_at__isnull=True, joins__isnull=True)
    return rows.annotate(more=joined).order_by("priority", "-last_at")


def board(line: Line, now: datetime) -> Board:
    rows = leading(line).annotate(shelved_until=Subquery(shelves(now).order_by("-until").values("until")[:1]))
    found = Board([], [], [])
    for row in rows:
        where = found.shelved if row.shelved_until else found.calling if row.called_at else found.waiting
        where.append(row)
    return found


def unshelved(rows: QuerySet[Signal], now: datetime) -> QuerySet[Signal]:
    return rows.exclude(Exists(shelves(now)))


def shelves(now: datetime) -> QuerySet[Shelf]:
    """The shelf that a signal lies on, as a subquery of signals."""
    return Shelf.objects.filter(stream=OuterRef("stream"), rule=OuterRef("rule"), since__lte=now, until__gt=now)
