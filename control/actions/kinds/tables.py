"""Kinds whose content is one bounded dataclass of a line: its figures, and its table of authority."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from control.actions.kinds.kind import Kind, plainly
from control.core.bounded import Fault, content
from control.core.figures import Figures, Shares
from control.models import Line


def of_a_line(line: Line, scope: int) -> Line | None:
    return line if scope == line.pk else None


def _table(key: str, table: type[Any], faults: Callable[[Mapping[str, Any]], list[Fault]]) -> Kind:
    return Kind(
        key=key,
        scope_of=of_a_line,
        usual=lambda line: content(table()),
        faults=lambda line, told: faults(told),
        shown=lambda told: told,
        value=plainly,
        by_supervisor=True,
    )


FIGURES = _table("figures", Figures, Figures.faults)
AUTHORITY = _table("authority", Shares, Shares.faults)
