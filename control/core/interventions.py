"""Brings events of the process to what a pass remembers: where they wait, and when they act.

An event waits at every stream and loop it concerns until foil made after it comes by: at a stream with the first value
measured of such foil, at a loop with the first inputs whose whole window lies after it. What each kind then does is
the table of :mod:`control.core.process_events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

import numpy as np

from control.core.machine import LoopConfig, Machine
from control.core.process_events import LATE_S, RELEARNED, SPACING_S, Bias, Effect, Event, Kind, Noticed, Watched
from control.core.r2r import disturbance
from control.core.state import LoopState, State, StreamState
from control.core.types import BoolArray, FloatArray, IntArray, Measured, Trace

ROLL = Watched("roll number", Kind.ROLL_CHANGE)  # the trace's own; the key of a tag has no space
NEVER_S = -np.inf
MOST_WANTED = 10


def notice(machine: Machine, state: State, trace: Trace, new: BoolArray) -> tuple[list[Noticed], dict[str, float]]:
    """Changes of the watched tags and of the roll in the rows newer than the state, and where each stands now.

    The first value ever seen of a tag is no change; one that is missing is passed over.
    """
    watched = (*machine.watched, ROLL)
    rows = np.flatnonzero(new & (trace.at_s > (NEVER_S if state.at_s is None else state.at_s)))
    held = {one.tag: state.watched.get(one.tag, np.nan) for one in watched}
    columns = np.array([machine.tag_at[one.tag] for one in machine.watched], np.int64)
    values = np.column_stack([trace.values[rows][:, columns], trace.roll[rows]])
    found: list[Noticed] = []
    if not (values == np.array(list(held.values()))).all():  # usually nothing has happened
        for one, column in zip(watched, values.T, strict=True):
            found += _changes(one, held, trace.at_s[rows], column)
    return sorted(found, key=lambda seen: seen.event.at_s), {tag: at for tag, at in held.items() if at == at}


def _changes(one: Watched, held: dict[str, float], at_s: FloatArray, values: FloatArray) -> list[Noticed]:
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return []
    now = values[known]
    before = np.concatenate([[held[one.tag]], now[:-1]])
    held[one.tag] = float(now[-1])
    return [
        Noticed(Event(one.kind, float(at_s[known[i]]), one.side), one.tag, float(before[i]), float(now[i]))
        for i in np.flatnonzero((now != before) & np.isfinite(before)).tolist()
    ]


def spaced(noticed: Sequence[Noticed], told_s: Mapping[str, float]) -> tuple[list[Noticed], dict[str, float]]:
    """Those of ``noticed``, in order of time, that no event of the same tag lies closely before.

    ``told_s`` is when each tag last told of an event (epoch seconds); with it as it stands now.
    """
    kept, last_s = [], dict(told_s)
    for seen in noticed:
        if seen.event.at_s - last_s.get(seen.tag, NEVER_S) >= SPACING_S:
            kept.append(seen)
            last_s[seen.tag] = seen.event.at_s
    return kept, last_s


def in_time(state: State, events: Iterable[Event]) -> list[Event]:
    """Those that are not too late to teach anything, in the order of their foil."""
    since_s = NEVER_S if state.at_s is None else state.at_s - LATE_S
    return sorted((event for event in events if event.at_s >= since_s), key=lambda event: event.at_s)


def await_measured(machine: Machine, state: State, events: Sequence[Event]) -> State:
    """The state in which ``events`` wait at the streams they concern."""
    if not events:
        return state
    streams = dict(state.streams)
    for config in machine.streams:
        held = streams.get(config.key, StreamState())
        mine = [one for one in events if one.concerns(config.side) and (_breaks(one) or _relearns(one))]
        if mine:
            streams[config.key] = replace(held, waiting=_merged(state, held.waiting, mine))
    return replace(state, streams=streams)


def _merged(state: State, waiting: Sequence[Event], more: Sequence[Event]) -> tuple[Event, ...]:
    return tuple(in_time(state, dict.fromkeys((*waiting, *more))))


def _breaks(event: Event) -> bool:
    return event.treatment.breaks_stage


def _relearns(event: Event) -> bool:
    return event.treatment.bias is Bias.RELEARN


def stages(machine: Machine, streams: Mapping[str, StreamState], measured: Measured, made_s: FloatArray) -> IntArray:
    """The stage of its stream's charts that each measured metre (k,) belongs to, by when it was made (``made_s``).

    0: the one the state stands in; -1: one that is over; r > 0: the one that the r-th of the stream's waiting events
    that break a stage begins. Of a metre that nobody saw made, the instant of measuring decides.
    """
    found = np.zeros(len(measured), np.int64)
    made_s = np.where(np.isfinite(made_s), made_s, measured.at_s)
    for index in np.unique(measured.stream).tolist():
        state = streams.get(machine.streams[index].key)
        if state is None or not (state.waiting or state.stage_s is not None):
            continue
        mine = measured.stream == index
        place = np.searchsorted([event.at_s for event in state.waiting if _breaks(event)], made_s[mine], "right")
        over = (place == 0) & (made_s[mine] < (NEVER_S if state.stage_s is None else state.stage_s))
        found[mine] = np.where(over, -1, place)
    return found


def relearning_since(state: StreamState, made_s: float) -> float | None:
    """The instant of the newest event before foil made at ``made_s`` that lets the stream's bias be learned anew."""
    since = [event.at_s for event in state.waiting if _relearns(event) and event.at_s <= made_s]
    known = [state.relearn_s] if state.relearn_s is not None else []
    return max([*since, *known], default=None)


def share_of(relearned: int | None, weight: float) -> tuple[float, int | None]:
    """What the next value counts for a bias, and how many there will be then: their mean, until ``weight`` is more.

    ``relearned`` is how many there are since the bias was to be learned anew; None where it is known.
    """
    if relearned is None:
        return weight, None
    share = 1.0 / (relearned + 1)
    return max(weight, share), None if share <= weight and relearned >= RELEARNED else relearned + 1


def after_measured(
    machine: Machine, streams: Mapping[str, StreamState], measured: Measured, made_s: FloatArray
) -> dict[str, StreamState]:
    """The streams once ``measured`` (k,), made at ``made_s``, was judged: events before such foil wait no longer."""
    found = dict(streams)
    made_s = np.where(np.isfinite(made_s), made_s, measured.at_s)
    for index, config in enumerate(machine.streams):
        if found[config.key].waiting and (mine := measured.stream == index).any():
            found[config.key] = _past(found[config.key], measured.at_s[mine], made_s[mine])
    return found


def _past(state: StreamState, at_s: FloatArray, made_s: FloatArray) -> StreamState:
    newest_s = float(made_s.max())
    over = [event for event in state.waiting if event.at_s <= newest_s]
    if not over:
        return state
    anew = relearning_since(state, newest_s)
    state = replace(
        state,
        waiting=tuple(event for event in state.waiting if event.at_s > newest_s),
        relearn_s=anew,
        relearned=state.relearned if anew == state.relearn_s else 0,
    )
    broken = [event.at_s for event in over if _breaks(event)]
    return _at_stage(state, max(broken), at_s, made_s) if broken else state


def _at_stage(state: StreamState, stage_s: float, at_s: FloatArray, made_s: FloatArray) -> StreamState:
    """In a later stage; charts that no value of it could begin anew, because it was no good, are dropped."""
    if state.stage_s is not None and state.stage_s >= stage_s:
        return state
    begun_s = float(at_s[made_s >= stage_s].min())
    chart, residual = (
        held if held and held.last_at_s is not None and held.last_at_s >= begun_s else None
        for held in (state.chart, state.residual)
    )
    return replace(state, stage_s=stage_s, chart=chart, residual=residual)


class Relearnt(NamedTuple):
    """A stream's bias became known again at ``at_s``, from foil made after ``since_s``."""

    stream: int
    since_s: float
    at_s: float


def in_doubt(
    machine: Machine, before: Mapping[str, StreamState], relearnt: Sequence[Relearnt], at_s: FloatArray
) -> BoolArray | None:
    """Which predictions of foil made at ``at_s`` (n,) rest on a bias of before an event: (n, streams); None if none.

    ``before`` are the streams before the pass, ``relearnt`` what became known during it. A bias that nothing is
    measured for within ``LATE_S`` is believed again: the interval has to say how good it is.
    """
    doubtful = None
    for index, config in enumerate(machine.streams):
        state = before.get(config.key)
        for since_s in () if state is None else _unsettled(state):
            if doubtful is None:
                doubtful = np.zeros((len(at_s), len(machine.streams)), bool)
            ends = [one.at_s for one in relearnt if one.stream == index and one.since_s >= since_s]
            doubtful[:, index] |= (at_s >= since_s) & (at_s <= min([since_s + LATE_S, *ends]))
    return doubtful


def _unsettled(state: StreamState) -> list[float]:
    """Since when a stream's bias is not known, for each reason it has."""
    since = [event.at_s for event in state.waiting if _relearns(event)]
    if state.relearned is not None and state.relearned < RELEARNED and state.relearn_s is not None:
        since.append(state.relearn_s)
    return since


def wanted(weight: float) -> int:
    """How many good values of a stream a model that goes into force has to meet before a loop may live on it.

    As many as a bias of that ``weight`` is an average over: of what training left in it (1 - w)^(1/w), about a third,
    remains. A bias that moves more slowly was steady in training, and is believed sooner.
    """
    return MOST_WANTED if weight * MOST_WANTED <= 1 else max(ceil(1 / weight), RELEARNED)


def is_met(state: State, loop: LoopConfig) -> bool:
    """Whether the model in force has met enough good values of every stream of a loop."""
    return not any(state.streams[cv].wanted for cv in loop.cvs if cv in state.streams)


def await_foil(machine: Machine, loop: LoopConfig, state: State, held: LoopState, events: Sequence[Event]) -> LoopState:
    """A loop at which ``events`` wait if they concern one of its streams."""
    mine = [one for one in events if _concerned(machine, loop, one)]
    return replace(held, waiting=_merged(state, held.waiting, mine)) if mine else held


def _concerned(machine: Machine, loop: LoopConfig, event: Event) -> list[str]:
    return [cv for cv in loop.cvs if event.concerns(machine.streams[machine.stream_at[cv]].side)]


def frozen(machine: Machine, loop: LoopConfig, held: LoopState, at_s: FloatArray, window_s: float) -> BoolArray:
    """Where inputs at ``at_s`` (n,) are a mean over foil of both sides of an event: (n, cvs)."""
    mixed = np.zeros((len(at_s), len(loop.cvs)), bool)
    for event in held.waiting:
        within = (at_s >= event.at_s) & (at_s < event.at_s + window_s)
        mixed |= within[:, None] & np.isin(loop.cvs, _concerned(machine, loop, event))
    return mixed


def stretches(held: LoopState, at_s: FloatArray, window_s: float) -> list[tuple[slice, tuple[Event, ...]]]:
    """The rows at ``at_s`` (n,) cut where waiting events act, each part with those that act before it."""
    acting: dict[int, tuple[Event, ...]] = {0: ()}
    for event in held.waiting:
        at = int(np.searchsorted(at_s, event.at_s + window_s, "left"))
        if at < len(at_s):
            acting[at] = (*acting.get(at, ()), event)
    begins = sorted(acting)
    return [(slice(begin, end), acting[begin]) for begin, end in zip(begins, [*begins[1:], len(at_s)], strict=True)]


def treated(machine: Machine, loop: LoopConfig, held: LoopState, events: Sequence[Event]) -> LoopState:
    """What ``events`` leave of a loop's estimates; they wait no longer."""
    for event in events:
        streams, does = _concerned(machine, loop, event), event.treatment
        if does.level is Effect.RESET:
            held = disturbance.forget(held, streams)
        if does.drift is Effect.RESET:
            held = disturbance.forget_drift(held, streams)
        if np.isfinite(does.uncertainty) and does.uncertainty > 0:
            held = disturbance.raise_uncertainty(held, streams, does.uncertainty)
    return replace(held, waiting=tuple(event for event in held.waiting if event not in events)) if events else held


def is_over(state: State, loop: LoopConfig, at_s: float) -> bool:
    """Whether at ``at_s`` no event lies within the window of a loop's inputs, and the bias of every stream is known."""
    if any(event.at_s <= at_s for event in state.loops[loop.key].waiting):
        return False
    streams = (state.streams[cv] for cv in loop.cvs if cv in state.streams)
    return not any(since_s <= at_s <= since_s + LATE_S for one in streams for since_s in _unsettled(one))
