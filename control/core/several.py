"""The charts of a pass that look at several values: at groups of a stream's own, at the average of the lanes together.

A group counts where it is full: its verdict stands at its last value. A group is of one stage; what is begun when a
stage ends is dropped. Costs nothing where no stream has such a chart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from control.core import together
from control.core.machine import ChartConfig, Machine
from control.core.spc import group_chart
from control.core.spc.rules import Recent, restandardised
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
    bits, after, begun = np.zeros(len(measured), np.int64), dict[int, Several](), list[_Begun]()
    for own in stretches:
        index = int(measured.stream[own[0]])
        chart = machine.streams[index].chart
        if chart is None or (chart.groups is None and chart.averaged is None):
            continue
        held = Several() if stage[own[0]] > 0 else _before(chart, states[index].chart)
        after[index] = Several()
        if chart.averaged is not None:
            bits[own], lanes = together.averaged(machine, chart.averaged, states, measured, runs, own, held.lanes)
            after[index] = Several(lanes=lanes, design=chart.averaged.design)
        if chart.groups is not None:
            begun.append(_begun(index, own, chart.groups, held.group, measured.value))
    for one, found, group in _grouped(begun):
        bits[one.own] |= found
        after[one.index] = after[one.index]._replace(group=group)
    return bits, {**charts, **{index: replace(charts[index], several=one) for index, one in after.items()}}


def _before(chart: ChartConfig, held: ChartState | None) -> Several:
    """What goes on from the pass before: of other limits or lanes only the means of groups of the same size."""
    if held is None or held.several is None:
        return Several()
    design = chart.averaged.design if chart.averaged else ""
    same = (held.mean, held.sigma, held.several.design) == (chart.mean, chart.sigma, design)
    return Several(held.several.group, held.several.lanes if same else None)


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """The values of a stretch at ``own``, behind those that were waiting for their group: ``line`` (n,)."""

    index: int
    own: Sequence[int]
    chart: group_chart.Chart
    group: Group
    line: FloatArray

    @property
    def kind(self) -> tuple[Any, ...]:
        """Stretches of one kind are judged together."""
        chart = self.chart
        return len(self.line) // chart.size, chart.size, chart.rules, chart.spread


def _begun(index: int, own: Sequence[int], chart: group_chart.Chart, held: Group | None, value: FloatArray) -> _Begun:
    group = _standing(chart, held)
    return _Begun(index, own, chart, group, np.concatenate([np.array(group.values, np.float64), value[own]]))


def _grouped(begun: Sequence[_Begun]) -> Iterator[tuple[_Begun, IntArray, Group]]:
    """Of each stretch the bits of its values and where its chart stands, in the order of their stages."""
    alike: dict[tuple[Any, ...], list[_Begun]] = {}
    for one in begun:
        alike.setdefault(one.kind, []).append(one)
    done: dict[int, tuple[IntArray | int, Recent]] = {}
    for (whole, *_), some in alike.items():
        if whole:
            groups = np.stack([group_chart.cut(one.line, one.chart.size) for one in some])
            charts, before = [one.chart for one in some], [one.group.recent for one in some]
            told = zip(*group_chart.judge_alike(groups, charts, before), strict=True)
            done |= {id(one): found for one, found in zip(some, told, strict=True)}
    for one in begun:
        size, waited = one.chart.size, len(one.group.values)
        bits, left = np.zeros(len(one.line), np.int64), one.line[len(one.line) // size * size :]
        found, recent = done.get(id(one), (0, one.group.recent))
        bits[size - 1 :: size] = found
        yield one, bits[waited:], one.group._replace(recent=recent, values=tuple(left.tolist()))


def _standing(chart: group_chart.Chart, held: Group | None) -> Group:
    """Other limits continue the runs of means; groups of another size begin afresh."""
    fresh = Group(chart.size, chart.mean, chart.sigma)
    if held is None or held.size != chart.size:
        return fresh
    before, now, recent = (held.mean, held.sigma), (chart.mean, chart.sigma), held.recent
    return fresh._replace(recent=recent if before == now else restandardised(recent, before, now), values=held.values)
