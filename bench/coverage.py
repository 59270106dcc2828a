"""The 90 % interval on the twin: how many gauge values lie in it, with the width of training and with the rolling one.

The demo's coater in a shift with its batches, drift, wear and clogging, pumps moved by hand; learned from two hours of
one seed, judged on an hour of others. A value counts against the interval that was stated when its metre was at the
die. Run: python -m bench.coverage
"""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.scratch import table
from bench.seeds import SEEDS, over_seeds, spread
from control.core.loop import State, run
from control.core.machine import Machine
from control.core.types import FloatArray, Quality
from tests.core import twin_loop

SECONDS = 3600
SETTLED_S = 600
TRAINING_SEED = 1


def main(seeds: int = SEEDS) -> None:
    machine = twin_loop.machine(twin_loop.trained(seed=TRAINING_SEED))
    found = np.array(over_seeds(partial(shares, machine), seeds))  # (seeds, 2, streams)
    rows = []
    for name, of in (("width of training", found[:, 0]), ("rolling width", found[:, 1])):
        lanes = of.reshape(-1)
        within = float(np.mean(np.abs(of.mean(axis=1) - 0.9) <= 0.03))
        rows.append([name, spread(of.mean(axis=1)), f"{lanes.min():.0%} .. {lanes.max():.0%}", f"{within:.0%}"])
    table(
        f"Gauge values inside the 90 % interval, {seeds} seeds: median (quartiles)",
        ["interval", "all lanes", "lowest and highest lane of any seed", "hours within 90 +- 3 %"],
        rows,
    )


def shares(machine: Machine, seed: int) -> FloatArray:
    """Share inside, by lane, with the width of training and with the rolling one (2, streams)."""
    record, rng = twin_loop.shift(100 + seed), np.random.default_rng(seed)
    twin_loop.by_hand(record, SECONDS, rng)
    trace, gauge = record.trace(), twin_loop.measured(record.scans)
    found = run(machine, State(), trace, np.ones(len(trace), bool), gauge)
    judged, told = found.judged, found.predictions
    assert machine.estimator is not None
    counted = (judged.row >= 0) & (judged.quality == int(Quality.GOOD)) & (gauge.at_s > trace.at_s[0] + SETTLED_S)
    row, stream = judged.row[counted], gauge.stream[counted]
    error = np.abs(gauge.value[counted] - told.value[row, stream])
    sound = (told.quality[row, stream] == int(Quality.GOOD)) & np.isfinite(error)
    half = np.stack([machine.estimator.half_width[stream], ((told.high - told.low) / 2)[row, stream]])
    return np.array([[np.mean(inside[sound & (stream == s)]) for s in range(len(machine.streams))]
                     for inside in error <= half])  # fmt: skip


if __name__ == "__main__":
    main()
