"""The values that pass between the machine, the model and the controller.

Instants are epoch seconds (float64), positions are metres of web since the roll began. Inside the core a missing
number is NaN; nothing outside the core ever stores one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Quality(IntEnum):
    """How far a value may be trusted, worst last."""

    GOOD = 0
    DOUBTFUL = 1
    BAD = 2
    MISSING = 3


class Verdict(IntEnum):
    """What is believed of a lane's piece of foil."""

    IN = 0
    OUT = 1
    MEASURE = 2  # the interval straddles a limit, or the model does not trust itself: ask for a sample


class MeasuredBy(IntEnum):
    """What a point on a chart is. The numbers are stored."""

    PREDICTION = 0
    GAUGE = 1
    LAB = 2


class Rule(IntFlag):
    """SPC rules a point can break; the bits are stored with the point."""

    NONE = 0
    BEYOND_3_SIGMA = 1
    RUN_ONE_SIDE = 2
    TWO_OF_THREE = 4
    FOUR_OF_FIVE = 8
    TREND = 16
    EWMA = 32
    MOVING_RANGE = 64
    OUT_OF_SPEC = 128
    ALTERNATING = 256
    STRATIFIED = 512
    MIXTURE = 1024
    CUSUM = 2048
    RESIDUAL = 4096  # a rule of the chart of model errors
    MULTIVARIATE = 8192  # the lanes of a characteristic taken together
    SPREAD = 16384  # range or standard deviation within a group


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Consecutive snapshots of one equipment, ordered by instant.

    Shapes: ``at_s``, ``roll``, ``web_m`` (n,); ``values``, ``quality`` (n, tags). ``values`` is NaN where a tag was
    missing or unusable. ``web_m`` is the encoder at the die (or nip) at that instant.
    """

    at_s: FloatArray
    roll: IntArray
    web_m: FloatArray
    values: FloatArray
    quality: IntArray

    def __len__(self) -> int:
        return len(self.at_s)

    def between(self, first: int, last: int) -> Trace:
        """Rows ``first`` to before ``last``, not copied."""
        part = slice(first, last)
        return Trace(self.at_s[part], self.roll[part], self.web_m[part], self.values[part], self.quality[part])


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Metrology that arrived since the last pass, each value at the position of the piece it belongs to.

    Shapes: all (k,). ``stream`` is an index into the machine's streams; ``by`` a :class:`MeasuredBy`. ``beside``, if it
    is known, is what the gauge said of the same metre, for a lab sample (NaN elsewhere). Where anything was counted,
    ``n`` is the size of each sample, whose ``value`` is its count a unit of ``n``; NaN of what was measured.
    """

    at_s: FloatArray
    roll: IntArray
    web_m: FloatArray
    stream: IntArray
    value: FloatArray
    quality: IntArray
    by: IntArray
    beside: FloatArray | None = None
    n: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.at_s)

    @classmethod
    def none(cls) -> Measured:
        f, i = np.empty(0), np.empty(0, np.int64)
        return cls(at_s=f, roll=i, web_m=f, stream=i, value=f, quality=i, by=i)

    def where(self, which: BoolArray) -> Measured:
        """Those that ``which`` (k,) picks."""
        known = [name for name in self.__slots__ if getattr(self, name) is not None]
        return Measured(**{name: getattr(self, name)[which] for name in known})


@dataclass(frozen=True, slots=True)
class Contribution:
    """One named part of a move, in the unit of the parameter moved."""

    name: str
    amount: float


@dataclass(frozen=True, slots=True)
class Move:
    """One parameter from its present to its proposed value; the contributions add up to the difference within 1e-9.

    Moves of another ``part`` were solved for apart from this one: either may be made without the other.
    """

    tag: str
    from_value: float
    to_value: float
    contributions: tuple[Contribution, ...]
    part: int = 0

    @property
    def delta(self) -> float:
        return self.to_value - self.from_value


@dataclass(frozen=True, slots=True)
class Expected:
    """What one controlled stream is believed to be now, and where it goes with and without the change."""

    stream: str
    target: float
    now: float
    do_nothing: float
    after: float
    half_width: float  # of the 90 % interval, same unit


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the controller would do for one loop: one solve, one bundle of moves.

    ``gains`` are those it was solved with, where the parameters stand now: a row for each of ``expected``, a column for
    each parameter of the loop. ``not_fed`` names the signals that could not be fed forward: late or missing.
    """

    loop: str
    at_s: float
    roll: int
    web_m: float
    moves: tuple[Move, ...]
    expected: tuple[Expected, ...]
    active_constraints: tuple[str, ...]
    gains: tuple[tuple[float, ...], ...]
    not_fed: tuple[str, ...] = ()
