"""The lanes of a characteristic taken together: beside each value of one lane the newest of the others; T2 and MEWMA.

A gauge that crosses the web reads one lane after the other, so an observation is put together from one or two
crossings. A lane that has not been read lately makes no observation; the single charts go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from control.core.machine import Averaged, Machine
from control.core.spc import hotelling, mewma
from control.core.state import StreamState
from control.core.types import BoolArray, FloatArray, IntArray, Measured, Rule

AGE_S = 60.0  # how old the value of another lane may be
MULTIVARIATE = np.int64(Rule.MULTIVARIATE)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Values of one lane in time order, both (n,)."""

    at_s: FloatArray
    value: FloatArray


def observations(own: Line, others: Sequence[Line]) -> FloatArray:
    """(n, 1 + others): each value of ``own``, beside it the newest of every other lane, NaN where that is too old."""
    columns = [own.value]
    for other in others:
        place = np.searchsorted(other.at_s, own.at_s, "right") - 1
        at_s, value = np.append(other.at_s, -np.inf)[place], np.append(other.value, np.nan)[place]
        columns.append(np.where(own.at_s - at_s <= AGE_S, value, np.nan))
    return np.column_stack(columns)


def judge(machine: Machine, states: Mapping[int, StreamState], measured: Measured, runs: BoolArray) -> IntArray:
    """Bits (k,): where the lanes no longer keep together, on the value of the stream that asks for it.

    ``runs`` (k,) marks the values that enter charts; ``states`` are those before this pass.
    """
    bits = np.zeros(len(measured), np.int64)
    for index in set(measured.stream[runs].tolist()):
        chart = machine.streams[index].chart
        told = chart.together if chart else None
        if told is None:
            continue
        positions = _positions(index, measured, runs)
        own = Line(measured.at_s[positions], measured.value[positions])
        others = [_known(machine.stream_at[key], states, measured, runs) for key in told.others]
        found = hotelling.judge(observations(own, others), told.reference, told.alpha)
        bits[positions] = found.beyond * MULTIVARIATE
    return bits


def averaged(
    machine: Machine,
    told: Averaged,
    states: Mapping[int, StreamState],
    measured: Measured,
    runs: BoolArray,
    own: Sequence[int],
    held: mewma.Standing | None,
) -> tuple[IntArray, mewma.Standing | None]:
    """Bits of the values at ``own``, in time order, and where the average of the lanes stands after them.

    A value beside which a lane is missing makes no observation and leaves the average as it is.
    """
    line = Line(measured.at_s[own], measured.value[own])
    others = [_known(machine.stream_at[key], states, measured, runs) for key in told.others]
    seen = observations(line, others)
    complete = np.isfinite(seen).all(axis=1)
    found = mewma.judge(seen[complete], told.reference, told.weight, told.h, held)
    bits = np.zeros(len(own), np.int64)
    bits[complete] = found.beyond * MULTIVARIATE
    return bits, found.standing


def _positions(index: int, measured: Measured, runs: BoolArray) -> IntArray:
    """Where a stream's values are, in time order."""
    mine = np.flatnonzero((measured.stream == index) & runs)
    return np.asarray(mine[np.argsort(measured.at_s[mine], kind="stable")])


def _known(index: int, states: Mapping[int, StreamState], measured: Measured, runs: BoolArray) -> Line:
    """A lane's newest value before this pass, as its chart remembers it, and those of this pass."""
    positions, chart = _positions(index, measured, runs), states[index].chart
    at_s, value = measured.at_s[positions], measured.value[positions]
    if chart is None or chart.last_at_s is None or not chart.recent or chart.recent[-1] is None:
        return Line(at_s, value)
    before = chart.mean + chart.sigma * chart.recent[-1]
    return Line(np.concatenate([[chart.last_at_s], at_s]), np.concatenate([[before], value]))
