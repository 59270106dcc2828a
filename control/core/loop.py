"""One pass over one equipment: predict what is new, judge what was measured, propose what would help.

Pure: the same machine, state and data give the same pass, so any day can be replayed and audited.
"""

from __future__ import annotations

from dataclasses import dataclass

from control.core.machine import Actuator, ChartConfig, LoopConfig, Machine, StreamConfig
from control.core.state import ChartState, LoopState, State, StreamState
from control.core.types import BoolArray, FloatArray, IntArray, Measured, Proposal, Trace

__all__ = [
    "Actuator",
    "ChartConfig",
    "ChartState",
    "Judged",
    "LoopConfig",
    "LoopState",
    "Machine",
    "Note",
    "Pass",
    "Predictions",
    "State",
    "StreamConfig",
    "StreamState",
    "run",
]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One prediction per new trace row and stream, for the metre at the die at that instant.

    ``row`` (n,) indexes the trace. ``value``, ``low``, ``high`` (90 %), ``ri``, ``verdict``, ``quality`` are
    (n, streams); ``gsi`` and ``culprit`` (n,), the latter the tag index that makes the snapshot unlike training, -1
    when it is like it. Without an estimator n is 0. ``value`` is NaN where quality is BAD or MISSING.
    """

    row: IntArray
    value: FloatArray
    low: FloatArray
    high: FloatArray
    ri: FloatArray
    gsi: FloatArray
    culprit: IntArray
    verdict: IntArray
    quality: IntArray

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One judgement per measurement, in the order of ``Measured`` (all (k,)).

    ``row`` is the trace row at the die when that metre passed (-1: not in the trace); ``predicted`` what the model,
    with the bias known before this measurement, says of the same metre; ``error`` measured minus predicted;
    ``rules`` bits of :class:`Rule`; ``quality`` DOUBTFUL where the value was not believed.
    """

    row: IntArray
    predicted: FloatArray
    error: FloatArray
    rules: IntArray
    quality: IntArray

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Note:
    """Why a loop proposed nothing (``loop``), with a stable ``code`` of :mod:`control.core.policy` and a plain detail."""

    loop: str
    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What one pass found. ``proposals`` hold at most one per loop, for the newest snapshot only."""

    state: State
    predictions: Predictions
    judged: Judged
    proposals: tuple[Proposal, ...] = ()
    notes: tuple[Note, ...] = ()


def run(machine: Machine, state: State, trace: Trace, new: BoolArray, measured: Measured) -> Pass:
    """Predict the ``new`` rows of ``trace``, judge ``measured``, and propose at most one change per loop.

    ``trace`` is ordered by instant and reaches back far enough for the feature window of every new row and of every
    metre measured; rows that are not new only lend context. Late rows (older than ``state.at_s``) are predicted but
    move neither bias nor disturbance.
    """
    raise NotImplementedError
