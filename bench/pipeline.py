"""Seconds of process worked off in a second, for two lines with eight lane-sides each, one processor.

Two ways: catching up with an hour that waits, and living at 1 Hz with a pass for every second. Then the prediction step
alone: beside numpy that makes the same windows and the same product and nothing else, and beside scikit-learn that only
predicts, from features made before. Run: python -m bench.pipeline
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from bench.scratch import in_turns, installation, table

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
    """The prediction step of the coater's eight streams beside bare numpy and scikit-learn with the same models."""
    import numpy as np

    from control.actions import estimators, machines
    from control.models import Estimator

    coater = line.equipment[0]
    past = estimators.history(coater, line.now.replace(minute=0), line.now)
    machine = machines.built(coater.pk).machine
    stored = Estimator.objects.filter(stream__lane__equipment=coater, state="active").order_by("stream_id")
    peer = Peer([row.content for row in stored], machine.tags)
    rows = []
    for n in (1, 1000):
        which = np.arange(len(past.trace) - n, len(past.trace))
        features = peer.features(past.trace, which)
        assert np.allclose(
            features[:, : len(peer.columns)], machine.estimator.window_mean(past.trace, which, peer.columns)
        )
        ours, numpy, sklearn = in_turns(
            partial(machine.estimator.predict, past.trace, which),
            partial(peer.numpy, past.trace, which),
            partial(peer.sklearn, features),
        )
        told = [f"{seconds * 1e6:.0f}" for seconds in (ours, numpy, sklearn)]
        rows.append([f"{n} rows x {len(stored)} streams", *told, f"{ours / numpy:.1f}", f"{ours / sklearn:.1f}"])
    table(
        "Prediction step in us: ours has windows, two models, physics, RI, GSI, culprit and quality",
        ["rows", "ours", "numpy: windows, models", "scikit-learn: models", "ours / numpy", "ours / scikit-learn"],
        rows,
    )


class Peer:
    """The stored models as one would use them without the rest: no value is missing, every window is sound.

    Only features with a coefficient are made, and one call of scikit-learn predicts all streams.
    """

    def __init__(self, contents: list, tags: tuple[str, ...]) -> None:
        import numpy as np
        from sklearn.linear_model import LinearRegression

        inputs = contents[0]["inputs"]
        assert all(content["inputs"] == inputs for content in contents)
        coef = np.array([content[model]["coef"] for model in ("main", "reference") for content in contents])
        p = len(inputs["tags"])
        self.columns = np.array([tags.index(tag) for tag in inputs["tags"]])
        self.varied = np.flatnonzero(coef.any(axis=0).reshape(3, p)[1:].any(axis=0))
        used = np.concatenate([np.arange(p), p + self.varied, 2 * p + self.varied])
        self.window_s = inputs["window_s"]
        self.mean, self.scale = np.array(inputs["mean"])[used], np.array(inputs["scale"])[used]
        self.coef = np.ascontiguousarray(coef[:, used].T)
        self.intercept = np.array([c[model]["intercept"] for model in ("main", "reference") for c in contents])
        self.models = []
        for half in (slice(0, len(contents)), slice(len(contents), None)):
            model = LinearRegression()
            model.coef_, model.intercept_ = self.coef[:, half].T, self.intercept[half]
            self.models.append(model)

    def features(self, trace, rows):
        """Standardised means, deviations and slopes by plain cumulative sums (n, q)."""
        import numpy as np

        first = np.searchsorted(trace.at_s, trace.at_s[rows[0]] - self.window_s, "right")
        lower = np.searchsorted(trace.at_s, trace.at_s[rows] - self.window_s, "right") - first
        upper = rows + 1 - first
        at_s = trace.at_s[first : rows[-1] + 1]
        values = trace.values[first : rows[-1] + 1, self.columns]
        x, t = values - values[0], at_s - at_s[0]
        some = x[:, self.varied]

        def over(column):
            total = np.concatenate([np.zeros_like(column[:1]), np.cumsum(column, axis=0)])
            return total[upper] - total[lower]

        n, st, stt = upper - lower, over(t), over(t * t)
        mean = over(x) / n[:, None]
        middle = mean[:, self.varied]
        std = np.sqrt(np.maximum(over(some * some) / n[:, None] - middle**2, 0.0))
        slope = (over(some * t[:, None]) - st[:, None] * middle) / (stt - st**2 / n)[:, None]
        return np.hstack([mean + values[0], std, slope])

    def numpy(self, trace, rows):
        return (self.features(trace, rows) - self.mean) / self.scale @ self.coef + self.intercept

    def sklearn(self, features):
        return [model.predict(features) for model in self.models]


if __name__ == "__main__":
    main()
