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
            f"Pipeline: 2 lines at 1 Hz, {tags} tags a line; coaters: 8 lane-sides each, presses: 8 streams each",
            ["way", "process s", "wall s", "processor s", "process s / wall s", "process s / processor s"],
            [row for which in (slice(0, 1), slice(0, 2)) for row in (_caught_up(lines, which), _live(lines, which))],
        )
        _prediction(lines[0])


def _caught_up(lines: list, which: slice) -> list[str]:
    for line in lines:
        line.run(BACKLOG_S)
    machines = [machine.pk for line in lines for machine in line.equipment[which]]
    spent = _timed(lambda: pipeline_of(machines, lines[0].now))
    _rest(lines)
    return _row(f"backlog of {BACKLOG_S} s, {_named(which)}", BACKLOG_S, *spent)


def _live(lines: list, which: slice) -> list[str]:
    machines = [machine.pk for line in lines for machine in line.equipment[which]]
    spent = [0.0, 0.0]
    for _ in range(LIVE_S):
        for line in lines:
            line.run(1)
        wall, cpu = _timed(lambda: pipeline_of(machines, lines[0].now))
        spent[0] += wall
        spent[1] += cpu
    _rest(lines)
    return _row(f"a pass a second, {_named(which)}", LIVE_S, *spent)


def _rest(lines: list) -> None:
    """Bring the machines that were not measured to where the others are."""
    for line in lines:
        line.advance()


def _named(which: slice) -> str:
    return "the coaters" if which.stop == 1 else "all four machines"


def pipeline_of(machines: list[int], now) -> None:
    from control.actions import pipeline

    pipeline.settle(machines, now=now)


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
        model, other = (Ridge().fit(rng.normal(size=(200, inputs)), rng.normal(size=(200, 8))) for _ in range(2))
        which = np.arange(len(past.trace) - n, len(past.trace))
        ours = _best(lambda which=which: machine.estimator.predict(past.trace, which))
        product = _best(lambda z=z, coef=coef: z @ coef + 1.0)
        sklearn = _best(lambda z=z, model=model, other=other: (model.predict(z), other.predict(z)))
        rows.append(
            [f"{n} rows x 8 streams", *(f"{s * 1e6:.0f}" for s in (ours, product, sklearn)), f"{ours / sklearn:.1f}"]
        )
    table(
        "Prediction step (windows, physics, two models, RI, GSI, quality) in us",
        ["rows", "ours", "numpy product alone", "two scikit-learn predict calls alone", "ours / scikit-learn"],
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
