"""What was measured against what was predicted: believed or not, charted, and fed back as bias.

A value is doubted when it is far from its prediction and neither the value before it on the same stream nor one on a
neighbouring lane is far in the same way: a wild reading, not foil. Two that agree are believed. A doubted value is
shown and judged by itself, but enters no run of a chart and moves no bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from control.core.machine import ChartConfig, Machine, StreamConfig
from control.core.outcome import Judged
from control.core.spc import ewma, individuals
from control.core.state import ChartState, StreamState
from control.core.types import FloatArray, IntArray, Measured, Quality, Rule

FAR = 6.0  # sigma of the residual, from which a value is doubted unless another agrees
NEIGHBOUR_S = 60.0  # how old a neighbour's value may be to bear witness


@dataclass(frozen=True, slots=True, eq=False)
class BiasSteps:
    """When each stream's bias changed during a pass: stream -> instants and the bias from then on, with the first."""

    at_s: dict[int, list[float]]
    bias: dict[int, list[float]]
    first: FloatArray  # (streams,)

    def over(self, at_s: FloatArray) -> FloatArray:
        """Bias of every stream at each of ``at_s`` (n,): (n, streams)."""
        known = np.tile(self.first, (len(at_s), 1))
        for stream, instants in self.at_s.items():
            steps = np.array([self.first[stream], *self.bias[stream]])
            known[:, stream] = steps[np.searchsorted(instants, at_s, "right")]
        return known


def judge(
    machine: Machine,
    streams: Mapping[str, StreamState],
    measured: Measured,
    row: IntArray,
    base: FloatArray,
    sound: IntArray,
) -> tuple[Judged, BiasSteps, dict[str, StreamState]]:
    """Judge ``measured`` (k,) in time order.

    ``base`` (k,) is the prediction without bias for the same metre, ``sound`` (k,) the quality of that prediction.
    """
    states = {i: streams.get(config.key, StreamState()) for i, config in enumerate(machine.streams)}
    weights = _bias_weights(machine)
    steps = BiasSteps({}, {}, np.array([state.bias for state in states.values()]))
    predicted, quality = np.full(len(measured), np.nan), measured.quality.astype(np.int64)
    order = np.argsort(measured.at_s, kind="stable")
    for k in order.tolist():
        index = int(measured.stream[k])
        config, state = machine.streams[index], states[index]
        predicted[k] = base[k] + state.bias
        off, at_s = float(measured.value[k] - base[k]), float(measured.at_s[k])
        late = state.error_at_s is not None and at_s < state.error_at_s
        if late or quality[k] != Quality.GOOD or measured.by[k] != config.feedback or not np.isfinite(off):
            continue
        if _doubted(machine, states, index, off, at_s):
            quality[k] = int(Quality.DOUBTFUL)
        elif sound[k] == Quality.GOOD:
            state = replace(state, bias=state.bias + weights[index] * (off - state.bias))
            _step(steps, index, at_s, state.bias)
        states[index] = replace(state, error=off, error_at_s=at_s)
    rules = np.zeros(len(measured), np.int64)
    for index in np.unique(measured.stream).tolist():
        of_stream = order[measured.stream[order] == index]
        config, state = machine.streams[index], states[index]
        chart, rules[of_stream] = _charted(config, state.chart, measured, of_stream, quality)
        states[index] = replace(state, chart=chart)
    found = Judged(row, predicted, measured.value - predicted, rules, quality)
    return found, steps, {config.key: states[i] for i, config in enumerate(machine.streams)}


def _bias_weights(machine: Machine) -> list[float]:
    """Per stream: the engineer's choice before the one found at training; 0 where nothing is predicted."""
    trained = machine.estimator.bias_weight.tolist() if machine.estimator else [0.0] * len(machine.streams)
    return [config.bias_weight or found for config, found in zip(machine.streams, trained, strict=True)]


def _step(steps: BiasSteps, index: int, at_s: float, bias: float) -> None:
    steps.at_s.setdefault(index, []).append(at_s)
    steps.bias.setdefault(index, []).append(bias)


def _doubted(machine: Machine, states: Mapping[int, StreamState], index: int, off: float, at_s: float) -> bool:
    """Far from its prediction, with nobody to bear witness. ``off`` is the error without bias."""
    if machine.estimator is None:
        return False
    far = FAR * float(machine.estimator.residual_sigma[index])
    if not abs(off - states[index].bias) > far:
        return False
    return not any(
        abs(off - states[index].bias - deviation) <= far for deviation in _witnesses(machine, states, index, at_s, far)
    )


def _witnesses(machine: Machine, states: Mapping[int, StreamState], index: int, at_s: float, far: float) -> list[float]:
    """How far off its own bias the last value of this stream was, and those of its neighbours just now, if far."""
    kind = machine.streams[index].characteristic
    seen = []
    for other, state in states.items():
        if state.error is None or state.error_at_s is None or machine.streams[other].characteristic != kind:
            continue
        if other == index or at_s - state.error_at_s <= NEIGHBOUR_S:
            seen.append(state.error - state.bias)
    return [deviation for deviation in seen if abs(deviation) > far]


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
