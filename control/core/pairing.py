"""Which setting made this metre: between instants, web positions and the snapshots at the die.

The encoder, not the clock, names a piece of foil, so speed may change, the line may stop (the position repeats) and
rolls may follow each other. An encoder that runs backwards a little is read as standing still. Nothing is said of
foil that passed during a hole in the record longer than ``max_gap_s``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.types import FloatArray, IntArray, Trace

MAX_GAP_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """When metres passed the die: at trace row ``row`` (k,), or ``fraction`` of the way to the next; -1, NaN outside.

    The setting that made the metre is that of ``row``: it held until the next snapshot.
    """

    row: IntArray
    fraction: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Travel:
    """The positions of a trace unrolled into one line of web. ``start`` is where each roll's own zero lies on it."""

    row: IntArray
    at_s: FloatArray
    metres: FloatArray
    roll: IntArray
    start: FloatArray


def locate(
    trace: Trace, instants: FloatArray, gauge_distance_m: float, max_gap_s: float = MAX_GAP_S
) -> tuple[IntArray, FloatArray]:
    """The (roll, web_m) of the piece under a gauge ``gauge_distance_m`` behind the die at each instant (k,).

    A piece that passed the die before the present roll began belongs to the roll before, whose length is taken to be
    the last position seen of it. Roll -1 and NaN where the trace does not tell.
    """
    wanted = np.asarray(instants, np.float64)
    roll, web_m = np.full(len(wanted), -1, np.int64), np.full(len(wanted), np.nan)
    travel = _travel(trace)
    if not len(travel.at_s):
        return roll, web_m
    before = np.searchsorted(travel.at_s, wanted, "right") - 1
    after = np.minimum(before + 1, len(travel.at_s) - 1)
    exact = travel.at_s[np.maximum(before, 0)] == wanted
    hole = travel.at_s[after] - travel.at_s[np.maximum(before, 0)] > max_gap_s
    told = (before >= 0) & (exact | ((after > before) & ~hole))
    under = np.interp(wanted[told], travel.at_s, travel.metres) - gauge_distance_m
    of = np.searchsorted(travel.start, under, "right") - 1
    named = of >= 0
    at = np.flatnonzero(told)[named]
    first = np.flatnonzero(np.diff(travel.roll, prepend=travel.roll[0] - 1))
    roll[at] = travel.roll[first[of[named]]]
    web_m[at] = under[named] - travel.start[of[named]]
    return roll, web_m


def rows_at(trace: Trace, roll: IntArray, web_m: FloatArray, max_gap_s: float = MAX_GAP_S) -> Passage:
    """The snapshot at which each metre (roll, web_m) (k,) passed the die; where the line stood on it, the first one."""
    rolls, wanted = np.asarray(roll, np.int64), np.asarray(web_m, np.float64)
    row, fraction = np.full(len(wanted), -1, np.int64), np.full(len(wanted), np.nan)
    for number in np.unique(rolls[np.isfinite(wanted)]):
        of_roll = np.flatnonzero((trace.roll == number) & np.isfinite(trace.web_m))
        if not len(of_roll):
            continue
        metres = np.maximum.accumulate(trace.web_m[of_roll])
        asked = np.flatnonzero((rolls == number) & (wanted >= metres[0]) & (wanted <= metres[-1]))
        reached = np.searchsorted(metres, wanted[asked], "left")
        exact = metres[reached] == wanted[asked]
        before = np.where(exact, reached, reached - 1)
        ran = np.where(exact, 1.0, metres[reached] - metres[before])
        gap_s = np.where(exact, 0.0, trace.at_s[of_roll[reached]] - trace.at_s[of_roll[before]])
        seen = gap_s <= max_gap_s
        row[asked[seen]] = of_roll[before[seen]]
        fraction[asked[seen]] = ((wanted[asked] - metres[before]) / ran)[seen]
    return Passage(row, fraction)


def travelled_m(trace: Trace, since_s: float) -> float:
    """Metres of web that passed the die from ``since_s`` to the end of the trace.

    What lies before the trace is reckoned at the trace's mean speed.
    """
    travel = _travel(trace)
    if len(travel.at_s) < 2:
        return 0.0
    end, start = travel.metres[-1], travel.metres[0]
    inside = end - float(np.interp(since_s, travel.at_s, travel.metres))
    span_s = travel.at_s[-1] - travel.at_s[0]
    return float(inside + max(travel.at_s[0] - since_s, 0.0) * (end - start) / span_s) if span_s > 0 else float(inside)


def moved_m(trace: Trace) -> FloatArray:
    """Metres run since the snapshot before (n,): 0 while the line stands, NaN where that is not known.

    A roll that begins at 0 does not tell how much of the one before ran past.
    """
    step = np.full(len(trace), np.nan)
    if len(trace) > 1:
        same = trace.roll[1:] == trace.roll[:-1]
        begun = np.where(trace.web_m[1:] > 0, trace.web_m[1:], np.nan)
        step[1:] = np.where(same, np.maximum(np.diff(trace.web_m), 0.0), begun)
    return step


def _travel(trace: Trace) -> _Travel:
    row = np.flatnonzero(np.isfinite(trace.web_m))
    web_m, roll = trace.web_m[row], trace.roll[row]
    if not len(row):
        return _Travel(row, trace.at_s[row], web_m, roll, web_m)
    new_roll = np.diff(roll, prepend=roll[0]) != 0
    step = np.where(new_roll, web_m, np.maximum(np.diff(web_m, prepend=web_m[0]), 0.0))
    metres = np.cumsum(step) + web_m[0]
    new_roll[0] = True
    return _Travel(row, trace.at_s[row], metres, roll, (metres - web_m)[new_roll])
