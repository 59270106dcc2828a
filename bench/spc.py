"""Limits and charts of a million points: seconds of processor, beside bare numpy of the same arithmetic.

The peer does what the definition says with whole arrays and nothing else: no missing values, no state to go on from.
One point more, after a million, is told too: it costs what it costs after ten. Run: python -m bench.spc
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import lfilter

from bench.scratch import table
from control.core.spc import cusum, ewma, individuals
from control.core.spc.limits import phase_one
from control.core.spc.rules import NELSON, SETS, WESTERN_ELECTRIC, broken, judge
from control.core.types import FloatArray

POINTS = 1_000_000
ROUNDS = 7


def main() -> None:
    x = np.random.default_rng(1).normal(20.0, 0.1, POINTS)
    z, at_s = (x - 20.0) / 0.1, np.arange(float(POINTS))
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "limits (mean, sigma, lag 1)": (lambda: phase_one(x, at_s), lambda: _limits(x)),
        "rules: western_electric": (lambda: broken(z, WESTERN_ELECTRIC), lambda: _western_electric(z)),
        "rules: nelson, all eight": (lambda: broken(z, NELSON), lambda: _nelson(z)),
        "EWMA": (lambda: ewma.judge(z, 0.2, 2.962), lambda: _ewma(z)),
        "CUSUM": (lambda: cusum.judge(z, cusum.Design()), lambda: _cusum(z)),
        "limits and western_electric": (
            lambda: (phase_one(x, at_s), individuals.judge(x, 20.0, 0.1, WESTERN_ELECTRIC)),
            lambda: (_limits(x), _western_electric((x - 20.0) / 0.1)),
        ),
    }
    rows = []
    for name, (ours, numpy) in pairs.items():
        one, other = _in_turns(ours, numpy)
        rows.append([name, f"{one:.3f}", f"{other:.3f}", f"{one / other:.2f}"])
    table("A million points in s of processor", ["what", "ours", "numpy", "ours / numpy"], rows)
    _one_more(z)


def _one_more(z: FloatArray) -> None:
    rows = []
    for name, rules in SETS.items():
        told = []
        for before in (10, POINTS):
            _, recent = judge(z[:before], rules)
            told.append(1e6 * min(_seconds(lambda r=rules, c=recent: judge(z[:1], r, c), 50) for _ in range(20)))
        rows.append([name, *(f"{us:.0f}" for us in told), f"{told[1] / told[0]:.2f}"])
    table("One point more in us", ["rules", "after 10", "after a million", "million / ten"], rows)


def _in_turns(ours: Callable[[], object], numpy: Callable[[], object]) -> tuple[float, float]:
    """Both in turns, the best of several."""
    told = [(_seconds(ours, 1), _seconds(numpy, 1)) for _ in range(ROUNDS)]
    return min(one for one, _ in told), min(other for _, other in told)


def _seconds(call: Callable[[], object], times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begun) / times


def _limits(x: FloatArray) -> tuple[float, float, float]:
    off = x - x.mean()
    return float(x.mean()), float(np.abs(np.diff(x)).mean()) / 1.128, float(off[1:] @ off[:-1] / (off @ off))


def _western_electric(z: FloatArray) -> list[np.ndarray]:
    return [np.abs(z) > 3, *_some(z, 2.0, 2, 3), *_some(z, 1.0, 4, 5), *_run(z, 8)]


def _nelson(z: FloatArray) -> list[np.ndarray]:
    step = np.diff(z)
    out = sliding_window_view(np.abs(z) > 1, 8).all(axis=1)
    return [
        *(np.abs(z) > 3, *_some(z, 2.0, 2, 3), *_some(z, 1.0, 4, 5), *_run(z, 9), *_run(step, 5)),
        sliding_window_view(step[1:] * step[:-1] < 0, 12).all(axis=1),
        sliding_window_view(np.abs(z) <= 1, 15).all(axis=1),
        out & (sliding_window_view(z > 1, 8).any(axis=1) & sliding_window_view(z < -1, 8).any(axis=1)),
    ]


def _some(z: FloatArray, zone: float, least: int, window: int) -> list[np.ndarray]:
    return [
        beyond[window - 1 :] & (sliding_window_view(beyond, window).sum(axis=1) >= least)
        for beyond in (z > zone, z < -zone)
    ]


def _run(z: FloatArray, length: int) -> list[np.ndarray]:
    return [sliding_window_view(side, length).all(axis=1) for side in (z > 0, z < 0)]


def _ewma(z: FloatArray) -> np.ndarray:
    limit = 2.962 * np.sqrt(0.2 / 1.8 * (1.0 - 0.8 ** (2.0 * np.arange(1, len(z) + 1))))
    return np.abs(lfilter([0.2], [1.0, -0.8], z)) > limit


def _cusum(z: FloatArray) -> list[np.ndarray]:
    walks = (np.cumsum(z - 0.5), np.cumsum(-z - 0.5))
    return [walk - np.minimum(np.minimum.accumulate(walk), 0.0) > 5.0 for walk in walks]


if __name__ == "__main__":
    main()
