"""Numbers that people may set: each with a usual value, the bounds it must keep and its unit, in one frozen dataclass.

A dataclass is bounded if every field was made with :func:`figure`. :func:`faults` says everything that is wrong with
what somebody typed, never only the first; :func:`made` builds the object, a number nobody set at its usual value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bound:
    """What one number must keep. ``whole``: it is a count."""

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
    """A field of a bounded dataclass; a count is one whose usual value is an ``int``."""
    return field(default=usual, metadata={"bound": Bound(usual, low, high, unit, isinstance(usual, int))})


@cache
def bounds(kind: type[Any]) -> Mapping[str, Bound]:
    """Every number of a bounded dataclass by name, in the order in which it names them."""
    return {one.name: one.metadata["bound"] for one in fields(kind)}


def faults(kind: type[Any], told: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with ``told``, in the order of the dataclass; what it does not name stays usual and is no fault."""
    known = bounds(kind)
    strange = [Fault(name, "unknown") for name in told if name not in known]
    return [*strange, *_out_of_bounds(known, told)]


def _out_of_bounds(known: Mapping[str, Bound], told: Mapping[str, Any]) -> Iterator[Fault]:
    for name, bound in known.items():
        value = told.get(name, bound.usual)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            yield Fault(name, "not_a_number")
        elif bound.whole and value != int(value):
            yield Fault(name, "not_whole")
        elif value < bound.low:
            yield Fault(name, "below", bound.low)
        elif value > bound.high:
            yield Fault(name, "above", bound.high)


def made(kind: type[T], told: Mapping[str, Any]) -> T:
    """The object; a name that is no longer known says nothing, so what was stored long ago can still be read."""
    known = bounds(kind)
    numbers = {name: int(told[name]) if bound.whole else float(told[name])
               for name, bound in known.items() if name in told}  # fmt: skip
    return kind(**numbers)
