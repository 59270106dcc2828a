"""What one pass finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.policy import Reason
from control.core.process_events import Noticed
from control.core.state import State
from control.core.types import FloatArray, IntArray, Proposal


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One prediction per new trace row and stream, for the metre at the die at that instant.

    ``row`` (n,) indexes the trace, all else is (n, streams): ``value`` with the bias, the 90 % interval ``low`` to
    ``high``, ``ri``, ``gsi`` over its threshold (above 1 the inputs are unlike training), ``culprit`` the tag index
    with the largest ISI (-1 where nothing is predicted), ``verdict`` and ``quality``. ``value`` is NaN where quality
    is BAD. n is 0 without an estimator.
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

    @classmethod
    def none(cls, streams: int) -> Predictions:
        f, i = np.empty((0, streams)), np.empty((0, streams), np.int64)
        return cls(np.empty(0, np.int64), value=f, low=f, high=f, ri=f, gsi=f, culprit=i, verdict=i, quality=i)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One judgement per measurement, in the order of ``Measured`` (all (k,)).

    ``row`` is the trace row at the die when that metre passed (-1: not in the trace); ``predicted`` what the model,
    with the bias known before this measurement, says of the same metre; ``error`` measured minus predicted;
    ``rules`` bits of :class:`control.core.types.Rule`; ``quality`` DOUBTFUL where the value was not believed, ``doubt``
    why (:class:`control.core.vm.metrology.Doubt`), ``dqiy`` the largest ratio of the checks made: above 1 is not fit.
    """

    row: IntArray
    predicted: FloatArray
    error: FloatArray
    rules: IntArray
    quality: IntArray
    doubt: IntArray
    dqiy: FloatArray

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Note:
    """Why a loop proposed nothing, with the figures behind it in ``detail``."""

    loop: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What one pass found. ``proposals`` hold at most one per loop, for the newest snapshot only.

    ``noticed`` are the events that the trace itself told of.
    """

    state: State
    predictions: Predictions
    judged: Judged
    proposals: tuple[Proposal, ...] = ()
    notes: tuple[Note, ...] = ()
    noticed: tuple[Noticed, ...] = ()
