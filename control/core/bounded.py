"""Settings that people may change: each with a usual value, the bounds it must keep and its unit, in one dataclass.

A dataclass is bounded if every field was made with :func:`figure`. :func:`faults` says everything that is wrong with
what somebody typed, never only the first; :func:`made` builds the object, what nobody set at its usual value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bound:
    """What one setting must keep. ``whole``: it is a count."""

    usual: float
    low: float
    high: float
    unit: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a content, at ``path``; ``code`` has words on the pages, ``than`` what it broke."""

    path: str
    code: str
    than: float | str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"path": self.path, "code": self.code, "than": self.than}


def figure(usual: float, low: float, high: float, unit: str = "") -> Any:
    """A field that is one number; a count if its usual value is an ``int``."""
    return field(default=usual, metadata={"bound": Bound(usual, low, high, unit, isinstance(usual, int))})


def bounds(kind: type[Any]) -> Mapping[str, Bound]:
    """Every setting of a bounded dataclass by name, in the order in which it names them."""
    return {one.name: one.metadata["bound"] for one in fields(kind)}


def faults(kind: type[Any], told: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with ``told``, in the order of the dataclass; what it does not name stays usual and is no fault."""
    known = bounds(kind)
    strange = [Fault(name, "unknown") for name in told if name not in known]
    return [*strange, *_out_of_bounds(known, told)]


def _out_of_bounds(known: Mapping[str, Bound], told: Mapping[str, Any]) -> Iterator[Fault]:
    for name, bound in known.items():
        value = told.get(name, bound.usual)
        found = _broken(bound, value)
        if found is not None:
            yield Fault(name, *found)


def _broken(bound: Bound, value: Any) -> tuple[str, float | None] | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return "not_a_number", None
    if bound.whole and value not in (math.inf, -math.inf) and value != int(value):
        return "not_whole", None
    if value < bound.low:
        return "below", bound.low
    return ("above", bound.high) if value > bound.high else None


def made(kind: type[T], told: Mapping[str, Any]) -> T:
    """The object; a name that is no longer known says nothing, so what was stored long ago can still be read."""
    known = bounds(kind)
    return kind(
        **{name: int(told[name]) if bound.whole else float(told[name]) for name, bound in known.items() if name in told}
    )


def content(present: Any) -> dict[str, Any]:
    """What is stored of a bounded object, ready for JSON."""
    return {name: getattr(present, name) for name in bounds(type(present))}
