"""What one equipment is, as the core sees it: its tags, its streams, their charts and the loops that hold them.

All of it is configuration: built by the caller from versioned rows, never changed by a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from control.core.process_events import Watched
from control.core.r2r import estimators
from control.core.r2r.disturbance import Estimator as DisturbanceEstimator
from control.core.r2r.feedforward import FeedForward, together
from control.core.r2r.schedule import Compaction
from control.core.spc import cusum, ewma, group_chart, hotelling, residual
from control.core.spc.hotelling import Reference
from control.core.spc.rules import WESTERN_ELECTRIC, RuleSet
from control.core.types import FloatArray, IntArray, MeasuredBy
from control.core.vm import gain
from control.core.vm.estimator import Estimator

NAN, INF = float("nan"), float("inf")
WECO = WESTERN_ELECTRIC.rules
METRES_A_VALUE = 1.0  # of web from one prediction to the next, for want of a speed; fewer of them would allow more


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """T2 of a stream and ``others`` (stream keys): ``reference`` has the stream's own value first."""

    others: tuple[str, ...]
    reference: Reference
    alpha: float = hotelling.ALPHA


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """MEWMA of a stream and ``others``: ``weight`` of the newest values, ``h`` the limit of T2 of the average.

    ``design`` tells one average from another: what stands of one says nothing under other lanes, mean or weight.
    """

    others: tuple[str, ...]
    reference: Reference
    weight: float
    h: float
    design: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        usual = self.reference.mean.tolist(), self.reference.covariance.tolist()
        told = repr((self.others, self.weight, *usual)).encode()
        object.__setattr__(self, "design", sha256(told).hexdigest()[:16])


@dataclass(frozen=True, slots=True)
class ChartConfig:
    """The limits of one stream's charts: a mean and a sigma with the rules to apply, never bare lines.

    ``rules`` are those of the single values, ``Rule.MOVING_RANGE`` among them adds the MR chart. EWMA and CUSUM are
    kept where they have a design; ``residual`` charts the error of the prediction, by a mean and sigma of its own;
    ``together`` and ``averaged`` hold the lane against the others of its characteristic, ``groups`` are its values
    some at a time. ``short_run`` is the version of limits whose mean and sigma follow the recipe; 0 where they do not.
    Of counts ``mean`` is the rate and ``sigma`` that of the rate of a sample of one unit.
    """

    mean: float
    sigma: float
    rules: RuleSet = WESTERN_ELECTRIC
    ewma: ewma.Design | None = None
    cusum: cusum.Design | None = None
    residual: residual.Chart | None = None
    together: Together | None = None
    averaged: Averaged | None = None
    groups: group_chart.Chart | None = None
    short_run: int = 0


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """One lane x characteristic, e.g. ``loading/1-top`` (``loading/1`` when both sides are one number).

    ``lower``, ``target``, ``upper`` are the specification in the stream's unit, NaN where there is none.
    ``feedback`` names the metrology that is charted and that moves the bias; the other kind is only compared.
    ``bias_weight`` is an engineer's choice; None takes the one found best at training. What is ``counted`` comes as the
    rate of a sample and its size: it is charted whoever counted it, and never predicted.
    """

    key: str
    lower: float = NAN
    target: float = NAN
    upper: float = NAN
    chart: ChartConfig | None = None
    bias_weight: float | None = None
    feedback: MeasuredBy = MeasuredBy.GAUGE
    counted: bool = False

    @property
    def characteristic(self) -> str:
        return self.key.partition("/")[0]

    @property
    def side(self) -> str:
        """``top``, ``bottom`` or ``both``."""
        return self.key.partition("/")[2].partition("-")[2] or "both"


@dataclass(frozen=True, slots=True)
class Actuator:
    """A parameter a loop may move. All figures in the tag's unit.

    ``low`` and ``high`` are the machine limits, ``max_step`` the largest single move, ``nominal`` the recipe
    set-point the loop is drawn back to, ``deadband`` the smallest move worth a write.
    """

    tag: str
    low: float
    high: float
    max_step: float
    nominal: float
    deadband: float = 0.0


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """One run-to-run loop: which streams it holds at which targets by moving which parameters.

    ``gains`` is the assumed gain, cvs x mvs, CV unit per MV unit. ``deadband`` (CV unit) is the predicted deviation
    under which nothing is proposed. ``sum_zero`` names MVs whose moves must cancel, ``cross_direction`` others that
    too only share out between lanes and leave their mean. ``neighbours`` are MVs side by side on one lip, in order:
    of three in a row |u_(i-1) - 2 u_i + u_(i+1)| may be ``bend_um`` at most. ``dead_time_m`` is the web that must
    pass after a change before the next. The weights are dimensionless: a deviation counts in deadbands, a move in
    ``max_step``, a distance from nominal in the actuator's span. ``schedule`` is a curve that stands for one column
    of ``gains``. ``estimator`` says how the disturbance is followed: ``ewma`` with ``ewma_weight`` a snapshot,
    ``double_ewma`` with ``drift_weight`` too, or ``kalman`` with ``wander_per_m``; it is ``disturbance``. ``matrix``
    is ``gains`` as an array, not to be written to. ``feed_forward`` are the measured disturbances it acts on at once.
    """

    key: str
    cvs: tuple[str, ...]
    targets: tuple[float, ...]
    mvs: tuple[Actuator, ...]
    gains: tuple[tuple[float, ...], ...]
    deadband: float
    dead_time_m: float
    sum_zero: tuple[str, ...] = ()
    ewma_weight: float = 0.3
    estimator: str = "ewma"
    drift_weight: float | None = None
    wander_per_m: float | None = None
    disturbance: DisturbanceEstimator = field(init=False, repr=False, compare=False)
    matrix: FloatArray = field(init=False, repr=False, compare=False)
    _reach: FloatArray | None = field(init=False, repr=False, compare=False)
    cv_weights: tuple[float, ...] = ()
    move_weight: float = 0.1
    nominal_weight: float = 0.02
    cross_direction: tuple[str, ...] = ()
    neighbours: tuple[tuple[str, ...], ...] = ()
    bend_um: float = INF
    schedule: Compaction | None = None
    feed_forward: tuple[FeedForward, ...] = ()

    def __post_init__(self) -> None:
        shape = (len(self.cvs), len(self.mvs))
        if not self.cvs or not self.mvs:
            raise ValueError(f"loop {self.key}: needs at least one stream and one parameter")
        if len(self.gains) != shape[0] or any(len(row) != shape[1] for row in self.gains):
            raise ValueError(f"loop {self.key}: gains must be {shape[0]} streams x {shape[1]} parameters")
        if len(self.targets) != shape[0] or len(self.cv_weights) not in (0, shape[0]):
            raise ValueError(f"loop {self.key}: one target (and weight) for each of the {shape[0]} streams")
        if not self.deadband > 0:
            raise ValueError(f"loop {self.key}: deadband must be positive")
        self._check_parts()
        object.__setattr__(self, "disturbance", self._estimator())
        object.__setattr__(self, "matrix", np.array(self.gains, np.float64))
        object.__setattr__(self, "_reach", self._reached())

    def _check_parts(self) -> None:
        lips = tuple(tag for lip in self.neighbours for tag in lip)
        named = {"sum_zero": self.sum_zero, "cross_direction": self.cross_direction, "neighbours": lips}
        for name, tags in named.items():
            if unknown := set(tags) - {mv.tag for mv in self.mvs}:
                raise ValueError(f"loop {self.key}: {name} names {sorted(unknown)}, which it does not move")
        if not self.bend_um > 0:
            raise ValueError(f"loop {self.key}: bend_um must be positive")
        for signal in self.feed_forward:
            signal.check(self.key, len(self.cvs))

    def _estimator(self) -> DisturbanceEstimator:
        try:
            return estimators.named(self.estimator, self.ewma_weight, self.drift_weight, self.wander_per_m)
        except ValueError as error:
            raise ValueError(f"loop {self.key}: {error}") from error

    def _reached(self) -> FloatArray | None:
        """The projection (cvs, cvs) on what moves of the parameters can do, G G+; None where they can do anything."""
        steps = self.matrix * [mv.max_step for mv in self.mvs]
        if not np.isfinite(steps).all() or np.linalg.matrix_rank(steps) == len(self.cvs):
            return None
        return np.asarray(steps @ np.linalg.pinv(steps))

    def answerable(self, deviation: FloatArray) -> FloatArray:
        """The part of a deviation (cvs,) that the parameters can answer.

        A force alone answers the mean of the lanes, a tilt their slope; what is left no move of theirs would mend.
        """
        return deviation if self._reach is None else np.asarray(self._reach @ deviation)

    def effect(self, settings: FloatArray) -> FloatArray:
        """What settings (n, mvs) make of each stream, (n, cvs): its value less this is the disturbance."""
        if self.schedule is None:
            return np.asarray(settings @ self.matrix.T)
        gains = self.matrix.copy()
        gains[:, self.schedule.column] = 0.0
        return np.asarray(settings @ gains.T + self.schedule.effect(settings[:, self.schedule.column]))

    @property
    def fed_tags(self) -> tuple[str, ...]:
        """Every signal that is fed forward (d,)."""
        return tuple(tag for one in self.feed_forward for tag in one.tags)

    @property
    def fed_gains(self) -> FloatArray:
        """What they do to the streams (cvs, d)."""
        return together(self.feed_forward, len(self.cvs))

    def gains_at(self, setting: FloatArray) -> FloatArray:
        """The gains (cvs, mvs) where the parameters stand (mvs,)."""
        gains = self.matrix.copy()
        if self.schedule is not None:
            gains[:, self.schedule.column] = self.schedule.slope(float(setting[self.schedule.column]))
        return gains

    def largest_gain_ratio(self, metres_a_value: float) -> float:
        """True over assumed gain from which the loop hunts, with a value every ``metres_a_value`` of web.

        It moves once a dead time, and has by then taken w_n = 1 - (1 - w)^n of what it saw in n values: 2 / w_n, about
        2 whatever w; and no more than it would bear acting on every value.
        """
        follows = self.disturbance.every(metres_a_value)
        taken = 1.0 - (1.0 - follows.weight) ** max(self.dead_time_m / metres_a_value, 1.0)
        return float(min(2.0 / taken, follows.largest_gain_ratio))

    @property
    def redistributing(self) -> frozenset[str]:
        """MVs that answer how the lanes differ; the others answer their mean."""
        return frozenset((*self.sum_zero, *self.cross_direction))


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where a loop's streams, parameters and signals fed forward stand among those of its machine."""

    cvs: IntArray
    mvs: IntArray
    fed: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """One equipment. ``tags`` are the columns of ``Trace.values``, ``streams`` what ``Measured.stream`` indexes.

    ``estimator`` is None until one is trained: nothing is predicted then, and what is measured is still judged.
    Loops that are off are left out by the caller. ``incoming`` is what the foil of a lane should weigh when it comes
    in: lane -> loading of both sides (mg/cm2) and how far it may be off, relative. ``watched`` are the status tags that
    tell of events. ``gates`` says of each loop whether its estimator may drive it.
    """

    key: str
    tags: tuple[str, ...]
    streams: tuple[StreamConfig, ...]
    estimator: Estimator | None = None
    loops: tuple[LoopConfig, ...] = ()
    incoming: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    watched: tuple[Watched, ...] = ()
    tag_at: dict[str, int] = field(init=False, repr=False)
    stream_at: dict[str, int] = field(init=False, repr=False)
    places: dict[str, Places] = field(init=False, repr=False)
    gates: dict[str, gain.Gate] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag_at", {tag: i for i, tag in enumerate(self.tags)})
        object.__setattr__(self, "stream_at", {stream.key: i for i, stream in enumerate(self.streams)})
        told_by = [one.tag for one in self.watched]
        if twice := {tag for tag in told_by if told_by.count(tag) > 1}:
            raise ValueError(f"equipment {self.key}: {', '.join(sorted(twice))} tells of more than one kind of event")
        for stream in self.streams:
            held = (stream.chart.together, stream.chart.averaged) if stream.chart else ()
            told = next((one for one in held if one and not set(one.others) <= set(self.stream_at)), None)
            if told:
                raise ValueError(f"stream {stream.key}: {', '.join(told.others)} are not all on equipment {self.key}")
        for loop in self.loops:
            missing = [cv for cv in loop.cvs if cv not in self.stream_at]
            missing += [tag for tag in (*(mv.tag for mv in loop.mvs), *loop.fed_tags) if tag not in self.tag_at]
            if missing:
                raise ValueError(f"loop {loop.key}: {', '.join(missing)} is not on equipment {self.key}")
        object.__setattr__(self, "places", {loop.key: self._places(loop) for loop in self.loops})
        object.__setattr__(self, "gates", {loop.key: self._gate(loop) for loop in self.loops if self._modelled(loop)})

    def _places(self, loop: LoopConfig) -> Places:
        return Places(
            cvs=np.array([self.stream_at[cv] for cv in loop.cvs], np.int64),
            mvs=np.array([self.tag_at[mv.tag] for mv in loop.mvs], np.int64),
            fed=np.array([self.tag_at[tag] for tag in loop.fed_tags], np.int64),
        )

    def _modelled(self, loop: LoopConfig) -> bool:
        at = self.places[loop.key].cvs
        return self.estimator is not None and bool(np.isfinite(self.estimator.half_width[at]).all())

    def _gate(self, loop: LoopConfig) -> gain.Gate:
        assert self.estimator is not None
        mvs, steps = [mv.tag for mv in loop.mvs], np.array([mv.max_step for mv in loop.mvs])
        settings, seen = self.estimator.gains(self.places[loop.key].cvs.tolist(), mvs, steps)
        settings = np.where(np.isnan(settings), [mv.nominal for mv in loop.mvs], settings)
        assumed = np.array([loop.gains_at(setting) for setting in settings])
        return gain.judge(seen, assumed, loop.largest_gain_ratio(METRES_A_VALUE), steps, loop.deadband, loop.cvs, mvs)
