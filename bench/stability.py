"""How wrong the assumed gain may be before a loop hunts: by formula, by the roots of its recursion and by running it.

xi is the true gain over the assumed one, d the delay in samples until a value is measured. Paired with the setting that
made it, a value tells the disturbance whatever the delay:

    z^(d+1) - (1 - w) z^d + w (xi - 1) = 0        stable for every d if 0 < xi < 2

Taken as if the newest setting had made it, the delay costs almost all of the margin:

    z^(d+1) - z^d + w xi = 0                      stable if w xi < 2 sin(pi / (2 (2 d + 1)))

Run are the estimators of control.core.r2r themselves, one stream a gain. Run: python -m bench.stability
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import pi, sin

import numpy as np

from bench.scratch import table
from bench.seeds import side_by_side
from control.core.r2r.disturbance import Belief, Estimator, Seen
from control.core.r2r.double_ewma import DoubleEwma
from control.core.r2r.ewma import Ewma

PUBLISHED = {0: 2.000, 1: 1.000, 2: 0.618, 3: 0.445, 5: 0.285, 10: 0.150, 20: 0.077}
DOUBLE = {(0.55, 0.75): 1.829, (0.3, 0.1): 5.19}
SAMPLES, AT_ONCE, ROUNDS = 2400, 33, 3
ENDLESS = 1e100
Grows = Callable[[np.ndarray], np.ndarray]


def limit(grows: Grows, high: float) -> float:
    """Where ``grows`` (gains (m,) -> bool (m,)) turns true between 0 and ``high``."""
    low = 0.0
    for _ in range(ROUNDS):
        tried = np.linspace(low, high, AT_ONCE)
        low, high = next(span for span, no in zip(pairwise(tried), grows(tried[1:]), strict=True) if no)
    return (low + high) / 2


def running(estimator: Estimator, delay: int, *, paired: bool) -> Grows:
    """Whether a loop of true gains ``xi`` (m,) that acts on every value hunts ever wider; its target is 0."""

    def grows(xi: np.ndarray) -> np.ndarray:
        nothing, ones = np.zeros_like(xi), np.ones((1, len(xi)))
        belief = Belief(nothing, nothing, nothing, nothing)
        u, y = np.zeros((SAMPLES + 1, len(xi))), np.zeros((SAMPLES, len(xi)))
        for k in range(SAMPLES):
            y[k] = np.clip(xi * u[k] + 1.0, -ENDLESS, ENDLESS)
            if k >= delay:
                value = y[k - delay] - u[k - delay if paired else k]
                belief = estimator.after(belief, Seen(value[None], np.ones(1), ones))
            u[k + 1] = np.clip(-belief.ahead, -ENDLESS, ENDLESS)
        quarter = SAMPLES // 4
        early, late = np.abs(y[quarter : 2 * quarter]).max(axis=0), np.abs(y[-quarter:]).max(axis=0)
        return (late > early) | (late >= ENDLESS)

    return grows


def roots(polynomial: Callable[[float], list[float]]) -> Grows:
    """Whether the largest root of ``polynomial`` (of a gain) lies outside the unit circle."""
    return lambda xi: np.array([np.abs(np.roots(polynomial(one))).max() > 1 for one in xi])


def unpaired(weight: float, delay: int) -> Grows:
    return roots(lambda xi: [1.0, -1.0 + (weight * xi if delay == 0 else 0.0), *_tail(delay, weight * xi)])


def paired(weight: float, delay: int) -> Grows:
    tail = weight - 1.0
    return roots(lambda xi: [1.0, tail + (weight * (xi - 1) if delay == 0 else 0.0), *_tail(delay, weight * (xi - 1))])


def _tail(delay: int, last: float) -> list[float]:
    return [*[0.0] * (delay - 1), last] if delay else []


def double(level: float, drift: float) -> Grows:
    """The double EWMA without delay: of (D, K) after one value."""

    def polynomial(xi: float) -> list[float]:
        once = [[1 - level * xi, level * (1 - xi)], [-drift * xi, 1 - drift * xi]]
        return np.poly(np.array(once)).tolist()

    return roots(polynomial)


def of_delay(delay: int) -> list[str]:
    """A row of the first table."""
    formula = 2 * sin(pi / (2 * (2 * delay + 1)))
    found = [limit(unpaired(1.0, delay), 2.2), limit(running(Ewma(1.0), delay, paired=False), 2.2)]
    found += [limit(paired(1.0, delay), 2.2), limit(running(Ewma(1.0), delay, paired=True), 2.2)]
    return [str(delay), *(f"{one:.3f}" for one in (PUBLISHED[delay], formula, *found))]


def of_weights(weights: tuple[float, float]) -> list[str]:
    """A row of the second."""
    estimator = DoubleEwma(*weights)
    found = [limit(double(*weights), 6.0), limit(running(estimator, 0, paired=True), 6.0)]
    told = [f"{one:.3f}" for one in (estimator.largest_gain_ratio, *found)]
    return [f"{weights[0]}, {weights[1]}", f"{DOUBLE[weights]:g}", *told]


def main() -> None:
    table(
        "EWMA of weight 1: largest true / assumed gain, by delay in samples",
        ["delay", "published", "formula", "roots", "running", "paired: roots", "paired: running"],
        side_by_side(of_delay, PUBLISHED),
    )
    table(
        "Double EWMA: the same",
        ["weights", "published", "formula", "roots", "running"],
        side_by_side(of_weights, DOUBLE),
    )


if __name__ == "__main__":
    main()
