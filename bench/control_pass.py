"""What it costs to propose moves, beside bare numpy of the same least squares and nothing else.

Two coaters with eight lane-sides each: every loop of both has something to correct, so every one of them solves and
takes its moves apart into reasons. Run: python -m bench.control_pass
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
from control.core.types import Quality, Trace
from tests.core import twin_loop

TRAIN_S, RUN_S, MACHINES = 3000, 150, 2  # every lane is measured by then, as a loop wants it
OFF = 0.4  # mg/cm2: what every lane is made to stand off


def main() -> None:
    machine, trace, found = _something_to_do()
    ours, bare = in_turns(
        lambda: [propose(machine, found.state, trace, found.predictions) for _ in range(MACHINES)],
        lambda: [_bare_solve(machine, trace) for _ in range(MACHINES)],
    )
    table(
        "Control pass: the quickest of many rounds",
        ["what", "ms a pass", "numpy, ms", "pass / numpy"],
        [
            [
                f"proposing, {MACHINES} lines, {8 * MACHINES} lane-sides",
                f"{1e3 * ours:.3g}", f"{1e3 * bare:.3g}", f"{ours / bare:.2f}",
            ]
        ],
    )  # fmt: skip


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


if __name__ == "__main__":
    main()
