"""Which setting made this metre: between instants, web positions and the snapshots at the die.

The encoder, not the clock, names a piece of foil, so speed may change, the line may stop (the position repeats) and
rolls may follow each other. An encoder that trembles is read as standing at the farthest position it reached. Nothing
is said of foil that passed during a hole in the record longer than ``max_gap_s``.

A web that runs back further than ``BACK_M`` is refused: those metres pass the die more than once, nobody can tell
which time made them. Until the web is again where it was, no instant names a piece, and metres of that stretch are
paired with nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.types import BoolArray, FloatArray, IntArray, Trace

MAX_GAP_S = 60.0
BACK_M = 0.5  # what an encoder may tremble, and foil slacken at a stop


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """When metres passed the die: at trace row ``row`` (k,), or ``fraction`` of the way to the next; -1, NaN outside.

    The setting that made the metre is that of ``row``: it held until the next snapshot. ``refused`` (k,): the metre is
    in the trace, but the web ran back over it.
    """

    row: IntArray
    fraction: FloatArray
    refused: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class _Travel:
    """The positions of a trace unrolled into one line of web, (m,) each; ``astray`` where it stands back of that.

    ``number`` and ``start`` (rolls,) are the rolls in their order, and where each one's own zero lies on the line.
    """

    at_s: FloatArray
    metres: FloatArray
    astray: BoolArray
    number: IntArray
    start: FloatArray


def locate(
    trace: Trace, instants: FloatArray, gauge_distance_m: float, max_gap_s: float = MAX_GAP_S
) -> tuple[IntArray, FloatArray]:
    """The (roll, web_m) of the piece under a gauge ``gauge_distance_m`` behind the die at each instant (k,).

    A piece that passed the die before the present roll began belongs to the roll before, whose length is taken to be
    the last position seen of it. Roll -1 and NaN where the trace does not tell, also while the web is run back.
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
    told = (before >= 0) & (exact | ((after > before) & ~hole & ~travel.astray[after])) & ~travel.astray[before]
    under = np.interp(wanted[told], travel.at_s, travel.metres) - gauge_distance_m
    of = np.searchsorted(travel.start, under, "right") - 1
    named = of >= 0
    at = np.flatnonzero(told)[named]
    roll[at] = travel.number[of[named]]
    web_m[at] = under[named] - travel.start[of[named]]
    return roll, web_m


def rows_at(trace: Trace, roll: IntArray, web_m: FloatArray, max_gap_s: float = MAX_GAP_S) -> Passage:
    """The snapshot at which each metre (roll, web_m) (k,) passed the die; where the line stood on it, the first one."""
    rolls, wanted = np.asarray(roll, np.int64), np.asarray(web_m, np.float64)
    row, fraction = np.full(len(wanted), -1, np.int64), np.full(len(wanted), np.nan)
    refused = np.zeros(len(wanted), np.bool_)
    for number in np.unique(rolls[np.isfinite(wanted)]):
        of_roll = np.flatnonzero((trace.roll == number) & np.isfinite(trace.web_m))
        if not len(of_roll):
            continue
        metres = np.maximum.accumulate(trace.web_m[of_roll])
        told = (rolls == number) & (wanted >= metres[0]) & (wanted <= metres[-1])
        for low, high in _run_back(trace.web_m[of_roll], metres):
            again = (rolls == number) & (wanted > low) & (wanted <= high)
            refused |= again
            told &= ~again
        asked = np.flatnonzero(told)
        reached = np.searchsorted(metres, wanted[asked], "left")
        exact = metres[reached] == wanted[asked]
        before = np.where(exact, reached, reached - 1)
        ran = np.where(exact, 1.0, metres[reached] - metres[before])
        gap_s = np.where(exact, 0.0, trace.at_s[of_roll[reached]] - trace.at_s[of_roll[before]])
        seen = gap_s <= max_gap_s
        row[asked[seen]] = of_roll[before[seen]]
        fraction[asked[seen]] = ((wanted[asked] - metres[before]) / ran)[seen]
    return Passage(row, fraction, refused)


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
    """Metres of new web since the snapshot before (n,): 0 while the line stands or runs back, NaN where unknown.

    A roll that begins at 0 does not tell how much of the one before ran past.
    """
    step = np.full(len(trace), np.nan)
    if len(trace) > 1:
        farthest, begins = _farthest(trace.web_m, trace.roll)
        step[1:] = np.diff(farthest) + 0.0 * (trace.web_m[1:] + trace.web_m[:-1])
        begins = begins[1:]
        step[begins] = np.where(trace.web_m[begins] > 0, trace.web_m[begins], np.nan)
    return step


def ran_back_m(trace: Trace) -> float:
    """How far the web stands behind the farthest it reached on its roll: 0 while it runs."""
    if not len(trace):
        return 0.0
    on_roll = trace.web_m[np.isfinite(trace.web_m) & (trace.roll == trace.roll[-1])]
    return float(on_roll.max() - on_roll[-1]) if len(on_roll) else 0.0


def _travel(trace: Trace) -> _Travel:
    row = np.flatnonzero(np.isfinite(trace.web_m))
    web_m, roll = trace.web_m[row], trace.roll[row]
    if not len(row):
        return _Travel(trace.at_s[row], web_m, np.zeros(0, np.bool_), roll, web_m)
    farthest, begins = _farthest(web_m, roll)
    # a roll's zero lies where the one before ended
    start = np.concatenate([[0.0], np.cumsum(farthest[begins[1:] - 1])])
    metres = farthest + np.repeat(start, np.diff(np.append(begins, len(row))))
    return _Travel(trace.at_s[row], metres, farthest - web_m > BACK_M, roll[begins], start)


def _farthest(web_m: FloatArray, roll: IntArray) -> tuple[FloatArray, IntArray]:
    """The farthest position reached on its roll at each row (n,), unknown ones left out; the rows where rolls begin."""
    begins = np.concatenate([[0], np.flatnonzero(roll[1:] != roll[:-1]) + 1])
    farthest = np.empty(len(web_m))
    for begin, end in zip(begins, [*begins[1:], len(web_m)], strict=True):
        np.fmax.accumulate(web_m[begin:end], out=farthest[begin:end])
    return farthest, begins


def _run_back(web_m: FloatArray, farthest: FloatArray) -> list[tuple[float, float]]:
    """The stretches (low, high) of one roll over which the web ran back."""
    astray = farthest - web_m > BACK_M
    if not astray.any():
        return []
    edges = np.flatnonzero(np.diff(astray, prepend=False, append=False)).reshape(-1, 2)
    return [(float(web_m[begin:end].min()), float(farthest[begin])) for begin, end in edges]
