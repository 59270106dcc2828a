"""What a pass remembers for the next one. Plain numbers keyed by name, so that it survives JSON and a changed plant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from control.core.process_events import Event, Kind
from control.core.spc.mewma import Standing
from control.core.spc.rules import Recent
from control.core.vm.calibration import COVERAGE

VERSION = 1


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
    """Where the charts stand that look at several values: at a group of them, at the average of the lanes together."""

    group: Group | None = None
    lanes: Standing | None = None


@dataclass(frozen=True, slots=True)
class ChartState:
    """Where a stream's charts stand. ``mean`` and ``sigma`` tell whose limits it was kept under: 0 and 1 before any.

    ``recent`` holds the last standardised values (newest last), ``ewma`` the standardised EWMA after ``count`` points,
    ``cusum`` its sums (C+, C-), None before the first point; ``several`` those of charts that look at several values.
    """

    mean: float
    sigma: float
    recent: Recent = ()
    ewma: float = 0.0
    count: int = 0
    last_at_s: float | None = None
    cusum: tuple[float, float] | None = None
    several: Several | None = None


@dataclass(frozen=True, slots=True)
class StreamState:
    """Bias of the model at this stream, and the newest error, believed or not, that the next one is compared with:

    measured at ``error_at_s`` of a metre that was at the die at ``error_made_s``.

    ``scores``, ``level``, ``width`` (in half widths of training) and ``trail`` are those of :mod:`core.vm.calibration`;
    ``gauge_lab`` is the CUSUM of gauge less lab (up, down), in sigma. ``waiting`` are events of which no foil made
    after them was measured yet, ``stage_s`` and ``relearn_s`` the instants of those that began the stage of the charts
    and let the bias be learned anew, ``relearned`` how many values it was learned from since (None: it is known).
    ``unsound_s`` is since when the inputs behind its values have been doubtful on end, ``wanted`` how many good values
    the model in force has still to meet here before a loop may live on it.
    """

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


@dataclass(frozen=True, slots=True)
class LoopState:
    """Disturbance per controlled stream (None: not yet seen), and what it was estimated with.

    ``disturbance`` is the level, ``trend`` a slower one, ``drift`` how far it runs on until the next value and
    ``uncertainty`` P of the level in R; the last two are empty where all is 0. Other gains, or another curve of a
    schedule, end it. ``waiting`` are events that the inputs' window still holds. ``fed`` is how far each signal that is
    fed forward has gone since the move at ``fed_since_s``, ``fed_last`` where it was last (None: missing);
    ``fed_tags`` and ``fed_gains``, cvs x tags, are the signals and the K it was fed with.
    """

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

    def to_json(self) -> dict[str, Any]:
        return {
            **_fields(self),
            "streams": {
                key: {
                    **_fields(one),
                    "chart": one.chart and _fields(one.chart),
                    "residual": one.residual and _fields(one.residual),
                }
                for key, one in self.streams.items()
            },
            "loops": {key: _fields(one) for key, one in self.loops.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> State:
        """An empty or missing state is a first call. A state of another version is refused, not guessed at."""
        if not data:
            return cls()
        if data["version"] != VERSION:
            raise ValueError(f"state version {data['version']} is not {VERSION}")
        return cls(
            at_s=data["at_s"],
            estimator=data["estimator"],
            streams={key: _stream(item) for key, item in data["streams"].items()},
            loops={key: _loop(item) for key, item in data["loops"].items()},
            last_move_s=dict(data["last_move_s"]),
            watched=dict(data.get("watched", {})),
            told_s=dict(data.get("told_s", {})),
        )


def _fields(one: State | StreamState | ChartState | LoopState) -> dict[str, Any]:
    """Shallow and not copied, unlike ``asdict``: a pass writes its state every second."""
    return {name: getattr(one, name) for name in one.__slots__}


def _stream(item: Mapping[str, Any]) -> StreamState:
    charts = {name: _chart(item.get(name)) for name in ("chart", "residual")}
    gauge_lab = tuple(item.get("gauge_lab", (0.0, 0.0)))
    return StreamState(**{**item, **charts, "gauge_lab": gauge_lab, "waiting": _events(item)})


def _chart(item: Mapping[str, Any] | None) -> ChartState | None:
    if not item:
        return None
    sums = item.get("cusum")
    several = item.get("several")
    told = {
        "recent": tuple(item["recent"]),
        "cusum": sums and (sums[0], sums[1]),
        "several": several and _read(several),
    }
    return ChartState(**{**item, **told})


def _read(several: Sequence[Any]) -> Several:
    """JSON gives a named tuple back as a list."""
    group, lanes = several
    return Several(group and _group(*group), lanes and Standing(tuple(lanes[0]), lanes[1]))


def _group(size: int, mean: float, sigma: float, recent: Sequence[float | None], values: Sequence[float]) -> Group:
    return Group(size, mean, sigma, tuple(recent), tuple(values))


def _loop(item: Mapping[str, Any]) -> LoopState:
    gains = tuple(tuple(row) for row in item["gains"])
    return LoopState(
        cvs=tuple(item["cvs"]),
        mvs=tuple(item["mvs"]),
        gains=gains,
        disturbance=tuple(item["disturbance"]),
        trend=tuple(item["trend"]),
        schedule=tuple(item.get("schedule", ())),
        drift=tuple(item.get("drift", ())),
        uncertainty=tuple(item.get("uncertainty", ())),
        waiting=_events(item),
        fed=tuple(item.get("fed", ())),
        fed_last=tuple(item.get("fed_last", ())),
        fed_since_s=item.get("fed_since_s"),
        fed_tags=tuple(item.get("fed_tags", ())),
        fed_gains=tuple(tuple(row) for row in item.get("fed_gains", ())),
    )


def _events(item: Mapping[str, Any]) -> tuple[Event, ...]:
    return tuple(Event(Kind(kind), at_s, side) for kind, at_s, side in item.get("waiting", ()))
