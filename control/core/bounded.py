"""Settings that people may change: each with a usual value, the bounds it must keep and its unit, in one dataclass.

A dataclass is bounded if every field was made with :func:`figure` or :func:`times`. :func:`faults` says everything that
is wrong with what somebody typed, never only the first; :func:`made` builds the object, what nobody set at its usual
value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

T = TypeVar("T")
TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")  # of a day, HH:MM


@dataclass(frozen=True, slots=True)
class Bound:
    """What one setting must keep. A ``count`` is whole; ``times`` are times of day, ``low`` to ``high`` of them."""

    kind: Literal["number", "count", "times"]
    usual: Any
    low: float
    high: float
    unit: str = ""


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
    kind: Literal["number", "count"] = "count" if isinstance(usual, int) else "number"
    return field(default=usual, metadata={"bound": Bound(kind, usual, low, high, unit)})


def times(*usual: str, most: int) -> Any:
    """A field that is a tuple of times of day, HH:MM, in rising order."""
    return field(default=usual, metadata={"bound": Bound("times", usual, 1, most)})


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
        found = _of_times(bound, value) if bound.kind == "times" else _of_number(bound, value)
        if found is not None:
            yield Fault(name, *found)


def _of_number(bound: Bound, value: Any) -> tuple[str, float | None] | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return "not_a_number", None
    if bound.kind == "count" and value != int(value):
        return "not_whole", None
    if value < bound.low:
        return "below", bound.low
    return ("above", bound.high) if value > bound.high else None


def _of_times(bound: Bound, value: Any) -> tuple[str, float | None] | None:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and TIME.fullmatch(one) for one in value):
        return "not_times", None
    if list(value) != sorted(set(value)) or not bound.low <= len(value) <= bound.high:
        return "not_in_order", bound.high
    return None


def made(kind: type[T], told: Mapping[str, Any]) -> T:
    """The object; a name that is no longer known says nothing, so what was stored long ago can still be read."""
    shaped = {"number": float, "count": int, "times": tuple}
    return kind(**{name: shaped[one.kind](told[name]) for name, one in bounds(kind).items() if name in told})


def content(present: Any) -> dict[str, Any]:
    """What is stored of a bounded object, ready for JSON."""
    return {name: list(value) if isinstance(value := getattr(present, name), tuple) else value
            for name in bounds(type(present))}  # fmt: skip
