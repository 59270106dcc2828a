"""Kinds whose content is one bounded dataclass of a line: its figures, and its table of authority."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from control.actions.kinds.kind import Kind
from control.core.bounded import Fault, bounds, content
from control.core.figures import Figures, Shares
from control.models import Line


def of_a_line(line: Line, scope: int) -> Line | None:
    return line if scope == line.pk else None


def _value(table: type[Any]) -> Callable[[str, str], Any]:
    """Numbers as numbers, times of day apart by blanks; what is neither stays text, which is a fault of its own."""

    def read(path: str, text: str) -> Any:
        bound = bounds(table).get(path)
        if bound is not None and bound.kind == "times":
            return text.split()
        try:
            return json.loads(text, parse_constant=str)
        except ValueError:
            return text

    return read


def _table(key: str, table: type[Any], faults: Callable[[Mapping[str, Any]], list[Fault]]) -> Kind:
    return Kind(
        key=key,
        scope_of=of_a_line,
        usual=lambda line: content(table()),
        faults=lambda line, told: faults(told),
        shown=lambda told: told,
        value=_value(table),
        by_supervisor=True,
    )


FIGURES = _table("figures", Figures, Figures.faults)
AUTHORITY = _table("authority", Shares, Shares.faults)
