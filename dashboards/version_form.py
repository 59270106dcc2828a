"""The form of a content that is one table of settings: its fields, and the content a sent form asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control.actions.kinds import KINDS
from control.core.bounded import Bound, bounds
from control.core.figures import Figures, Shares
from dashboards import version_words

TABLES: dict[str, type[Any]] = {"figures": Figures, "authority": Shares}  # what the form can show


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: what is in it now, what it must keep, and what it usually is."""

    name: str
    words: str
    value: str
    present: str
    bound: Bound

    @property
    def usual(self) -> str:
        return written(self.bound.usual)


def fields(kind: str, present: Mapping[str, Any], value: Mapping[str, Any]) -> list[Field]:
    """``present`` is what is in force, ``value`` what stands in the fields: of a draft, or as it was typed."""
    return [
        Field(name, version_words.path(name), written(value.get(name, bound.usual)), written(present[name]), bound)
        for name, bound in bounds(TABLES[kind]).items()
    ]


def written(value: Any) -> str:
    """As it is typed."""
    return f"{value:.12g}" if isinstance(value, int | float) else str(value)


def asked(kind: str, form: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, read as a file is; a comma may stand for the point. Wrong ones are found by the kind."""
    read = KINDS[kind].value
    return {
        name: read(name, form[name].strip().replace(",", ".")[:200]) for name in bounds(TABLES[kind]) if name in form
    }
