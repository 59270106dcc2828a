"""Factory-wide control with virtual metrology, as Khan, Moyne and Tilbury simulate it, and what a VM does to its loop.

    y = u A + v C + k D + e

u (2,) is what the loop sets, v (6,) what came from the process before, k (2,) the runs since either of two parts was
changed: both wear y1, by .15 a run together, none wears y2. e has the variances .2 and .4. Lots of ten runs, the last
of each measured. A double EWMA (.55, .75) knows A and takes y, or what the VM says y is:

    x = y - u A,   K += .75 (x - L - K),   L += .55 (x - L),   u = (T - L - K) A^-1

The VM is a PLS on the standardised (u, v, k) of two hundred runs that were all measured under control. They vary in
seven directions, and seven components find A back. In such data u goes with k, because the loop works against the
wear; six components leave out what tells them apart, and the gain of u is then anything. xi, an eigenvalue of
A^-1 (d yhat / d u), is then often near 0: inside the 0 to 1.829 of a VM that is always asked, and yet the loop runs
away, because nine runs build up a trend against a VM that sees no effect and the tenth, measured, turns it round. What
decides is the growth over a lot, M(1) M(xi)^9 with M below, which is under 1 for xi from .13 to 2.04. A VM of the
residual y - u A has xi = 1. Run: python -m bench.factory_wide

A. A. Khan, J. R. Moyne, D. M. Tilbury, IEEE Transactions on Semiconductor Manufacturing 20 (2007) 364-375.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.scratch import table
from bench.seeds import over_seeds, spread

A = np.array([[0.5, -0.2], [0.25, 0.15]])
C = np.array([[0, 0.5, 0.05, 0, 0.15, 0], [0.085, 0, 0.025, 0.2, 0, 0]]).T
D = np.array([[0.1, 0.0], [0.05, 0.0]])
TARGET = np.array([0.0, 50.0])
START = np.array([-100.0, 195.0])  # the recipe before anything is known
LEVEL, TREND = 0.55, 0.75
LOT, RUNS = 10, 200
Feedback = Literal["none", "lot", "every"]


@dataclass(frozen=True, slots=True, eq=False)
class Vm:
    """yhat = x coef + intercept with x = (u, v, k, k): coef (10, 2), intercept (2,)."""

    coef: np.ndarray
    intercept: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """d yhat / d u (2, 2), to hold beside A."""
        return self.coef[:2]

    @property
    def gain_ratio(self) -> np.ndarray:
        """Eigenvalues (2,) of A^-1 gain: what xi = true / assumed gain is for one input; all 1 if the gain is right."""
        return np.linalg.eigvals(np.linalg.inv(A) @ self.gain)

    @property
    def growth(self) -> float:
        """By how much an error grows from lot to lot, each with nine runs after the VM and one that was measured."""
        lots = [_one_run(1.0) @ np.linalg.matrix_power(_one_run(xi), LOT - 1) for xi in self.gain_ratio]
        return max(float(np.abs(np.linalg.eigvals(lot)).max()) for lot in lots)


def _one_run(xi: complex) -> np.ndarray:
    """(L, K) after one run, from those before it, where what is fed back answers u by ``xi`` times A (2, 2)."""
    return np.array([[1 - LEVEL * xi, LEVEL * (1 - xi)], [-TREND * xi, 1 - TREND * xi]])


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """What was set, what came in, how old the parts were and what came out: (n, 2), (n, 6), (n, 2), (n, 2)."""

    u: np.ndarray
    v: np.ndarray
    k: np.ndarray
    y: np.ndarray

    @property
    def mse(self) -> np.ndarray:
        """Mean square off target (2,)."""
        return ((self.y - TARGET) ** 2).mean(axis=0)


def simulate(seed: int, feedback: Feedback, vm: Vm | None = None, runs: int = RUNS) -> Runs:
    """``feedback``: never, at the end of each lot or after every run; with a ``vm`` it speaks where nobody measured."""
    rng = np.random.default_rng(seed)
    v, k = _incoming(rng, runs), np.repeat(np.arange(1.0, runs + 1)[:, None], 2, axis=1)
    came = v @ C + k @ D + rng.normal(0.0, np.sqrt([0.2, 0.4]), (runs, 2))
    set_to, y = np.empty((runs, 2)), np.empty((runs, 2))
    u, level, trend = START, np.zeros(2), np.zeros(2)
    for i in range(runs):
        set_to[i], y[i] = u, u @ A + came[i]
        measured = feedback == "every" or (feedback == "lot" and (i + 1) % LOT == 0)
        if not measured and vm is None:
            continue
        told = y[i] if measured else np.concatenate([u, v[i], k[i]]) @ vm.coef + vm.intercept
        off = told - u @ A
        trend = trend + TREND * (off - level - trend)
        level = level + LEVEL * (off - level)
        u = (TARGET - level - trend) @ np.linalg.inv(A)
    return Runs(set_to, v, k, y)


def _incoming(rng: np.random.Generator, runs: int) -> np.ndarray:
    first, third = rng.normal(1.0, np.sqrt(0.2), runs), rng.uniform(0.2, 1.2, runs)
    fifth, sixth = rng.uniform(0.0, 0.4, runs), rng.normal(-0.6, np.sqrt(0.2), runs)
    return np.column_stack([first, 2 * first, third, 3 * third, fifth, sixth])


def fit(runs: Runs, components: int, *, gain_imposed: bool = False) -> Vm:
    """A PLS VM from ``runs``: its gain as the data have it, or that of A with only the rest learned."""
    from sklearn.cross_decomposition import PLSRegression

    inputs = np.hstack([runs.v, runs.k] if gain_imposed else [runs.u, runs.v, runs.k])
    labels = runs.y - runs.u @ A if gain_imposed else runs.y
    model = PLSRegression(components).fit(inputs, labels)
    coef = np.asarray(model.coef_).T
    intercept = labels.mean(axis=0) - inputs.mean(axis=0) @ coef
    return Vm(np.vstack([A, coef]) if gain_imposed else coef, intercept)


def training(seed: int) -> Runs:
    """Two hundred measured runs under control, on noise of their own."""
    return simulate(10_000 + seed, "every")


_WAYS = {7: "VM, 7 components", 6: "VM, 6 components, free gain", 5: "VM, 5 components, gain from physics"}
PUBLISHED = {
    "none": "297 / .48",
    "lot-to-lot": "1.5 / 1.2",
    "every run measured": "1.05 / 1.21",
    _WAYS[7]: ".78 / .57",
    _WAYS[6]: "1e3 .. 1e14",
}


def all_ways(seed: int) -> dict[str, tuple[float, float, float]]:
    """Of every way on the traces of one seed: MSE of y1 and of y2, and the growth of its VM (NaN without)."""
    seen = training(seed)
    vms = {7: fit(seen, 7), 6: fit(seen, 6), 5: fit(seen, 5, gain_imposed=True)}
    found = {
        "none": (*simulate(seed, "none").mse, np.nan),
        "lot-to-lot": (*simulate(seed, "lot").mse, np.nan),
        "every run measured": (*simulate(seed, "every").mse, np.nan),
    }
    return found | {_WAYS[n]: (*simulate(seed, "lot", vm).mse, vm.growth) for n, vm in vms.items()}


def main() -> None:
    found = over_seeds(all_ways)
    rows = []
    for way in found[0]:
        y1, y2, growth = np.array([one[way] for one in found]).T
        away = "-" if np.isnan(growth).any() else f"{np.sum(growth > 1)} of {len(found)}"
        rows.append([way, PUBLISHED.get(way, "-"), spread(y1), spread(y2), away])
    table(
        f"Factory-wide control with a VM: mean square off target in {RUNS} runs, {len(found)} seeds: median (quarters)",
        ["feedback", "published", "MSE y1", "MSE y2", "VMs that run away"],
        rows,
    )


if __name__ == "__main__":
    main()
