"""Seconds of process worked off in a second, for two lines with eight lane-sides each, one processor.

Two ways: catching up with an hour that waits, and living at 1 Hz with a pass for every second. Then the prediction step
alone beside bare numpy and scikit-learn on the same numbers. Run: python -m bench.pipeline
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from bench.scratch import installation, table

TRAIN_S = 3000
BACKLOG_S = 3600
LIVE_S = 120


def main() -> None:
    with installation():
        from tests.running import running

        lines = [running("cathode", scenario="shift"), running("anode", scenario="shift")]
        tags = sum(machine.tags.count() for machine in lines[0].equipment)
        for line in lines:
            line.run(TRAIN_S)
            line.advance()
            line.train()
        table(
            f"Pipeline: 2 lines, each coater and press, {tags} tags a line, 16 streams a line, 1 Hz",
            ["way", "process s", "wall s", "processor s", "process s / wall s", "process s / processor s"],
            [_caught_up(lines), _live(lines)],
        )
        _prediction(lines[0])


def _caught_up(lines: list) -> list[str]:
    for line in lines:
        line.run(BACKLOG_S)
    return _worked_off(f"backlog of {BACKLOG_S} s", BACKLOG_S, lambda: [line.advance() for line in lines])


def _live(lines: list) -> list[str]:
    spent = [0.0, 0.0]
    for _ in range(LIVE_S):
        for line in lines:
            line.run(1)
        wall, cpu = _timed(lambda: [line.advance() for line in lines])
        spent[0] += wall
        spent[1] += cpu
    return _row("a pass a second", LIVE_S, *spent)


def _worked_off(way: str, seconds: float, work: Callable[[], object]) -> list[str]:
    return _row(way, seconds, *_timed(work))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _row(way: str, seconds: float, wall: float, cpu: float) -> list[str]:
    return [way, f"{seconds:.0f}", f"{wall:.2f}", f"{cpu:.2f}", f"{seconds / wall:.0f}", f"{seconds / cpu:.0f}"]


def _prediction(line) -> None:
    """The prediction step of the coater's eight streams against the product alone, on the same rows."""
    import numpy as np
    from sklearn.linear_model import Ridge

    from control.actions import estimators, machines

    coater = line.equipment[0]
    past = estimators.history(coater, line.now.replace(minute=0), line.now)
    machine = machines.built(coater.pk).machine
    inputs = len(machine.estimator._groups[0].mean)
    rng = np.random.default_rng(1)
    rows = []
    for n in (1, 1000):
        z = rng.normal(size=(n, inputs))
        coef = rng.normal(size=(inputs, 8))
        model = Ridge().fit(rng.normal(size=(200, inputs)), rng.normal(size=(200, 8)))
        which = np.arange(len(past.trace) - n, len(past.trace))
        ours = _best(lambda which=which: machine.estimator.predict(past.trace, which))
        product = _best(lambda z=z, coef=coef: z @ coef + 1.0)
        sklearn = _best(lambda z=z, model=model: model.predict(z))
        rows.append(
            [f"{n} rows x 8 streams", *(f"{s * 1e6:.0f}" for s in (ours, product, sklearn)), f"{ours / sklearn:.1f}"]
        )
    table(
        "Prediction step (windows, physics, two models, RI, GSI, quality) in us",
        ["rows", "ours", "numpy product alone", "scikit-learn Ridge.predict alone", "ours / scikit-learn"],
        rows,
    )


def _best(work: Callable[[], object], repeats: int = 30) -> float:
    found = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return min(found)


if __name__ == "__main__":
    main()
