"""One pass over one equipment: predict what is new, judge what was measured, propose what would help.

Pure: the same machine, state and data give the same pass, so any day can be replayed and audited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from control.core import charting
from control.core.feedback import Paired, Steps, checks_of
from control.core.interventions import after_measured, await_measured, in_doubt, in_time, notice, spaced, wanted
from control.core.judging import judge
from control.core.machine import Actuator, ChartConfig, LoopConfig, Machine, StreamConfig
from control.core.outcome import Judged, Note, Pass, Predictions
from control.core.pairing import rows_at
from control.core.process_events import Event
from control.core.proposing import follow, propose
from control.core.state import ChartState, LoopState, State, StreamState
from control.core.types import BoolArray, FloatArray, IntArray, Measured, Quality, Trace
from control.core.vm import reliability
from control.core.vm.estimator import Predicted

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


def run(
    machine: Machine,
    state: State,
    trace: Trace,
    new: BoolArray,
    measured: Measured,
    events: Sequence[Event] = (),
) -> Pass:
    """Predict the ``new`` rows (n,) of ``trace``, judge ``measured``, and propose at most one change per loop.

    ``trace`` is ordered by instant and reaches back far enough for the feature window of every new row and of every
    metre measured, and for the dead time; rows that are not new only lend context. Rows older than ``state.at_s``
    came late: they are predicted, but teach the loops nothing. ``events`` became known since the last pass, whenever
    they happened; those that the trace shows are found here.
    """
    state = _of_this_model(machine, state)
    changed, watched = notice(machine, state, trace, new)
    noticed, told_s = spaced(changed, state.told_s)
    told = in_time(state, [*events, *(one.event for one in noticed)])
    state = before = await_measured(machine, replace(state, watched=watched, told_s=told_s), told)
    passage = rows_at(trace, measured.roll, measured.web_m)
    made_at = passage.row
    rows = np.flatnonzero(new)
    asked = np.union1d(rows, made_at[made_at >= 0])
    seen = _predict(machine, trace, asked)
    base, sound = _for_measured(seen, asked, made_at, measured)
    made_s = np.where(made_at >= 0, trace.at_s[made_at], np.nan) if len(trace) else np.full(len(measured), np.nan)
    judged, steps, streams = judge(
        machine, state.streams, made_at, Paired(measured, base, sound, made_s, passage.refused)
    )
    state = replace(state, streams=after_measured(machine, streams, measured, made_s))
    doubtful = in_doubt(machine, before.streams, steps.relearnt, trace.at_s[rows])
    predictions = _with_bias(machine, seen, asked, rows, steps, trace.at_s, doubtful)
    loops = follow(machine, state, trace, predictions, told)
    if not _ends_anew(state, trace, new):
        return Pass(replace(state, loops=loops), predictions, judged, noticed=tuple(noticed))
    state = replace(state, loops=loops, at_s=float(trace.at_s[-1]))
    proposals, notes = propose(machine, state, trace, predictions)
    return Pass(state, predictions, judged, proposals, notes, tuple(noticed))


def _ends_anew(state: State, trace: Trace, new: BoolArray) -> bool:
    """The last snapshot is new and the newest ever: only then is there a present to speak of."""
    return len(trace) > 0 and bool(new[-1]) and (state.at_s is None or float(trace.at_s[-1]) > state.at_s)


def _of_this_model(machine: Machine, state: State) -> State:
    """A bias belongs to the model it corrects: another model starts without one, and its loops learn anew.

    Until it has met values of a stream, all it knows there is the bias of its training. What waits goes on waiting, and
    a bias that was being relearned after an event is relearned from the start.
    """
    model = machine.estimator.hash if machine.estimator else None
    if state.estimator == model:
        return state
    streams = {
        config.key: _unmet(state.streams.get(config.key, StreamState()), weight)
        for config, weight in zip(machine.streams, checks_of(machine).weight, strict=True)
    }
    loops = {
        key: LoopState(kept.cvs, kept.mvs, kept.gains, schedule=kept.schedule, waiting=kept.waiting)
        for key, kept in state.loops.items()
    }
    return replace(state, estimator=model, streams=streams, loops=loops)


def _unmet(kept: StreamState, bias_weight: float) -> StreamState:
    return StreamState(
        chart=kept.chart,
        gauge_lab=kept.gauge_lab,
        waiting=kept.waiting,
        stage_s=kept.stage_s,
        relearn_s=kept.relearn_s,
        relearned=None if kept.relearned is None else 0,
        wanted=wanted(bias_weight),
        fed_back=kept.fed_back,
    )


def _predict(machine: Machine, trace: Trace, rows: IntArray) -> Predicted:
    if machine.estimator is None:
        return Predicted.nothing(len(rows), len(machine.streams))
    return machine.estimator.predict(trace, rows)


def _for_measured(
    seen: Predicted, asked: IntArray, made_at: IntArray, measured: Measured
) -> tuple[FloatArray, IntArray]:
    """The prediction, without bias, of each metre measured (k,), and its quality; NaN where its making is unknown."""
    if not len(asked):
        nothing = Predicted.nothing(len(measured), 1)
        return nothing.value[:, 0], nothing.quality[:, 0]
    place = np.minimum(np.searchsorted(asked, made_at), len(asked) - 1)
    base = np.where(made_at >= 0, seen.value[place, measured.stream], np.nan)
    return base, seen.quality[place, measured.stream]


def _with_bias(
    machine: Machine,
    seen: Predicted,
    asked: IntArray,
    rows: IntArray,
    steps: Steps,
    at_s: FloatArray,
    doubtful: BoolArray | None,
) -> Predictions:
    """The new rows' predictions as they are shown: corrected, with interval and verdict; some ``doubtful``."""
    estimator = machine.estimator
    if estimator is None:
        return Predictions.none(len(machine.streams))
    at = np.searchsorted(asked, rows)
    bias, width = steps.over(at_s[rows])
    value, half_width = seen.value[at] + bias, width * estimator.half_width
    low, high = value - half_width, value + half_width
    gsi, ri, quality = seen.gsi[at] / estimator.gsi_threshold, seen.ri[at], seen.quality[at]
    if doubtful is not None:
        quality = np.where(doubtful, np.maximum(quality, int(Quality.DOUBTFUL)), quality)
    trusted = reliability.reliable(ri, estimator.ri_threshold, gsi, quality)
    spec = charting.frame_of(machine)
    verdict = reliability.verdict(low, high, spec.lower, spec.upper, trusted)
    return Predictions(rows, value, low, high, ri, gsi, seen.culprit[at], verdict, quality)
