"""Boosted regression trees as arrays, all trees of all streams descended at once.

    y(x) = sum_t v_t[leaf_t(x)],   one step down a tree: node <- 2 node + 1 + (x[feature[node]] > threshold[node])

A tree of depth d is stored complete, in heap order: 2^d - 1 splits, 2^d leaves; where it ended early a threshold of
infinity sends everything to the left. Inputs are compared in single precision, as scikit-learn grew the trees with.
J. Friedman, Annals of Statistics 29 (2001) 1189-1232.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from control.core.types import FloatArray, IntArray

MOST = 4_000_000  # nodes visited at once: bounds the memory of a long backlog
DEEPEST = 16
NEVER = float(np.finfo(np.float32).max)  # as a threshold: infinity that JSON can hold


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """t trees of depth d for s streams. ``feature`` and ``threshold`` (t, 2^d - 1), ``value`` (t, 2^d).

    ``first`` (s,) is each stream's first tree; its trees follow each other. ``streams`` (s,) are places in the group.
    """

    depth: int
    feature: IntArray
    threshold: FloatArray
    value: FloatArray
    first: IntArray
    streams: IntArray

    @staticmethod
    def check(model: Mapping[str, Any], features: int) -> None:
        """A stored model that cannot be walked through is refused with the reason."""
        if missing := [name for name in ("depth", "feature", "threshold", "value") if name not in model]:
            raise ValueError(f"boosted trees without {', '.join(missing)}")
        trees, depth = len(model["feature"]), model["depth"] if model["depth"] in range(1, DEEPEST + 1) else 0
        splits = {"feature": 2**depth - 1, "threshold": 2**depth - 1, "value": 2**depth} if depth else {}
        shapes = [np.shape(model[name]) == (trees, width) for name, width in splits.items()]
        if not (trees and shapes and all(shapes)):
            raise ValueError("boosted trees of unequal or impossible size")
        used = np.array(model["feature"])
        if used.min() < 0 or used.max() >= features:
            raise ValueError(f"boosted trees that look at inputs beyond the {features} there are")

    @classmethod
    def of(cls, models: Sequence[Mapping[str, Any]], streams: Sequence[int], columns: IntArray) -> Forest:
        """Fold stored models of one depth; ``columns`` says where each stored feature stands among the inputs."""
        counts = [len(model["feature"]) for model in models]
        return cls(
            depth=int(models[0]["depth"]),
            feature=columns[np.concatenate([np.array(model["feature"], np.int64) for model in models])],
            threshold=np.concatenate([np.array(model["threshold"], np.float64) for model in models]),
            value=np.concatenate([np.array(model["value"], np.float64) for model in models]),
            first=np.cumsum([0, *counts[:-1]]),
            streams=np.array(streams, np.int64),
        )

    def predict(self, z: FloatArray) -> FloatArray:
        """Sum of the trees of each stream at inputs (k, q): (k, s)."""
        step = max(MOST // len(self.feature), 1)
        return np.concatenate([self._predict(z[i : i + step]) for i in range(0, len(z), step)])

    def _predict(self, z: FloatArray) -> FloatArray:
        x = z.astype(np.float32)
        tree, row = np.arange(len(self.feature)), np.arange(len(x))[:, None]
        node = np.zeros((len(x), len(tree)), np.int64)
        for _ in range(self.depth):
            right = x[row, self.feature[tree, node]] > self.threshold[tree, node]
            node = 2 * node + 1 + right
        leaves = self.value[tree, node - self.feature.shape[1]]
        return np.add.reduceat(leaves, self.first, axis=1)
