"""When a loop may speak, and whose word a move needs. Small verdicts with a code; the figures are parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np

from control.core.machine import LoopConfig
from control.core.pairing import BACK_M
from control.core.types import FloatArray


class Level(IntEnum):
    """Who may decide a move, in rising order. ENGINEER: only by a recipe change. NOBODY: the hard clamp."""

    AUTO = 0
    OPERATOR = 1
    SUPERVISOR = 2
    ENGINEER = 3
    NOBODY = 4


# While an estimate still moves by more, a proposal would be out of date as it is read.
SETTLED_DEADBANDS = 0.25
SETTLED_SHARE = 0.2  # of the deviation


class Reason(StrEnum):
    """Why a loop proposes nothing, or why a move needs more authority. Stored and translated; never renamed."""

    NO_ESTIMATOR = "no_estimator"
    NOT_YET_MEASURED = "not_yet_measured"
    VM_GAIN = "vm_gain"
    WEB_REVERSED = "web_reversed"
    LINE_STOPPED = "line_stopped"
    NEW_ROLL = "new_roll"
    PROCESS_EVENT = "process_event"
    INPUT_MISSING = "input_missing"
    NOT_RELIABLE = "not_reliable"
    UNLIKE_TRAINING = "unlike_training"
    INPUT_DOUBTFUL = "input_doubtful"
    NOT_YET_SEEN = "not_yet_seen"
    DEAD_TIME = "dead_time"
    SETTLING = "settling"
    IN_DEADBAND = "in_deadband"
    NO_SOLUTION = "no_solution"
    TOO_SMALL = "too_small"
    WITHIN = "within"
    MOVE_TOO_LARGE = "move_too_large"
    SHIFT_SUM = "shift_sum"
    MOVES_PER_HOUR = "moves_per_hour"
    SAME_WAY = "same_way"
    MACHINE_LIMIT = "machine_limit"


@dataclass(frozen=True, slots=True)
class Share:
    """What one level may do, in percent of the recipe set-point: a single move, and all moves of a shift together."""

    move: float
    shift: float


@dataclass(frozen=True, slots=True)
class Authority:
    """The table of authority. ``auto_same_way``: so many moves in a row one way, and a person must look."""

    auto: Share = Share(0.5, 1.5)
    operator: Share = Share(1.0, 3.0)
    supervisor: Share = Share(3.0, 5.0)
    auto_moves_per_hour: int = 6
    auto_same_way: int = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """One parameter's move with what counts against it, all in the tag's unit.

    ``set_point`` is the recipe's; where it is 0 the span of the machine limits stands for it. ``cap`` is an absolute
    limit on one move, taken where it is smaller. ``moved_in_shift`` is the sum of absolute moves already made,
    ``same_way`` how many moves in a row before this went its way.
    """

    from_value: float
    to_value: float
    set_point: float
    low: float
    high: float
    cap: float = float("inf")
    moved_in_shift: float = 0.0
    moves_in_hour: int = 0
    same_way: int = 0


@dataclass(frozen=True, slots=True)
class Needed:
    """The lowest level that may decide, and what kept the level below from it. Sizes in percent of set-point."""

    level: Level
    reason: Reason
    move_percent: float
    shift_percent: float


def level_needed(asked: Asked, authority: Authority) -> Needed:
    """Whose word one move needs."""
    size = abs(asked.to_value - asked.from_value)
    scale = abs(asked.set_point) or asked.high - asked.low
    move = 100 * size / scale if scale > 0 else float("inf")
    shift = 100 * (size + asked.moved_in_shift) / scale if scale > 0 else float("inf")
    if not asked.low <= asked.to_value <= asked.high:
        return Needed(Level.NOBODY, Reason.MACHINE_LIMIT, move, shift)
    reason = Reason.WITHIN
    shares = {Level.AUTO: authority.auto, Level.OPERATOR: authority.operator, Level.SUPERVISOR: authority.supervisor}
    for level, share in shares.items():
        against = _against(size, move, shift, share, asked.cap)
        if against is None and level is Level.AUTO:
            against = _against_auto(asked, authority)
        if against is None:
            return Needed(level, reason, move, shift)
        reason = against
    return Needed(Level.ENGINEER, reason, move, shift)


def reach(asked: Asked, share: Share) -> tuple[float, float]:
    """Between which values a share allows to bring a parameter from where it is, inside the machine's limits."""
    scale = (abs(asked.set_point) or asked.high - asked.low) / 100
    size = max(min(share.move * scale, share.shift * scale - asked.moved_in_shift, asked.cap), 0.0)
    return max(asked.low, asked.from_value - size), min(asked.high, asked.from_value + size)


def level_needed_together(needed: Iterable[Needed]) -> Needed:
    """A bundle needs what its most demanding move needs."""
    return max(needed, key=lambda one: (one.level, one.move_percent))


def _against(size: float, move: float, shift: float, share: Share, cap: float) -> Reason | None:
    if not (_within(move, share.move) and _within(size, cap)):
        return Reason.MOVE_TOO_LARGE
    return None if _within(shift, share.shift) else Reason.SHIFT_SUM


def _within(amount: float, limit: float) -> bool:
    """Rounding in a set-point must not lift a move that is exactly at the limit over it."""
    return amount <= limit * (1 + 1e-9)


def _against_auto(asked: Asked, authority: Authority) -> Reason | None:
    if asked.moves_in_hour >= authority.auto_moves_per_hour:
        return Reason.MOVES_PER_HOUR
    return Reason.SAME_WAY if asked.same_way >= authority.auto_same_way else None


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """What a loop must know of itself before it may speak, thresholds already applied.

    ``modelled``: every controlled stream has an estimator; ``good``, ``familiar``, ``agreed``: the newest predictions
    of all of them are of good quality, within GSI and within RI. ``since_move_*`` is endless if it never moved.
    ``settling`` is how far the estimates have run from where they were a little earlier (CV unit). ``ran_back_m`` is
    how far the web stands behind the farthest it reached; up to ``pairing.BACK_M`` that is the encoder's trembling.
    ``event_is_over``: no inputs of now hold foil of before an event, and every bias is known again; ``measured``: the
    model in force has met good values of every controlled stream.
    """

    ran_back_m: float
    running: bool
    roll_is_new: bool
    inputs_known: bool
    modelled: bool
    good: bool
    agreed: bool
    familiar: bool
    since_move_m: float
    since_move_s: float
    window_s: float
    settling: float
    event_is_over: bool = True
    measured: bool = True


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a loop says nothing now."""

    reason: Reason
    detail: str = ""


def silence(loop: LoopConfig, now: Situation, deviation: FloatArray) -> Silence | None:
    """The first reason not to propose, in the order a person would look; None when the loop may speak.

    ``deviation`` (cvs,) is how far each stream is believed to stand off its target if nothing is done, as far as the
    loop's parameters can answer it.
    """
    if now.ran_back_m > BACK_M:
        return Silence(Reason.WEB_REVERSED, f"{now.ran_back_m:.1f} m back")
    gates = (
        (now.running, Reason.LINE_STOPPED),
        (not now.roll_is_new, Reason.NEW_ROLL),
        (now.event_is_over, Reason.PROCESS_EVENT),
        (now.inputs_known, Reason.INPUT_MISSING),
        (now.modelled, Reason.NO_ESTIMATOR),
        (now.good, Reason.INPUT_DOUBTFUL),
        (now.familiar, Reason.UNLIKE_TRAINING),
        (now.agreed, Reason.NOT_RELIABLE),
        (now.measured, Reason.NOT_YET_MEASURED),
    )
    for passed, reason in gates:
        if not passed:
            return Silence(reason)
    if now.since_move_m < loop.dead_time_m or now.since_move_s < now.window_s:
        return Silence(Reason.DEAD_TIME, f"{now.since_move_m:.1f} m of {loop.dead_time_m:.1f} m")
    if not np.isfinite(deviation).all():
        return Silence(Reason.NOT_YET_SEEN)
    worst = float(np.abs(deviation).max())
    if worst <= loop.deadband:
        return Silence(Reason.IN_DEADBAND, f"{worst:.4g} within {loop.deadband:.4g}")
    if now.settling > max(SETTLED_DEADBANDS * loop.deadband, SETTLED_SHARE * worst):
        return Silence(Reason.SETTLING)
    return None
