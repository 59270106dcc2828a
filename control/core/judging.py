"""What was measured against what was predicted: believed or not, charted, and fed back as bias.

A doubted value (see :mod:`control.core.vm.metrology`) is shown and judged by itself, but enters no run of a chart and
moves no bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from control.core.feedback import Feedback, Paired, Steps
from control.core.machine import ChartConfig, Machine, StreamConfig
from control.core.outcome import Judged
from control.core.spc import ewma, individuals
from control.core.state import ChartState, StreamState
from control.core.types import FloatArray, IntArray, Measured, Quality, Rule


def judge(
    machine: Machine, streams: Mapping[str, StreamState], row: IntArray, paired: Paired
) -> tuple[Judged, Steps, dict[str, StreamState]]:
    """Judge what was measured (k,) in time order; ``row`` (k,) is the trace row at the die when each metre passed."""
    measured = paired.measured
    order = np.argsort(measured.at_s, kind="stable")
    taken = Feedback(machine, streams, paired).take(order)
    states, quality = taken.states, taken.quality
    rules = np.zeros(len(measured), np.int64)
    for index in np.unique(measured.stream).tolist():
        of_stream = order[measured.stream[order] == index]
        config, state = machine.streams[index], states[index]
        chart, rules[of_stream] = _charted(config, state.chart, measured, of_stream, quality)
        states[index] = replace(state, chart=chart)
    error = measured.value - taken.predicted
    found = Judged(row, taken.predicted, error, rules, quality, taken.doubt, taken.dqiy)
    return found, taken.steps, {config.key: states[i] for i, config in enumerate(machine.streams)}


def _charted(
    config: StreamConfig, held: ChartState | None, measured: Measured, order: IntArray, quality: IntArray
) -> tuple[ChartState | None, IntArray]:
    """Rules broken by one stream's values, given in time order, and where its charts stand afterwards."""
    value = measured.value[order]
    usable = np.isfinite(value) & (quality[order] < Quality.BAD)
    rules = np.zeros(len(order), np.int64)
    with np.errstate(invalid="ignore"):
        believed = usable & (quality[order] < Quality.DOUBTFUL)
        rules[believed & ((value < config.lower) | (value > config.upper))] |= int(Rule.OUT_OF_SPEC)
    chart = config.chart
    if chart is None:
        return None, rules
    state = (
        held if held and (held.mean, held.sigma) == (chart.mean, chart.sigma) else ChartState(chart.mean, chart.sigma)
    )
    own = usable & (measured.by[order] == config.feedback)
    after = -np.inf if state.last_at_s is None else state.last_at_s
    runs = own & (quality[order] == Quality.GOOD) & (measured.at_s[order] > after)
    alone = own & ~runs
    if alone.any():
        beyond = replace(chart.rules, rules=chart.rules.rules & Rule.BEYOND_3_SIGMA)
        rules[alone] |= individuals.judge(value[alone], chart.mean, chart.sigma, beyond)[0]
    if runs.any():
        state, bits = _continued(chart, state, value[runs])
        rules[runs] |= bits
        state = replace(state, last_at_s=float(measured.at_s[order][runs][-1]))
    return state, rules


def _continued(chart: ChartConfig, state: ChartState, value: FloatArray) -> tuple[ChartState, IntArray]:
    bits, recent = individuals.judge(value, chart.mean, chart.sigma, chart.rules, state.recent)
    z = (value - chart.mean) / chart.sigma
    average = ewma.judge(z, chart.ewma_weight, chart.ewma_width, state.ewma, state.count)
    if Rule.EWMA in chart.rules.rules:
        bits[average.beyond] |= int(Rule.EWMA)
    return replace(state, recent=recent, ewma=float(average.value[-1]), count=state.count + len(value)), bits
