"""From predictions to at most one proposed change per loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from control.core import policy
from control.core.interventions import await_foil, frozen, is_met, is_over, stretches, treated
from control.core.machine import LoopConfig, Machine
from control.core.outcome import Note, Predictions
from control.core.pairing import moved_m, ran_back_m, travelled_m
from control.core.policy import Reason, Situation
from control.core.process_events import Event
from control.core.r2r import feedforward
from control.core.r2r.allocation import allocate
from control.core.r2r.disturbance import Belief, Seen, belief, stored
from control.core.state import LoopState, State
from control.core.types import Expected, FloatArray, IntArray, Move, Proposal, Quality, Trace
from control.core.vm.reliability import reliable

NEVER_S = -1e18
DRIFT = "drift"
NO_SIGNAL = np.empty(0)
NONE = np.empty(0, np.int64)
LEAST_RI = 1e-3  # of a value that enters; keeps its variance finite


def follow(
    machine: Machine, state: State, trace: Trace, predictions: Predictions, events: Sequence[Event] = ()
) -> dict[str, LoopState]:
    """Carry each loop's disturbances over the predictions newer than the state, paired with the settings behind them.

    A setting is averaged over the same window as the inputs of its prediction: so a move cancels out of y - G u at
    every instant. Predictions that are not to be relied on teach nothing. ``events`` became known since the last pass.
    """
    estimator = machine.estimator
    newer = trace.at_s[predictions.row] > (NEVER_S if state.at_s is None else state.at_s)
    rows = predictions.row[newer]
    if estimator is None or not len(rows):
        return {loop.key: await_foil(machine, loop, state, _held(loop, state), events) for loop in machine.loops}
    trusted = reliable(predictions.ri, estimator.ri_threshold, predictions.gsi, predictions.quality)
    y = np.where(trusted, predictions.value, np.nan)[newer]
    noise = np.maximum(predictions.ri[newer], LEAST_RI) ** -2.0
    metres = _metres(trace, rows, state)
    at = machine.places
    read = np.concatenate([part for loop in machine.loops for part in (at[loop.key].mvs, at[loop.key].fed)] or [NONE])
    means, done = estimator.window_mean(trace, rows, read), 0
    loops = {}
    for loop in machine.loops:
        held = await_foil(machine, loop, state, _held(loop, state), events)
        cvs, mvs, fed = at[loop.key].cvs, at[loop.key].mvs, at[loop.key].fed
        u, signals = means[:, done : done + len(mvs)], means[:, done + len(mvs) : (done := done + len(mvs) + len(fed))]
        seen = Seen(y[:, cvs] - loop.effect(u), metres, noise[:, cvs])
        if not loop.feed_forward:
            loops[loop.key] = _carried(machine, loop, held, seen, trace.at_s[rows])
            continue
        held = feedforward.anew(held, state.last_move_s.get(loop.key))
        came = feedforward.changes(held, signals)
        seen = replace(seen, value=seen.value - came @ loop.fed_gains.T)
        loops[loop.key] = feedforward.after(_carried(machine, loop, held, seen, trace.at_s[rows]), signals, came)
    return loops


def _carried(machine: Machine, loop: LoopConfig, held: LoopState, seen: Seen, at_s: FloatArray) -> LoopState:
    """A loop after the inputs at ``at_s`` (n,): each event acts once no window holds foil of before it any more."""
    if not held.waiting or machine.estimator is None:
        return stored(held, loop.disturbance.after(belief(held), seen))
    window_s = machine.estimator.window_s
    value = np.where(frozen(machine, loop, held, at_s, window_s), np.nan, seen.value)
    for part, events in stretches(held, at_s, window_s):
        held = treated(machine, loop, held, events)
        seen_then = Seen(value[part], seen.metres[part], seen.noise[part])
        held = stored(held, loop.disturbance.after(belief(held), seen_then))
    return held


def _metres(trace: Trace, rows: IntArray, state: State) -> FloatArray:
    """New web at each of ``rows`` (n,) since the one before, at the first since the state; unknown metres count 0."""
    passed = np.nan_to_num(moved_m(trace)).cumsum()
    before = -1 if state.at_s is None else int(np.searchsorted(trace.at_s, state.at_s, "right")) - 1
    return np.diff(passed[rows], prepend=passed[max(before, 0)])


def propose(
    machine: Machine, state: State, trace: Trace, predictions: Predictions
) -> tuple[tuple[Proposal, ...], tuple[Note, ...]]:
    """What each loop would do at the newest snapshot, or why it stays silent. ``state`` is that after the pass."""
    proposals, notes = [], []
    line = _line(machine, trace, predictions)
    for loop in machine.loops:
        found = _propose_one(machine, loop, state, trace, predictions, line)
        if isinstance(found, Proposal):
            proposals.append(found)
        else:
            notes.append(found)
    return tuple(proposals), tuple(notes)


@dataclass(frozen=True, slots=True)
class _Line:
    """How the equipment runs at the newest snapshot, the same for all its loops; the tuples have one word a stream."""

    ran_back_m: float
    running: bool
    roll_is_new: bool
    window_s: float
    modelled: tuple[bool, ...]
    good: tuple[bool, ...]
    familiar: tuple[bool, ...]
    agreed: tuple[bool, ...]


def _line(machine: Machine, trace: Trace, predictions: Predictions) -> _Line:
    estimator, no = machine.estimator, (False,) * len(machine.streams)
    modelled = good = familiar = agreed = no
    if estimator is not None:
        modelled = tuple(np.isfinite(estimator.half_width).tolist())
    if estimator is not None and len(predictions):
        known = np.isfinite(predictions.high[-1])
        good = tuple((known & (predictions.quality[-1] == int(Quality.GOOD))).tolist())
        familiar = tuple((known & (predictions.gsi[-1] <= 1.0)).tolist())
        agreed = tuple((known & (predictions.ri[-1] >= estimator.ri_threshold)).tolist())
    window_s = estimator.window_s if estimator else 0.0
    return _Line(
        ran_back_m=ran_back_m(trace),
        running=bool(moved_m(trace)[-1] != 0.0),
        roll_is_new=bool((trace.roll[trace.at_s > trace.at_s[-1] - window_s] != trace.roll[-1]).any()),
        window_s=window_s,
        modelled=modelled,
        good=good,
        familiar=familiar,
        agreed=agreed,
    )


def _propose_one(
    machine: Machine, loop: LoopConfig, state: State, trace: Trace, predictions: Predictions, line: _Line
) -> Proposal | Note:
    gate = machine.gates.get(loop.key)
    if gate is not None and not gate.passes:
        return Note(loop.key, Reason.VM_GAIN, gate.told)
    newest = len(trace) - 1
    setting = trace.values[newest, machine.places[loop.key].mvs]
    known = belief(state.loops[loop.key])
    signals = _signals(machine, loop, trace) if loop.feed_forward else NO_SIGNAL
    fed = feedforward.parts(loop.feed_forward, state.loops[loop.key], signals)
    do_nothing = known.ahead + loop.effect(setting[None, :])[0] + sum(fed.values())
    settling = max(_settling(loop, known), _moving(machine, loop, trace, signals))
    situation = _situation(machine, loop, state, trace, line, settling)
    quiet = policy.silence(loop, situation, loop.answerable(do_nothing - np.array(loop.targets)))
    if quiet is not None:
        return Note(loop.key, quiet.reason, quiet.detail)
    solved = allocate(loop, setting, do_nothing, fed | ({DRIFT: known.drift} if known.drift.any() else {}))
    if solved.refused:
        return Note(loop.key, Reason.NO_SOLUTION, solved.refused)
    moves = _worth_making(loop, solved.moves)
    if not moves:
        return Note(loop.key, Reason.TOO_SMALL)
    kept = {move.tag: move.to_value for move in moves}
    gains = loop.gains_at(setting)
    after = np.array([kept.get(mv.tag, float(setting[j])) for j, mv in enumerate(loop.mvs)])
    return Proposal(
        loop=loop.key,
        at_s=float(trace.at_s[newest]),
        roll=int(trace.roll[newest]),
        web_m=float(trace.web_m[newest]),
        moves=moves,
        expected=_expected(machine, loop, predictions, do_nothing, do_nothing + gains @ (after - setting)),
        active_constraints=solved.active,
        gains=tuple(map(tuple, gains.tolist())),
        not_fed=tuple(tag for tag, value in zip(loop.fed_tags, signals.tolist(), strict=True) if value != value),
    )


def _situation(
    machine: Machine, loop: LoopConfig, state: State, trace: Trace, line: _Line, settling: float
) -> Situation:
    at, last_move_s = machine.places[loop.key], state.last_move_s.get(loop.key, NEVER_S)
    cvs, newest_s = at.cvs.tolist(), float(trace.at_s[-1])
    settings, quality = trace.values[-1, at.mvs].tolist(), trace.quality[-1, at.mvs].tolist()
    return Situation(
        ran_back_m=line.ran_back_m,
        running=line.running,
        roll_is_new=line.roll_is_new,
        inputs_known=all(map(isfinite, settings)) and all(one == Quality.GOOD for one in quality),
        modelled=all(line.modelled[i] for i in cvs),
        good=all(line.good[i] for i in cvs),
        familiar=all(line.familiar[i] for i in cvs),
        agreed=all(line.agreed[i] for i in cvs),
        since_move_m=travelled_m(trace, last_move_s) if last_move_s > NEVER_S else np.inf,
        since_move_s=newest_s - last_move_s,
        window_s=line.window_s,
        settling=settling,
        event_is_over=is_over(state, loop, newest_s),
        measured=is_met(state, loop),
    )


def _signals(machine: Machine, loop: LoopConfig, trace: Trace) -> FloatArray:
    """What is fed forward as it is now (d,), averaged over a few seconds; NaN where the newest is missing."""
    columns = machine.places[loop.key].fed
    first = int(np.searchsorted(trace.at_s, trace.at_s[-1] - feedforward.PRESENT_S, "right"))
    recent = trace.values[first:, columns]
    known = np.isfinite(recent)
    mean = np.where(known, recent, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(np.where(known[-1], mean, np.nan))


def _moving(machine: Machine, loop: LoopConfig, trace: Trace, signals: FloatArray) -> float:
    """How far what is fed forward has run from its present average, ``signals`` (CV unit); 0 where nothing is."""
    if not loop.feed_forward:
        return 0.0
    ahead = trace.values[-1, machine.places[loop.key].fed] - signals
    return float(np.abs(loop.answerable(loop.fed_gains @ np.where(np.isfinite(ahead), ahead, 0.0))).max())


def _settling(loop: LoopConfig, known: Belief) -> float:
    """How far the disturbances have run from their slower estimates (CV unit), as far as the loop can answer it.

    What was not seen yet counts 0.
    """
    run = known.level - known.slow
    return float(np.abs(loop.answerable(np.where(np.isfinite(run), run, 0.0))).max())


def _expected(
    machine: Machine, loop: LoopConfig, predictions: Predictions, do_nothing: FloatArray, after: FloatArray
) -> tuple[Expected, ...]:
    """Per controlled stream, in the order of ``loop.cvs``; ``do_nothing`` and ``after`` (cvs,)."""
    expected = []
    for i, cv in enumerate(loop.cvs):
        stream = machine.stream_at[cv]
        value, high = float(predictions.value[-1, stream]), float(predictions.high[-1, stream])
        expected.append(Expected(cv, loop.targets[i], value, float(do_nothing[i]), float(after[i]), high - value))
    return tuple(expected)


def _worth_making(loop: LoopConfig, moves: tuple[Move, ...]) -> tuple[Move, ...]:
    """Leave out what is under a parameter's deadband; a group whose moves cancel, or a lip, stays or goes as one."""
    deadband = {mv.tag: mv.deadband for mv in loop.mvs}
    large = {move.tag for move in moves if abs(move.delta) > deadband[move.tag]}
    for group in (loop.sum_zero, *loop.neighbours, loop.sum_zero):
        if large & set(group):
            large |= set(group)
    return tuple(move for move in moves if move.tag in large and move.delta)


def _held(loop: LoopConfig, state: State) -> LoopState:
    """What is known of a loop; of one that learned under other streams, gains or another curve, what waits at it."""
    mvs = tuple(mv.tag for mv in loop.mvs)
    curve = loop.schedule.numbers if loop.schedule else ()
    fresh = LoopState(loop.cvs, mvs, loop.gains, schedule=curve)
    held = state.loops.get(loop.key, fresh)
    if (held.cvs, held.mvs, held.gains, held.schedule) != (loop.cvs, mvs, loop.gains, curve):
        held = replace(fresh, waiting=held.waiting)
    return feedforward.fed_by(held, loop.feed_forward)
