"""The lock of a line: decisions, HOLD and writes of one line come one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from control.models import Line


def lock(line_id: int) -> Line:
    """The line, for the rest of the transaction."""
    return lock_all([line_id])[0]


def lock_all(line_ids: Iterable[int]) -> list[Line]:
    """Several lines, always in the same order, so that no two wait for each other."""
    rows = Line.objects.select_for_update(no_key=True, of=("self",)).select_related("area__site")
    return list(rows.filter(pk__in=list(line_ids)).order_by("pk"))
