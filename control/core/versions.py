"""The life of a version, as one table: of figures, authority, settings, limits and whatever else is put in force.

Nothing else in the system decides whether a version may move. A content is what a review looked at from the moment it
was submitted; changing it means taking it back to a draft.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

from control.core.bounded import Fault
from control.core.lifecycle import NotAllowed


class State(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    SCHEDULED = "scheduled"  # approved, and waits for its moment
    ACTIVE = "active"  # one a scope
    SUPERSEDED = "superseded"
    RETIRED = "retired"
    REJECTED = "rejected"


class Verb(StrEnum):
    """What can happen to a version."""

    EDIT = "edit"
    SUBMIT = "submit"
    DISCARD = "discard"
    REWORK = "rework"
    REJECT = "reject"
    APPROVE = "approve"
    SCHEDULE = "schedule"
    RECALL = "recall"
    ACTIVATE = "activate"
    SUPERSEDE = "supersede"
    RETIRE = "retire"


_S, _V = State, Verb

TRANSITIONS: dict[tuple[State, Verb], State] = {
    (_S.DRAFT, _V.EDIT): _S.DRAFT,
    (_S.DRAFT, _V.SUBMIT): _S.IN_REVIEW,
    (_S.DRAFT, _V.DISCARD): _S.REJECTED,
    (_S.IN_REVIEW, _V.APPROVE): _S.APPROVED,
    (_S.IN_REVIEW, _V.REWORK): _S.DRAFT,
    (_S.IN_REVIEW, _V.REJECT): _S.REJECTED,
    (_S.APPROVED, _V.REWORK): _S.DRAFT,
    (_S.APPROVED, _V.SCHEDULE): _S.SCHEDULED,
    (_S.APPROVED, _V.ACTIVATE): _S.ACTIVE,
    (_S.SCHEDULED, _V.ACTIVATE): _S.ACTIVE,
    (_S.SCHEDULED, _V.RECALL): _S.APPROVED,
    (_S.ACTIVE, _V.SUPERSEDE): _S.SUPERSEDED,
    (_S.SUPERSEDED, _V.RETIRE): _S.RETIRED,
}
OPEN = frozenset({_S.DRAFT, _S.IN_REVIEW, _S.APPROVED, _S.SCHEDULED})  # may still come into force


def after(state: State, verb: Verb) -> State:
    """The state that follows. Raises NotAllowed where the table is empty."""
    try:
        return TRANSITIONS[state, verb]
    except KeyError:
        raise NotAllowed(f"{verb} is not possible from {state}") from None


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that a version sets otherwise. ``change`` and ``percent`` (of the old) only where both are numbers."""

    path: str
    old: Any
    new: Any
    change: float | None
    percent: float | None
    faults: tuple[Fault, ...]

    def as_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("path", "old", "new", "change", "percent")}
        return plain | {"faults": [fault.as_json() for fault in self.faults]}


def difference(old: Mapping[str, Any], new: Mapping[str, Any], found: list[Fault]) -> list[Difference]:
    """Every value that differs, in the order of ``new`` and then of what only ``old`` had, and every faulty one.

    ``old`` and ``new`` map a path to a plain value. A fault whose path is no value is told with the content as a whole.
    """
    by_path: dict[str, tuple[Fault, ...]] = {}
    for fault in found:
        by_path[fault.path] = (*by_path.get(fault.path, ()), fault)
    paths = [*new, *(path for path in old if path not in new), *(path for path in by_path if path not in {*old, *new})]
    return list(_differing(paths, old, new, by_path))


def _differing(
    paths: list[str], old: Mapping[str, Any], new: Mapping[str, Any], found: Mapping[str, tuple[Fault, ...]]
) -> Iterator[Difference]:
    for path in paths:
        before, now, wrong = old.get(path), new.get(path), found.get(path, ())
        if before != now or wrong:
            change = now - before if _number(before) and _number(now) else None
            percent = 100 * change / abs(before) if change is not None and before else None
            yield Difference(path, before, now, change, percent, wrong)


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
