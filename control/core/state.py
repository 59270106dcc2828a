"""What a pass remembers for the next one. Plain numbers keyed by name, so that it survives JSON and a changed plant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pydantic import ConfigDict, TypeAdapter

from control.core.process_events import Event
from control.core.spc.mewma import Standing
from control.core.spc.rules import Recent
from control.core.vm.calibration import COVERAGE

VERSION = 1
_AS_IT_IS = ConfigDict(ser_json_inf_nan="constants")


class Group(NamedTuple):
    """Where a chart of groups of ``size`` stands: ``recent`` means, standardised, and the ``values`` of the next group.

    ``mean`` and ``sigma`` of the means tell whose limits it was kept under.
    """

    size: int
    mean: float
    sigma: float
    recent: Recent = ()
    values: tuple[float, ...] = ()


class Several(NamedTuple):
    """Where the charts stand that look at several values: at a group of them, at the average of the lanes together.

    ``design`` is that of the average: the lanes in it, what is usual of them, and its weight.
    """

    group: Group | None = None
    lanes: Standing | None = None
    design: str = ""


@dataclass(frozen=True, slots=True)
class ChartState:
    """Where a stream's charts stand. ``mean`` and ``sigma`` tell whose limits it was kept under: 0 and 1 before any.

    ``recent`` holds the last standardised values (newest last), ``ewma`` the standardised EWMA after ``count`` points,
    ``cusum`` its sums (C+, C-), None before the first point; ``several`` those of charts that look at several values,
    ``short_run`` the version of a short-run chart, ``sizes`` the samples behind ``recent`` where they are counts.
    """

    __pydantic_config__ = _AS_IT_IS

    mean: float
    sigma: float
    recent: Recent = ()
    ewma: float = 0.0
    count: int = 0
    last_at_s: float | None = None
    cusum: tuple[float, float] | None = None
    several: Several | None = None
    short_run: int = 0
    sizes: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamState:
    """Bias of the model at this stream, and the newest error, believed or not, that the next one is compared with:

    measured at ``error_at_s`` of a metre that was at the die at ``error_made_s``.

    ``scores``, ``level``, ``width`` (in half widths of training) and ``trail`` are those of :mod:`core.vm.calibration`;
    ``gauge_lab`` is the CUSUM of gauge less lab (up, down), in sigma. ``waiting`` are events of which no foil made
    after them was measured yet, ``stage_s`` and ``relearn_s`` the instants of those that began the stage of the charts
    and let the bias be learned anew, ``relearned`` how many values it was learned from since (None: it is known).
    ``unsound_s`` is since when the inputs behind its values have been doubtful on end, ``wanted`` how many good values
    the model in force has still to meet here before a loop may live on it. ``fed_back``: values of the metrology that
    corrects models have come, whatever model was in force.
    """

    __pydantic_config__ = _AS_IT_IS

    bias: float = 0.0
    error: float | None = None
    error_at_s: float | None = None
    error_made_s: float | None = None
    chart: ChartState | None = None
    residual: ChartState | None = None
    scores: str = ""
    level: float = COVERAGE
    width: float = 1.0
    trail: str = ""
    gauge_lab: tuple[float, float] = (0.0, 0.0)
    waiting: tuple[Event, ...] = ()
    stage_s: float | None = None
    relearn_s: float | None = None
    relearned: int | None = None
    unsound_s: float | None = None
    wanted: int = 0
    fed_back: bool = False


@dataclass(frozen=True, slots=True)
class LoopState:
    """Disturbance per controlled stream (None: not yet seen), and what it was estimated with.

    ``disturbance`` is the level, ``trend`` a slower one, ``drift`` how far it runs on until the next value and
    ``uncertainty`` P of the level in R; the last two are empty where all is 0. Other gains, or another curve of a
    schedule, end it. ``waiting`` are events that the inputs' window still holds. ``fed`` is how far each signal that is
    fed forward has gone since the move at ``fed_since_s``, ``fed_last`` where it was last (None: missing);
    ``fed_tags`` and ``fed_gains``, cvs x tags, are the signals and the K it was fed with.
    """

    __pydantic_config__ = _AS_IT_IS

    cvs: tuple[str, ...]
    mvs: tuple[str, ...]
    gains: tuple[tuple[float, ...], ...]
    disturbance: tuple[float | None, ...] = ()
    trend: tuple[float | None, ...] = ()
    schedule: tuple[float, ...] = ()
    drift: tuple[float, ...] = ()
    uncertainty: tuple[float, ...] = ()
    waiting: tuple[Event, ...] = ()
    fed: tuple[float, ...] = ()
    fed_last: tuple[float | None, ...] = ()
    fed_since_s: float | None = None
    fed_tags: tuple[str, ...] = ()
    fed_gains: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """Everything one equipment's pass carries over. ``at_s`` is the newest instant processed (epoch seconds).

    ``estimator`` is the hash of the model the biases belong to; ``last_move_s`` when each loop's last change was
    applied or tried, written by the caller with :meth:`moved`. ``watched`` is what each tag that tells of events last
    read, ``told_s`` when it last told of one.
    """

    __pydantic_config__ = _AS_IT_IS

    at_s: float | None = None
    estimator: str | None = None
    streams: Mapping[str, StreamState] = field(default_factory=dict)
    loops: Mapping[str, LoopState] = field(default_factory=dict)
    last_move_s: Mapping[str, float] = field(default_factory=dict)
    watched: Mapping[str, float] = field(default_factory=dict)
    told_s: Mapping[str, float] = field(default_factory=dict)
    version: int = VERSION

    def moved(self, loop: str, at_s: float) -> State:
        return replace(self, last_move_s={**self.last_move_s, loop: at_s})

    def to_json(self) -> str:
        """What the database keeps. Not a number is written as such, which it refuses: a state holds none."""
        return _STORED.dump_json(self).decode()

    @classmethod
    def from_json(cls, told: str) -> State:
        """The state that was stored; what came to it since stands at its default, and none at all is a first call.

        One that does not fit, or is of another version, is refused with ValueError, not guessed at.
        """
        found = _STORED.validate_json(told)
        if found.version != VERSION:
            raise ValueError(f"state version {found.version} is not {VERSION}")
        return found


_STORED = TypeAdapter(State)
