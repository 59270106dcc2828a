"""May this estimator drive this loop? The gain it sees, against the gain the controller assumes.

    LEAST <= (dy^/du) / b,  w_n (dy^/du) / b < 2   for every controlled stream and every parameter,

w_n what the loop takes of a deviation from move to move, and, as the parameters act together, the same of every
eigenvalue l of G^ B+ (|1 - w_n l| < 1), seen from the directions that B can move. Above, a correction overshoots by
more than there was to correct; below 0 it makes things worse. Near 0 the model does not see what a move did, asks for
it again and again until a measurement comes, and then takes it all back: in the factory-wide benchmark such models,
which 0 < w (dy^/du) / b < 2 lets through, run away from .13 downwards. G^ is taken numerically, over moves of one
``max_step`` about operating points of training: a tree or an outside model has no coefficient to look at, and may
answer differently elsewhere.

A. Khan, J. Moyne, D. Tilbury, IEEE Transactions on Semiconductor Manufacturing 20 (2007) 364-375.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from control.core.types import FloatArray

LEAST = 0.25


@dataclass(frozen=True, slots=True)
class Gate:
    """The verdict on one loop. ``low`` and ``high`` are the extreme ratios (dy^/du)/b by (stream, parameter) pair.

    ``limit`` is the ratio from which a loop hunts; ``told`` says what is wrong, empty where nothing is.
    """

    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]
    limit: float
    told: str = ""

    @property
    def passes(self) -> bool:
        return not self.told


def judge(
    seen: FloatArray,
    assumed: FloatArray,
    limit: float,
    steps: FloatArray,
    deadband: float,
    cvs: Sequence[str],
    mvs: Sequence[str],
) -> Gate:
    """The gate of a loop of m streams and n parameters.

    ``seen`` is the estimator's dy^/du at several places, ``assumed`` the controller's b there, both (places, m, n).
    ``limit`` is the largest stable ratio of true to assumed gain, 2/w_n. ``steps`` (n,) are the largest moves: where b
    is 0, one of them must not move the prediction by more than ``deadband``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(assumed != 0, seen / assumed, np.nan)
    low, high = ratio.min(axis=0), ratio.max(axis=0)
    told = _pair(low, high, limit, cvs, mvs) or _stray(seen, assumed, steps, deadband, cvs, mvs)
    return Gate(_rows(low), _rows(high), limit, told or _together(seen, assumed, limit))


def _pair(low: FloatArray, high: FloatArray, limit: float, cvs: Sequence[str], mvs: Sequence[str]) -> str:
    """The pair that is furthest from a ratio of 1, if it is outside the limits."""
    wrong = ~((low >= LEAST) & (high < limit)) & ~(np.isnan(low) & np.isnan(high))
    if not wrong.any():
        return ""
    off = np.where(wrong, np.fmax(np.abs(low - 1), np.abs(high - 1)), -1.0)
    i, j = divmod(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape[1])
    seen = f"{low[i, j]:.3g} to {high[i, j]:.3g}"
    return f"{cvs[i]} by {mvs[j]}: {seen} times the assumed gain, allowed {LEAST} to {limit:.3g}"


def _stray(
    seen: FloatArray, assumed: FloatArray, steps: FloatArray, deadband: float, cvs: Sequence[str], mvs: Sequence[str]
) -> str:
    """A pair that the loop takes to be unconnected and the estimator does not."""
    moved = np.abs(seen).max(axis=0) * steps
    wrong = (assumed == 0).any(axis=0) & ~(moved <= deadband)
    if not wrong.any():
        return ""
    i, j = np.argwhere(wrong)[0]
    return f"{cvs[i]} by {mvs[j]}: moved by {moved[i, j]:.3g} in one step, though the loop assumes no gain"


def _together(seen: FloatArray, assumed: FloatArray, limit: float) -> str:
    """Several parameters may each look right and yet fight each other."""
    for gain, believed in zip(seen, assumed, strict=True):
        left, size, _ = np.linalg.svd(believed)
        able = left[:, : int((size > 1e-9 * size.max(initial=0.0)).sum())]
        for value in np.linalg.eigvals(able.T @ gain @ np.linalg.pinv(believed) @ able):
            if not (abs(1 - 2 * value / limit) < 1 and value.real >= LEAST):
                return f"together: {value:.3g} times the assumed gain in one direction, allowed {LEAST} to {limit:.3g}"
    return ""


def _rows(values: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in values)
