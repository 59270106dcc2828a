"""The charts of a pass that look at several values: at groups of a stream's own, at the average of the lanes together.

A group counts where it is full: its verdict stands at its last value. A group is of one stage; what is begun when a
stage ends is dropped. Costs nothing where no stream has such a chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from control.core import together
from control.core.machine import ChartConfig, Machine
from control.core.spc import group_chart
from control.core.state import ChartState, Group, Several, StreamState
from control.core.types import BoolArray, FloatArray, IntArray, Measured


def judge(
    machine: Machine,
    states: Mapping[int, StreamState],
    measured: Measured,
    runs: BoolArray,
    stage: IntArray,
    stretches: Sequence[Sequence[int]],
    charts: Mapping[int, ChartState],
) -> tuple[IntArray, dict[int, ChartState]]:
    """Bits (k,), and ``charts`` of the streams with what these charts remember.

    ``stretches`` are the values that enter charts (``runs``), one list of positions a stream and stage in time order;
    ``states`` are those before this pass.
    """
    bits, found = np.zeros(len(measured), np.int64), dict(charts)
    for own in stretches:
        index = int(measured.stream[own[0]])
        chart = machine.streams[index].chart
        if chart is None or (chart.groups is None and chart.averaged is None):
            continue
        before = found[index].several or _before(chart, states[index].chart)
        group, lanes = (None, None) if stage[own[0]] > 0 else before
        if chart.groups is not None:
            bits[own], group = grouped(chart.groups, group, measured.value[own])
        if chart.averaged is not None:
            more, lanes = together.averaged(machine, chart.averaged, states, measured, runs, own, lanes)
            bits[own] |= more
        found[index] = replace(found[index], several=Several(group, lanes))
    return bits, found


def _before(chart: ChartConfig, held: ChartState | None) -> Several:
    """What goes on from the pass before: of other limits only the means of groups of the same size."""
    if held is None or held.several is None:
        return Several()
    same = (held.mean, held.sigma) == (chart.mean, chart.sigma)
    return Several(held.several.group, held.several.lanes if same else None)


def grouped(chart: group_chart.Chart, held: Group | None, values: FloatArray) -> tuple[IntArray, Group]:
    """Bits of each of ``values`` (n,), of which the chart stood at ``held``, and where it stands afterwards."""
    begun = _standing(chart, held)
    line = np.concatenate([np.array(begun.values, np.float64), values])
    groups = group_chart.cut(line, chart.size)
    found, recent = group_chart.judge(groups, chart, begun.recent) if len(groups) else (None, begun.recent)
    bits = np.zeros(len(line), np.int64)
    if found is not None:
        bits[chart.size - 1 :: chart.size] = found
    left = tuple(line[groups.size :].tolist())
    return bits[len(begun.values) :], begun._replace(recent=recent, values=left)


def _standing(chart: group_chart.Chart, held: Group | None) -> Group:
    """Other limits continue the runs of means; groups of another size begin afresh."""
    fresh = Group(chart.size, chart.mean, chart.sigma)
    if held is None or held.size != chart.size:
        return fresh
    recent = held.recent
    if (held.mean, held.sigma) != (chart.mean, chart.sigma):
        recent = tuple((held.mean + held.sigma * z - chart.mean) / chart.sigma for z in recent if z is not None)
    return fresh._replace(recent=recent, values=held.values)
