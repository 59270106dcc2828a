"""What takes a loop out of automatic mode: facts about its line, held against the figures.

    what                              fact                                     from
    an input is no good               scans on end in which it was bad         > stale_scans; > very_stale_scans: shadow
    nothing comes                     cycles since the newest arrival          the same
    out of specification              measured values on end, of one stream    out_of_spec
    the prediction errs               |y - f - B| over its own sigma, least    > vm_sigmas
                                      of the two newest errors of one sign
    the prediction is not trusted     RI, GSI, coverage of its intervals       any
    the gauge contradicts itself      three quantities of one metre            any
    the loop runs away                moves on end one way, each at the cap    auto_same_way
    it has no room                    a parameter at a machine limit           any
    the machine is not heard          seconds since its last answer            > heartbeat_s
    the line is not as it was         stop, splice, recipe, lot, hand          any

A single error beyond three sigma is chance once in 370 values, several times an hour on a line of eight lanes; two
running that agree in sign are not. The others, HOLD and what people and the dispatcher find, act where they happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from control.core.figures import Figures
from control.core.modes import Mode


class Trigger(StrEnum):
    """Why a loop went down. Stored and translated; never renamed."""

    BAD_INPUT = "bad_input"
    STALE = "stale"
    VERY_STALE = "very_stale"
    OUT_OF_SPEC = "out_of_spec"
    VM_ERROR = "vm_error"
    NOT_RELIABLE = "not_reliable"
    UNLIKE_TRAINING = "unlike_training"
    COVERAGE = "coverage"
    IDENTITY = "identity"
    SAME_WAY = "same_way"
    CLAMPED = "clamped"
    UNCONFIRMED = "unconfirmed"
    HEARTBEAT = "heartbeat"
    LINE_STOP = "line_stop"
    SPLICE = "splice"
    RECIPE = "recipe"
    LOT = "lot"
    INEFFECTIVE = "ineffective"
    HAND_MOVE = "hand_move"
    HOLD = "hold"
    HAND_OVER = "hand_over"
    SENSOR_DOUBTFUL = "sensor_doubtful"
    RESTART = "restart"
    NEW_DISPATCHER = "new_dispatcher"

    @property
    def to(self) -> Mode:
        """How far down it brings a loop."""
        return Mode.SHADOW if self is Trigger.VERY_STALE else Mode.SUPERVISED

    @property
    def passes(self) -> bool:
        """Whether a loop comes back by itself, to supervised at most, once it is over: silence alone."""
        return self is Trigger.VERY_STALE


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a loop's line at a moment; as it stands here all is well. Texts say which one it is."""

    bad_scans: int = 0
    silent_scans: float = 0.0
    out_of_spec: int = 0
    vm_error_sigmas: float = 0.0
    not_reliable: str = ""
    unlike_training: str = ""
    coverage: str = ""
    identity: str = ""
    same_way: int = 0
    same_way_most: int = 3
    clamped: str = ""
    unheard_s: float = 0.0
    line_stop: str = ""
    splice: str = ""
    recipe: str = ""
    lot: str = ""
    hand_move: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    trigger: Trigger
    detail: str = ""


def causes(facts: Facts, figures: Figures) -> tuple[Cause, ...]:
    """Everything that keeps a loop from automatic mode, in the order of the table."""
    missing = max(facts.bad_scans, facts.silent_scans)
    found = (
        (facts.bad_scans > figures.stale_scans, Trigger.BAD_INPUT, f"{facts.bad_scans} scans"),
        (facts.silent_scans > figures.stale_scans, Trigger.STALE, f"{facts.silent_scans:.0f} scans"),
        (missing > figures.very_stale_scans, Trigger.VERY_STALE, f"{missing:.0f} scans"),
        (facts.out_of_spec >= figures.out_of_spec, Trigger.OUT_OF_SPEC, f"{facts.out_of_spec} times"),
        (facts.vm_error_sigmas > figures.vm_sigmas, Trigger.VM_ERROR, f"{facts.vm_error_sigmas:.1f} sigma"),
        (facts.same_way >= facts.same_way_most, Trigger.SAME_WAY, f"{facts.same_way} moves"),
        (facts.unheard_s > figures.heartbeat_s, Trigger.HEARTBEAT, f"{facts.unheard_s:.0f} s"),
    )
    told = (
        (Trigger.NOT_RELIABLE, facts.not_reliable),
        (Trigger.UNLIKE_TRAINING, facts.unlike_training),
        (Trigger.COVERAGE, facts.coverage),
        (Trigger.IDENTITY, facts.identity),
        (Trigger.CLAMPED, facts.clamped),
        (Trigger.LINE_STOP, facts.line_stop),
        (Trigger.SPLICE, facts.splice),
        (Trigger.RECIPE, facts.recipe),
        (Trigger.LOT, facts.lot),
        (Trigger.HAND_MOVE, facts.hand_move),
        (Trigger.HOLD, facts.held),
    )
    every = [Cause(trigger, detail) for so, trigger, detail in found if so]
    every += [Cause(trigger, detail) for trigger, detail in told if detail]
    return tuple(sorted(every, key=lambda cause: list(Trigger).index(cause.trigger)))


def worst(every: tuple[Cause, ...]) -> Cause | None:
    """The cause that brings a loop furthest down; of several the first."""
    return min(every, key=lambda cause: cause.trigger.to.rank, default=None)
