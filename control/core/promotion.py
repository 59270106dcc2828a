"""What must be so before a loop may go into automatic mode: every condition, whether it is met, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from control.core.figures import Figures


class Condition(StrEnum):
    """In the order a person would read them. Translated; never renamed."""

    SUPERVISED_DAYS = "supervised_days"
    DECISIONS = "decisions"
    ACCEPTED = "accepted"
    EFFECTIVE = "effective"
    VM_ERROR = "vm_error"
    INPUTS_GOOD = "inputs_good"
    RECIPE = "recipe"
    HANDSHAKE = "handshake"
    NO_PRIORITY_1 = "no_priority_1"
    NOT_HELD = "not_held"
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a loop has shown so far, and how its line is now.

    ``supervised_days`` in supervised or automatic mode; ``decisions`` of people; ``accepted`` and ``effective`` shares
    of the newest of them; ``vm_hours`` since a prediction was last out of contract; ``calm_s`` since the loop last went
    down; ``unheard_s`` since the machine last answered. The rest counts what is in the way.
    """

    supervised_days: float
    decisions: int
    accepted: float
    effective: float
    vm_hours: float
    bad_inputs: int
    recipes: int
    unheard_s: float
    priority_1: int
    holds: int
    calm_s: float


@dataclass(frozen=True, slots=True)
class Met:
    """One condition: how it stands and what is needed, in the unit of the figure."""

    condition: Condition
    met: bool
    has: float
    needed: float


def conditions(standing: Standing, figures: Figures) -> tuple[Met, ...]:
    least = (
        (Condition.SUPERVISED_DAYS, standing.supervised_days, figures.supervised_days),
        (Condition.DECISIONS, standing.decisions, figures.decisions),
        (Condition.ACCEPTED, standing.accepted, figures.accepted),
        (Condition.EFFECTIVE, standing.effective, figures.effective),
        (Condition.VM_ERROR, standing.vm_hours, figures.vm_hours),
        (Condition.RECIPE, standing.recipes, 1),
        (Condition.CALM, standing.calm_s, figures.calm_s),
    )
    most = (
        (Condition.INPUTS_GOOD, standing.bad_inputs, 0),
        (Condition.HANDSHAKE, standing.unheard_s, figures.heartbeat_s),
        (Condition.NO_PRIORITY_1, standing.priority_1, 0),
        (Condition.NOT_HELD, standing.holds, 0),
    )
    found = [Met(what, has >= needed, has, needed) for what, has, needed in least]
    found += [Met(what, has <= needed, has, needed) for what, has, needed in most]
    return tuple(sorted(found, key=lambda one: list(Condition).index(one.condition)))


def unmet(found: tuple[Met, ...]) -> tuple[Met, ...]:
    return tuple(one for one in found if not one.met)
