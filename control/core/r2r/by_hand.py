"""What a person's own values must keep of what the solver keeps: moves that cancel, and the bend of a lip.

    | sum of the moves of a group |            <= slack
    | u_(i-1) - 2 u_i + u_(i+1) |              <= the most that is allowed, or what it is bent already

Values are typed with a few decimals; ``slack`` is what the machine does not resolve anyway. Machine limits and steps
are weighed with the authority, see control.core.policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Broken:
    """A constraint as the solver names it, ``sum_zero`` or ``tag:bend``, with what is allowed and what was asked."""

    name: str
    allowed: float
    asked: float


def broken(
    present: Mapping[str, float],
    asked: Mapping[str, float],
    *,
    sum_zero: Sequence[str],
    neighbours: Sequence[Sequence[str]],
    bend: float,
    slack: float,
) -> list[Broken]:
    """``present`` are all settings concerned, ``asked`` those that are given another value, each in its tag's unit."""
    after = {**present, **asked}
    found = []
    total = sum(after[tag] - present[tag] for tag in sum_zero if tag in asked)
    if abs(total) > slack:
        found.append(Broken("sum_zero", slack, total))
    for lip in neighbours:
        for left, middle, right in zip(lip, lip[1:], lip[2:], strict=False):
            if {left, middle, right} & set(asked):
                allowed = max(bend, abs(_bent(present, left, middle, right)))
                if abs(_bent(after, left, middle, right)) > allowed + slack:
                    found.append(Broken(f"{middle}:bend", allowed, _bent(after, left, middle, right)))
    return found


def _bent(at: Mapping[str, float], left: str, middle: str, right: str) -> float:
    return at[left] - 2.0 * at[middle] + at[right]
