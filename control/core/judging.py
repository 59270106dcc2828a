"""What was measured against what was predicted: believed or not, charted, and fed back as bias.

A doubted value (see :mod:`control.core.vm.metrology`) is shown and judged by itself, but enters no run of a chart and
moves no bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from control.core import charting
from control.core.feedback import Feedback, Paired, Steps
from control.core.interventions import stages
from control.core.machine import Machine
from control.core.outcome import Judged
from control.core.state import StreamState
from control.core.types import IntArray


def judge(
    machine: Machine, streams: Mapping[str, StreamState], row: IntArray, paired: Paired
) -> tuple[Judged, Steps, dict[str, StreamState]]:
    """Judge what was measured (k,) in time order; ``row`` (k,) is the trace row at the die when each metre passed."""
    measured = paired.measured
    order = np.argsort(measured.at_s, kind="stable")
    taken = Feedback(machine, streams, paired).take(order)
    states, quality = taken.states, taken.quality
    error = measured.value - taken.predicted
    stage = stages(machine, streams, measured, paired.made_s)
    rules, charts = charting.judge(machine, states, measured, quality, error, stage)
    for index, (chart, residual) in charts.items():
        states[index] = replace(states[index], chart=chart, residual=residual)
    found = Judged(row, taken.predicted, error, rules, quality, taken.doubt, taken.dqiy)
    return found, taken.steps, {config.key: states[i] for i, config in enumerate(machine.streams)}
