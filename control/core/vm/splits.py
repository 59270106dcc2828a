"""Which rows fit and which are scored: by time or by group, never shuffled.

Neighbouring rows of a web are nearly the same foil; a shuffled split would score a model on what it has all but seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from control.core.types import IntArray

FIRST = 0.55  # of the rows that only ever fit
BLOCKS = 3


def forward(n: int, first: float = FIRST, blocks: int = BLOCKS) -> list[tuple[IntArray, IntArray]]:
    """Rows ``0..n`` in time order as ``blocks`` pairs (fit, score): each block is scored by all that lies before it."""
    edges = np.linspace(first * n, n, blocks + 1).astype(np.int64)
    return [
        (np.arange(begin), np.arange(begin, end))
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def leave_one_group_out(groups: Sequence[Any]) -> Iterator[tuple[IntArray, IntArray]]:
    """For each group (a roll, a recipe, a campaign) the rows of all others and its own, groups in order."""
    names = np.asarray(groups)
    for name in np.unique(names):
        own = names == name
        yield np.flatnonzero(~own), np.flatnonzero(own)
