"""Models fitted and written down as plain numbers; of each kind a path of candidates, simplest first.

Linear models, ``intercept`` and ``coef``, come from the moments of the inputs, trees (see :mod:`trees`) from
scikit-learn. Nothing is chosen here: the caller scores the candidates on rows that none of them has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from control.core.types import FloatArray
from control.core.vm.trees import NEVER, Forest

LINEAR = ("ridge", "pls")
KINDS = (*LINEAR, "boosting")
ALPHAS = tuple(float(alpha) for alpha in np.logspace(5, -1, 7))
TREES = (25, 50, 100)
DEPTH = 3
RATE = 0.1
SMALLEST_LEAF = 20
MOST_TRIED = 16  # inputs tried at a split, drawn anew each time from a fixed seed: more of them cost a minute a machine

Model = dict[str, Any]


def candidates(kind: str, z: FloatArray, y: FloatArray, components: int = 6) -> list[Model]:
    """Models of a kind fitted to standardised inputs ``z`` (n, q) and ``y`` (n,).

    Ridge by falling penalty; PLS by one to ``components`` components; boosting by number of trees. Without inputs a
    linear model is a mean, and no tree can grow.
    """
    if kind not in _PATHS:
        raise ValueError(f"estimator kind {kind!r} is not one of {', '.join(KINDS)}")
    if not z.shape[1]:
        if kind not in LINEAR:
            raise ValueError("no input varies")
        return [{"kind": kind, **_linear(float(y.mean()), np.empty(0))}]
    return _PATHS[kind](z, y, components)


def predict(model: Mapping[str, Any], z: FloatArray) -> FloatArray:
    """What a plain model says at inputs (n, q): (n,)."""
    if "coef" in model:
        return np.asarray(model["intercept"] + z @ np.asarray(model["coef"]))
    forest = Forest.of([model], [0], np.arange(z.shape[1]))
    return np.asarray(model["intercept"] + forest.predict(z)[:, 0])


def weight(model: Mapping[str, Any], z: FloatArray) -> FloatArray:
    """What one standard deviation of each input is worth (q,): |coef|, or the mean change that losing it makes."""
    if "coef" in model:
        return np.abs(np.asarray(model["coef"], np.float64))
    used = np.unique(np.asarray(model["feature"]))
    worth, told = np.zeros(z.shape[1]), predict(model, z)
    for column in used.tolist():
        without = z.copy()
        without[:, column] = 0.0
        worth[column] = np.sqrt(np.mean((predict(model, without) - told) ** 2))
    return worth


def _ridge(z: FloatArray, y: FloatArray, _components: int) -> list[Model]:
    """coef = V (L + alpha)^-1 V' Z'y with Z'Z = V L V', so that one decomposition serves every penalty."""
    centre, square, product = _moments(z, y)
    size, directions = np.linalg.eigh(square)
    along = directions.T @ product
    coefs = [directions @ (along / (np.maximum(size, 0.0) + alpha)) for alpha in ALPHAS]
    return [
        {"kind": "ridge", "alpha": alpha, **_linear(float(y.mean() - centre @ coef), coef)}
        for alpha, coef in zip(ALPHAS, coefs, strict=True)
    ]


def _pls(z: FloatArray, y: FloatArray, components: int) -> list[Model]:
    """PLS1 from Z'Z and Z'y alone, one component after the other.

    B. S. Dayal, J. F. MacGregor, Journal of Chemometrics 11 (1997) 73-85, algorithm 1.
    """
    centre, square, product = _moments(z, y)
    left, smallest = product.copy(), 1e-9 * float(np.abs(product).max())
    directions: list[FloatArray] = []
    loadings: list[FloatArray] = []
    coef = np.zeros(z.shape[1])
    models: list[Model] = []
    while len(models) < components and float(np.abs(left).max()) > smallest:
        direction = left / np.linalg.norm(left)
        for earlier, loading in zip(directions, loadings, strict=True):
            direction = direction - (loading @ left) / np.linalg.norm(left) * earlier
        score = direction @ square @ direction
        loading, share = square @ direction / score, float(direction @ product) / score
        left = left - loading * share * score
        coef = coef + share * direction
        directions.append(direction)
        loadings.append(loading)
        told = _linear(float(y.mean() - centre @ coef), coef)
        models.append({"kind": "pls", "components": len(models) + 1, **told})
    return models or [{"kind": "pls", "components": 0, **_linear(float(y.mean()), coef)}]


def _moments(z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean of the inputs (q,), and Z'Z (q, q) and Z'y (q,) about the means."""
    centre = z.mean(axis=0)
    off = z - centre
    return centre, off.T @ off, off.T @ (y - y.mean())


def _boosting(z: FloatArray, y: FloatArray, _components: int) -> list[Model]:
    """Trees of least squares, all rows for each; the same history gives the same trees."""
    smallest = max(min(SMALLEST_LEAF, len(z) // 50), 1)
    fitted = GradientBoostingRegressor(
        n_estimators=TREES[-1],
        max_depth=DEPTH,
        learning_rate=RATE,
        min_samples_leaf=smallest,
        max_features=min(z.shape[1], MOST_TRIED),
        random_state=0,
    ).fit(z, y)
    trees = [_heap(one[0].tree_) for one in fitted.estimators_]
    feature, threshold, value = ([tree[part] for tree in trees] for part in range(3))
    start = float(np.asarray(fitted.init_.constant_).ravel()[0])
    return [
        {
            "kind": "boosting",
            "trees": n,
            "depth": DEPTH,
            "intercept": start,
            "feature": feature[:n],
            "threshold": threshold[:n],
            "value": value[:n],
        }
        for n in TREES
    ]


def _heap(tree: Any) -> tuple[list[int], list[float], list[float]]:
    """A grown tree in heap order, complete to ``DEPTH``: features, thresholds, and values times the learning rate."""
    splits = 2**DEPTH - 1
    feature, threshold, value = [0] * splits, [NEVER] * splits, [0.0] * (splits + 1)
    waiting = [(0, 0)]
    while waiting:
        place, node = waiting.pop()
        if place >= splits:
            value[place - splits] = RATE * float(tree.value[node, 0, 0])
            continue
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left < 0:
            waiting.append((2 * place + 1, node))
            continue
        feature[place], threshold[place] = int(tree.feature[node]), float(tree.threshold[node])
        waiting += [(2 * place + 1, left), (2 * place + 2, right)]
    return feature, threshold, value


def _linear(intercept: float, coef: FloatArray) -> Model:
    return {"intercept": intercept, "coef": coef.tolist()}


_PATHS: Mapping[str, Callable[[FloatArray, FloatArray, int], list[Model]]] = {
    "ridge": _ridge,
    "pls": _pls,
    "boosting": _boosting,
}
