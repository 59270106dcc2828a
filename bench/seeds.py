"""The same simulation over many seeds, on all processors, told as a median with its spread."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

S, T = TypeVar("S"), TypeVar("T")
SEEDS = 30


def over_seeds(work: Callable[[int], T], seeds: int = SEEDS) -> list[T]:
    """``work`` of 0 to ``seeds`` - 1."""
    return side_by_side(work, range(seeds))


def side_by_side(work: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """``work`` of each, on one processor each: small matrices gain nothing from more."""
    with multiprocessing.Pool(os.cpu_count(), threadpool_limits, (1,)) as pool:
        return pool.map(work, items, chunksize=1)


def spread(values: Sequence[float] | np.ndarray, digits: int = 3) -> str:
    """The median, and in brackets the quarter and three-quarter points."""
    low, middle, high = np.percentile(np.asarray(values, np.float64), [25, 50, 75])
    return f"{middle:.{digits}g} ({low:.{digits}g} .. {high:.{digits}g})"
