"""What a control pass and a million points cost, beside bare numpy of the same arithmetic and nothing else.

Two coaters with eight lane-sides each: every loop of both has something to correct, so every one of them solves and
takes its moves apart into reasons. Limits and the four Western Electric rules: a million values at once.
Run: python -m bench.core_speed
"""

from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from dataclasses import replace

import numpy as np

from bench.scratch import in_turns, table
from control.core.loop import Machine, Pass, State, run
from control.core.proposing import propose
from control.core.spc.individuals import judge
from control.core.spc.limits import phase_one
from control.core.spc.rules import WESTERN_ELECTRIC
from control.core.types import Quality, Trace
from tests.core import twin_loop

TRAIN_S, RUN_S, MACHINES, POINTS = 3000, 90, 2, 1_000_000
OFF = 0.4  # mg/cm2: what every lane is made to stand off


def main() -> None:
    machine, trace, found = _something_to_do()
    passes = in_turns(
        lambda: [propose(machine, found.state, trace, found.predictions) for _ in range(MACHINES)],
        lambda: [_bare_solve(machine, trace) for _ in range(MACHINES)],
    )
    values = np.random.default_rng(1).normal(20.0, 0.1, POINTS)
    at_s = np.arange(float(POINTS))
    points = in_turns(lambda: _judged(values, at_s), lambda: _bare_rules(values), rounds=5)
    table(
        "Speed of the core: the quickest of many rounds",
        ["what", "to hold, ms", "ours, ms", "numpy, ms", "ours / numpy"],
        [
            [what, held, f"{1e3 * ours:.3g}", f"{1e3 * bare:.3g}", f"{ours / bare:.2f}"]
            for what, held, (ours, bare) in (
                (f"control pass, {MACHINES} lines, {8 * MACHINES} lane-sides", 5, passes),
                ("limits and rules, 1e6 points", 500, points),
            )
        ],
    )


def _something_to_do() -> tuple[Machine, Trace, Pass]:
    """A pass after which every loop proposes a move."""
    machine = twin_loop.machine(twin_loop.trained(TRAIN_S))
    record = twin_loop.shift(1)
    for _ in range(RUN_S):
        record.step()
    trace = record.trace()
    found = run(machine, State(), trace, np.ones(len(trace), bool), twin_loop.measured(record.scans))
    good = found.predictions
    calm = replace(good, quality=np.zeros_like(good.quality), ri=np.ones_like(good.ri), gsi=np.zeros_like(good.gsi))
    assert int(Quality.GOOD) == 0
    loops = {
        key: replace(held, disturbance=moved, trend=moved)
        for key, held in found.state.loops.items()
        for moved in [tuple((level or 0.0) + OFF for level in held.disturbance)]
    }
    found = replace(found, state=replace(found.state, loops=loops), predictions=calm)
    proposals, notes = propose(machine, found.state, trace, calm)
    assert len(proposals) == len(machine.loops), notes
    return machine, trace, found


def _bare_solve(machine: Machine, trace: Trace) -> list[np.ndarray]:
    """Least squares of every loop with its weights, the part of every stream, and the largest steps; no check."""
    moves = []
    for loop in machine.loops:
        columns = [machine.tag_at[mv.tag] for mv in loop.mvs]
        setting, gains = trace.values[-1, columns], np.array(loop.gains)
        step = np.array([mv.max_step for mv in loop.mvs])
        weighed = np.vstack([gains / loop.deadband, np.diag(loop.move_weight / step)])
        inverse = np.linalg.inv(weighed.T @ weighed)
        parts = inverse @ gains.T * (np.full(len(gains), OFF) / loop.deadband**2)
        moves.append(setting + np.clip(parts.sum(axis=1), -step, step))
    return moves


def _judged(values: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    known = phase_one(values, at_s)
    return judge(values, known.mean, known.sigma, WESTERN_ELECTRIC)[0]


def _bare_rules(values: np.ndarray) -> np.ndarray:
    """Mean, sigma from moving ranges and the four rules by running counts; nothing missing, nothing remembered."""
    mean, sigma = values.mean(), np.abs(np.diff(values)).mean() / 1.128
    z = (values - mean) / sigma
    broken = np.abs(z) > 3
    for side in (z, -z):
        for zone, least, window in ((2.0, 2, 3), (1.0, 4, 5), (0.0, 8, 8)):
            beyond = side > zone
            count = np.cumsum(beyond)
            count[window:] = count[window:] - count[:-window]
            broken |= beyond & (count >= least)
    return broken


if __name__ == "__main__":
    main()
