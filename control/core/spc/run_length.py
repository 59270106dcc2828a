"""How many points a chart runs until it signals, on average: when nothing is wrong, and after a shift.

EWMA and CUSUM are Markov chains once their range is cut into cells [1]; run rules are simulated, with whatever
judges them on a line. All of independent normal values, standardised by the true mean and sigma.

[1] D. Brook, D. A. Evans, "An approach to the probability distribution of cusum run length", Biometrika 59 (1972)
539-549; for the EWMA J. M. Lucas, M. S. Saccucci, Technometrics 32 (1990) 1-12.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import scipy

from control.core.types import FloatArray, IntArray

CELLS = 201
SETTLED = 1e-4  # share by which the widening limit of a young EWMA may still fall short of its last
MOST = 1e9  # longer runs cannot be told in double precision, and nobody waits for their end
CONTEXT = 20  # points before, on which a verdict of a run rule may depend; no rule looks further back

Judge = Callable[[FloatArray], IntArray]  # standardised values (k,) -> bits of the rules each breaks


def shewhart(width: float = 3.0, shift: float = 0.0) -> float:
    """Single values against mean +- ``width`` sigma, the mean shifted by ``shift`` sigma."""
    return float(1.0 / (scipy.special.ndtr(-width - shift) + scipy.special.ndtr(shift - width)))


def ewma(weight: float, width: float, shift: float = 0.0, *, settled: bool = False) -> float:
    """EWMA that starts at the mean; ``settled`` with its last limits from the start, else widening as they are."""
    last = width * sqrt(weight / (2.0 - weight))
    centre = _centres(last)
    stay = _ewma_moves(centre, last, weight, shift)
    length = _steps_to_leave(stay)
    if settled:
        return float(length[CELLS // 2])
    return _ewma_widening(length, last, weight, shift)


def _ewma_widening(length: FloatArray, last: float, weight: float, shift: float) -> float:
    """Follow the distribution of the EWMA while its limits widen, then go on with the settled chain."""
    where, at = np.zeros(CELLS), np.zeros(CELLS)
    where[CELLS // 2] = 1.0  # the cell around the mean, where it starts
    run, left = 0.0, 1.0
    while left > SETTLED:
        left *= (1.0 - weight) ** 2
        limit = last * sqrt(1.0 - left)
        run += float(where.sum())
        where = where @ _ewma_moves(at, limit, weight, shift)
        at = _centres(limit)
    return run + float(where @ length)


def _ewma_moves(start: FloatArray, limit: float, weight: float, shift: float) -> FloatArray:
    """Probability to come from each of ``start`` (k,) into each cell between -limit and limit: (k, CELLS)."""
    edges = np.linspace(-limit, limit, CELLS + 1)
    below = scipy.special.ndtr((edges[None, :] - (1.0 - weight) * start[:, None]) / weight - shift)
    return np.asarray(np.diff(below, axis=1), np.float64)


def _steps_to_leave(stay: FloatArray) -> FloatArray:
    """Mean number of steps from each cell until the chain leaves them, (I - Q)^-1 1, at most ``MOST``.

    Where hardly anything leaves, I - Q is singular but for rounding: what it gives then is huge, of either sign.
    """
    try:
        length = np.linalg.solve(np.eye(len(stay)) - stay, np.ones(len(stay)))
    except np.linalg.LinAlgError:
        return np.full(len(stay), MOST)
    return np.where((length < 1.0) | (length > MOST), MOST, length)


def _centres(limit: float) -> FloatArray:
    edges = np.linspace(-limit, limit, CELLS + 1)
    return (edges[:-1] + edges[1:]) / 2.0


def cusum(allowance: float, limit: float, shift: float = 0.0, head_start: float = 0.0) -> float:
    """Tabular CUSUM to both sides with k = ``allowance`` and h = ``limit``, both sums begun at ``head_start``.

    From the one-sided lengths begun at zero and at the head start s [2]:
    ARL = (ARL+(s) ARL-(0) + ARL-(s) ARL+(0) - ARL+(0) ARL-(0)) / (ARL+(0) + ARL-(0))

    [2] J. M. Lucas, R. B. Crosier, "Fast initial response for CUSUM quality-control schemes", Technometrics 24 (1982)
    199-205, appendix.
    """
    up, up_ahead = _one_sided(allowance, limit, shift, head_start)
    down, down_ahead = _one_sided(allowance, limit, -shift, head_start)
    return (up_ahead * down + down_ahead * up - up * down) / (up + down)


def _one_sided(allowance: float, limit: float, shift: float, head_start: float) -> tuple[float, float]:
    """Run lengths of one sum begun at zero and at ``head_start``: cell 0 is zero itself, the others lie above."""
    width = 2.0 * limit / (2.0 * CELLS - 1.0)
    centre = width * np.arange(CELLS)
    step = centre[None, :] - centre[:, None] + allowance - shift
    stay = scipy.special.ndtr(step + width / 2.0) - scipy.special.ndtr(step - width / 2.0)
    stay[:, 0] = scipy.special.ndtr(step[:, 0] + width / 2.0)
    length = _steps_to_leave(stay)
    return float(length[0]), float(np.interp(head_start, centre, length))


def simulated(
    judge: Judge, rng: np.random.Generator, *, runs: int = 10_000, shift: float = 0.0, about: int = 200
) -> float:
    """Mean length of ``runs`` runs of ``judge`` from a fresh start to its first signal; ``about`` guesses it.

    Runs stand one behind the other on one line, each after its own last ``CONTEXT`` points (missing ones at first), so
    that the judge sees a line as it does of history.
    """
    before = np.full((runs, CONTEXT), np.nan)
    total = 0
    while len(before):
        line = np.hstack([before, rng.normal(shift, 1.0, (len(before), about))])
        hit = judge(line.ravel()).reshape(line.shape)[:, CONTEXT:] != 0
        over = hit.any(axis=1)
        total += int(np.sum(np.where(over, hit.argmax(axis=1) + 1, about)))
        before = line[~over][:, -CONTEXT:]
    return total / runs
