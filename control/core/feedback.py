"""What a measured value does at its stream: believed or doubted, taken as bias and as an error made in use.

The bias follows B += w (y - f - B), at the metre the value belongs to: f is what the model says of that metre, from
the settings and inputs of then. So a value that comes late, as every lab sample does, corrects the model by how far it
was off there, and is never read as news about the foil of now. One that comes out of its turn counts as if it had come
in it: m steps later its share has faded to w (1 - w)^m.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from control.core.interventions import Relearnt, relearning_since, share_of
from control.core.machine import Machine
from control.core.process_events import RELEARNED
from control.core.state import StreamState
from control.core.types import BoolArray, FloatArray, IntArray, Measured, MeasuredBy, Quality
from control.core.vm import metrology
from control.core.vm.calibration import Calibration, Stated
from control.core.vm.metrology import Doubt, Triple

NEIGHBOUR_S = 60.0  # how old a neighbour's value may be to bear witness
USED_TO_S = 600.0  # of doubtful inputs on end, after which they are how the line runs now
FADED = 1e-3  # share of a value out of its turn under which it is let go
GOOD, DOUBTFUL = int(Quality.GOOD), int(Quality.DOUBTFUL)  # looked up with every value, and an enum is slow at that
GAUGE, LAB = int(MeasuredBy.GAUGE), int(MeasuredBy.LAB)


@dataclass(frozen=True, slots=True, eq=False)
class Checks:
    """What the values of a machine are held against, all (streams,) and NaN where nothing is known.

    ``sigma`` is that of the residual, ``half_width`` that of training, ``weight`` how much of an error the bias takes:
    the engineer's choice before the one found at training; 0 where nothing is predicted. ``alike`` are, for each, the
    streams of its characteristic, itself among them.
    """

    centre: FloatArray
    reach: FloatArray
    sigma: FloatArray
    half_width: FloatArray
    weight: tuple[float, ...]
    triples: tuple[Triple, ...]
    alike: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=64)
def checks_of(machine: Machine) -> Checks:
    """Built once for a machine, which is compared by identity."""
    streams, estimator = machine.streams, machine.estimator
    target, nothing = np.array([stream.target for stream in streams]), np.full(len(streams), np.nan)
    mean, spread = (estimator.label_mean, estimator.label_sigma) if estimator else (nothing, nothing)
    centre = np.where(np.isfinite(target), target, mean)
    centre[[stream.counted for stream in streams]] = np.nan  # a rate far from the usual one is news, not an error
    trained = np.nan_to_num(estimator.bias_weight).tolist() if estimator else [0.0] * len(streams)
    return Checks(
        centre=centre,
        reach=metrology.plausible(centre, spread),
        sigma=estimator.residual_sigma if estimator else nothing,
        half_width=estimator.half_width if estimator else nothing,
        weight=tuple(stream.bias_weight or found for stream, found in zip(streams, trained, strict=True)),
        triples=tuple(_triples(machine)),
        alike=tuple(
            tuple(i for i, other in enumerate(streams) if other.characteristic == stream.characteristic)
            for stream in streams
        ),
    )


def _triples(machine: Machine) -> Iterator[Triple]:
    """Lanes whose thickness and density are both measured here, and whose loading is measured or foretold."""
    at = machine.stream_at
    for key, thickness in at.items():
        kind, _, lane = key.partition("/")
        if kind != "thickness" or (density := at.get(f"density/{lane}")) is None:
            continue
        loading, (expected, tolerance) = at.get(f"loading/{lane}"), machine.incoming.get(lane, (np.nan, 0.0))
        if loading is not None or expected == expected:
            yield Triple(thickness, density, loading, expected, tolerance)


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What predictions of each stream are made with during a pass: stream -> instants and what holds from then on."""

    at_s: dict[int, list[float]]
    stated: dict[int, list[Stated]]
    first: list[Stated]  # (streams,)
    relearnt: list[Relearnt] = field(default_factory=list)

    def over(self, at_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bias and width of every stream at each of ``at_s`` (n,), both (n, streams).

        A value known at the very instant of a prediction is not in it.
        """
        bias = np.tile(np.array([one.bias for one in self.first]), (len(at_s), 1))
        width = np.tile(np.array([one.width for one in self.first]), (len(at_s), 1))
        for stream, instants in self.at_s.items():
            steps, at = [self.first[stream], *self.stated[stream]], np.searchsorted(instants, at_s, "left")
            bias[:, stream] = np.array([one.bias for one in steps])[at]
            width[:, stream] = np.array([one.width for one in steps])[at]
        return bias, width


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """Measurements beside what the model says of the same metres, all (k,).

    ``base`` is the prediction without bias (NaN where the making is unknown), ``sound`` its quality, ``made_s`` when
    the metre was at the die, ``refused`` where the web ran back over it.
    """

    measured: Measured
    base: FloatArray
    sound: IntArray
    made_s: FloatArray
    refused: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """What became of each measurement, all (k,): the prediction beside it, its quality, and why it was doubted.

    ``dqiy`` is the largest ratio of the checks made: above 1 one of them says no.
    """

    predicted: FloatArray
    quality: IntArray
    doubt: IntArray
    dqiy: FloatArray
    steps: Steps
    states: dict[int, StreamState]


class Feedback:
    """One pass over the values of one equipment, in the order they were measured."""

    def __init__(self, machine: Machine, streams: Mapping[str, StreamState], paired: Paired) -> None:
        self.machine, self.paired, self.checks = machine, paired, checks_of(machine)
        self.states = {i: streams.get(config.key, StreamState()) for i, config in enumerate(machine.streams)}
        first = [Stated(state.bias, state.width) for state in self.states.values()]
        self.steps = Steps({}, {}, first)
        self.open: dict[int, Calibration] = {}
        k = len(paired.measured)
        self.quality = paired.measured.quality.astype(np.int64)
        self.predicted, self.doubt, self.dqiy = np.full(k, np.nan), np.zeros(k, np.int64), np.zeros(k)

    def take(self, order: IntArray) -> Taken:
        """Take every value; ``order`` (k,) is that of time."""
        self._check_by_themselves()
        for k in order.tolist():
            index = int(self.paired.measured.stream[k])
            self.predicted[k] = self.paired.base[k] + self.states[index].bias
            if self.quality[k] == GOOD:
                self._one(k, index)
        for index, calibration in self.open.items():
            self.states[index] = replace(self.states[index], **calibration.packed())
        return Taken(self.predicted, self.quality, self.doubt, self.dqiy, self.steps, self.states)

    def _check_by_themselves(self) -> None:
        """The checks that need no memory, of all values at once."""
        measured, checks = self.paired.measured, self.checks
        if not len(measured):
            return
        stream = measured.stream
        with np.errstate(invalid="ignore", divide="ignore"):
            far_out = metrology.out_of_range(measured.value, checks.centre[stream], checks.reach[stream])
            broken = metrology.contradictions(checks.triples, measured, checks.sigma)
        self._judge(np.where(self.paired.refused, 2.0, 0.0), Doubt.REVERSED)
        self._judge(np.where(np.isfinite(far_out), far_out, 0.0), Doubt.RANGE)
        self._judge(broken, Doubt.IDENTITY)

    def _judge(self, ratio: FloatArray, why: Doubt) -> None:
        self.dqiy = np.maximum(self.dqiy, ratio)
        bad = (ratio > 1.0) & (self.quality == GOOD)
        self.quality[bad], self.doubt[bad] = DOUBTFUL, int(why)

    def _one(self, k: int, index: int) -> None:
        """A value that is good so far."""
        measured, state, feedback = self.paired.measured, self.states[index], self.machine.streams[index].feedback
        by = int(measured.by[k])
        if by != feedback:
            self._meet_otherwise(k, index)
            if feedback == GAUGE and by == LAB:
                self._compare_gauge(k, index)
            return
        if not state.fed_back:
            self.states[index] = replace(state, fed_back=True)
        self._check(k, max(state.gauge_lab) / metrology.LIMIT, Doubt.GAUGE_LAB)
        off = float(measured.value[k]) - float(self.paired.base[k])
        if not math.isfinite(off) or not self._of_this_bias(k, index):
            return
        state, at_s = self.states[index], float(measured.at_s[k])
        if state.error_at_s is not None and at_s < state.error_at_s:
            self._out_of_turn(k, index, off)
            return
        far = metrology.FAR * float(self.checks.sigma[index])
        self._check(k, metrology.alone(off - state.bias, self._others(k, index), far), Doubt.ALONE)
        learnt = self._learn(k, index, off) if self.quality[k] == GOOD and self._sound(k, index) else {}
        made_s = float(self.paired.made_s[k])
        self.states[index] = replace(self.states[index], error=off, error_at_s=at_s, error_made_s=made_s, **learnt)

    def _sound(self, k: int, index: int) -> bool:
        """Whether the inputs behind a value may teach: good ones, or doubtful ones for so long that they are the state.

        An instrument that lies for a while must not move the bias; a machine that was retuned for good must.
        """
        since_s, at_s = self.states[index].unsound_s, float(self.paired.measured.at_s[k])
        good = bool(self.paired.sound[k] == GOOD)
        if good != (since_s is None):
            since_s = None if good else at_s
            self.states[index] = replace(self.states[index], unsound_s=since_s)
        return since_s is None or at_s - since_s >= USED_TO_S

    def _of_this_bias(self, k: int, index: int) -> bool:
        """Whether the metre was made after what the bias is learned anew since; the first such metre begins it."""
        state, made_s = self.states[index], float(self.paired.made_s[k])
        since_s = relearning_since(state, made_s)
        if since_s is None or since_s == state.relearn_s:
            return since_s is None or made_s >= since_s
        self.states[index] = replace(state, relearn_s=since_s, relearned=0)
        return True

    def _check(self, k: int, ratio: float, why: Doubt) -> None:
        """One more check of one value; the first that says no tells why."""
        self.dqiy[k] = max(self.dqiy[k], ratio)
        if ratio > 1.0 and self.quality[k] == GOOD:
            self.quality[k], self.doubt[k] = DOUBTFUL, int(why)

    def _others(self, k: int, index: int) -> list[float]:
        """How far off its own bias the last value of this stream was, and those of its neighbours just now.

        A stream's own last value counts if another snapshot made its foil: a reading sent twice is still one reading.
        """
        at_s, made_s = float(self.paired.measured.at_s[k]), float(self.paired.made_s[k])
        alike = ((other, self.states[other]) for other in self.checks.alike[index])
        return [
            state.error - state.bias
            for other, state in alike
            if state.error is not None
            and state.error_at_s is not None
            and (state.error_made_s != made_s if other == index else at_s - state.error_at_s <= NEIGHBOUR_S)
        ]

    def _learn(self, k: int, index: int, off: float) -> dict[str, Any]:
        """The bias a step further, and the error of what was stated for this metre into the calibration set.

        What of the stream's state is other by that.
        """
        state, at_s = self.states[index], float(self.paired.measured.at_s[k])
        weight, relearned = share_of(state.relearned, self.checks.weight[index])
        calibration = self._opened(index)
        if state.relearned is None:  # what was stated before was in doubt, and its error tells nothing of the model
            stated = calibration.before(float(self.paired.made_s[k]), Stated(state.bias, state.width))
            calibration.score((off - stated.bias) / self.checks.half_width[index], stated)
        bias = state.bias + weight * (off - state.bias)
        calibration.step(at_s, bias)
        self._stepped(index, at_s, Stated(bias, calibration.width))
        if relearned == RELEARNED and state.relearn_s is not None:
            self.steps.relearnt.append(Relearnt(index, state.relearn_s, at_s))
        return {"bias": bias, "relearned": relearned, "wanted": max(state.wanted - 1, 0)}

    def _out_of_turn(self, k: int, index: int, off: float) -> None:
        """An older value than the last: its share of the bias as it would be now, had it come when it was measured."""
        state, weight = self.states[index], self.checks.weight[index]
        calibration, at_s = self._opened(index), float(self.paired.measured.at_s[k])
        share = weight * (1.0 - weight) ** calibration.after(at_s)
        before = calibration.before(at_s, Stated(state.bias, state.width)).bias
        far = metrology.FAR * float(self.checks.sigma[index])
        self._check(k, metrology.alone(off - before, (), far), Doubt.ALONE)
        if share < FADED or self.quality[k] != GOOD or self.paired.sound[k] != GOOD:
            return
        bias = state.bias + share * (off - before)
        self.states[index] = replace(state, bias=bias)
        self._stepped(index, float(state.error_at_s or at_s), Stated(bias, calibration.width))

    def _meet_otherwise(self, k: int, index: int) -> None:
        """Metrology that corrects no model: where there is no other, a few values tell all they ever will."""
        state, known = self.states[index], np.isfinite(self.paired.measured.value[k] - self.paired.base[k])
        if state.wanted and not state.fed_back and known and self.paired.sound[k] == GOOD:
            self.states[index] = replace(state, wanted=min(state.wanted, RELEARNED) - 1)

    def _compare_gauge(self, k: int, index: int) -> None:
        """A lab sample tells whether the gauge said the same of that metre."""
        beside, sigma = self.paired.measured.beside, float(self.checks.sigma[index])
        if beside is None or not math.isfinite(beside[k]) or not sigma > 0:
            return
        difference = float(beside[k] - self.paired.measured.value[k]) / sigma
        state = self.states[index]
        self.states[index] = replace(state, gauge_lab=metrology.gauge_to_lab(state.gauge_lab, difference))

    def _opened(self, index: int) -> Calibration:
        if index not in self.open:
            state = self.states[index]
            self.open[index] = Calibration.unpacked(state.scores, state.level, state.width, state.trail)
        return self.open[index]

    def _stepped(self, index: int, at_s: float, stated: Stated) -> None:
        self.steps.at_s.setdefault(index, []).append(at_s)
        self.steps.stated.setdefault(index, []).append(stated)
