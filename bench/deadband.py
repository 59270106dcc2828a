"""How often a loop with a deadband adjusts: by the integral equation of the product, and by running its estimator.

An IMA(0, 1, 1) disturbance with innovations of sigma_a, followed by its own EWMA of weight l, acted on once the
prediction is further off than L. r = L / (l sigma_a). Run: python -m bench.deadband
"""

from __future__ import annotations

import numpy as np

from bench.scratch import table
from bench.seeds import over_seeds, spread
from control.core.r2r.deadband import mean_interval
from control.core.r2r.disturbance import Belief, Seen
from control.core.r2r.ewma import Ewma

PUBLISHED = {0.5: 1.6, 1.0: 2.8, 2.0: 6.9, 3.0: 13.2, 4.0: 21.2, 5.0: 31.5}
WEIGHT, SAMPLES, AT_ONCE = 0.3, 1000, 60


def run(seed: int) -> np.ndarray:
    """Mean interval between adjustments for every r; ``AT_ONCE`` loops of each are the streams of one estimator."""
    rng, ratios = np.random.default_rng(seed), np.repeat(list(PUBLISHED), AT_ONCE)
    innovation = rng.normal(size=(SAMPLES, len(ratios)))
    wander = np.zeros((SAMPLES, len(ratios)))
    wander[1:] = WEIGHT * np.cumsum(innovation[:-1], axis=0)
    nothing, ones = np.zeros(len(ratios)), np.ones((1, len(ratios)))
    belief, u, moves = Belief(nothing, nothing, nothing, nothing), nothing, np.zeros(len(ratios))
    estimator = Ewma(WEIGHT)
    for k in range(SAMPLES):
        belief = estimator.after(belief, Seen((wander[k] + innovation[k])[None], np.ones(1), ones))
        acts = np.abs(belief.ahead + u) > ratios * WEIGHT
        u, moves = np.where(acts, -belief.ahead, u), moves + acts
    return SAMPLES * AT_ONCE / moves.reshape(len(PUBLISHED), AT_ONCE).sum(axis=1)


def main() -> None:
    found = np.array(over_seeds(run)).T
    table(
        f"Samples between adjustments, {found.shape[1]} seeds: median (quarters)",
        ["r", "published", "integral equation", "running"],
        [
            [f"{r:g}", f"{published:g}", f"{mean_interval(r):.2f}", spread(of_r)]
            for (r, published), of_r in zip(PUBLISHED.items(), found, strict=True)
        ],
    )


if __name__ == "__main__":
    main()
