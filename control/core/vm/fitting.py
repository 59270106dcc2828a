"""Models fitted by scikit-learn and written down as plain numbers; of each kind a path of candidates, simplest first.

A linear model is ``intercept`` and ``coef``, boosted trees are arrays (see :mod:`trees`). Nothing is chosen here: the
caller scores the candidates on rows that none of them has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge

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

    Ridge by falling penalty; PLS by one to ``components`` components; boosting by number of trees.
    """
    if kind not in _PATHS:
        raise ValueError(f"estimator kind {kind!r} is not one of {', '.join(KINDS)}")
    if not z.shape[1]:
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
    models = []
    for alpha in ALPHAS:
        fitted = Ridge(alpha=alpha).fit(z, y)
        told = _linear(float(fitted.intercept_), np.asarray(fitted.coef_, np.float64))
        models.append({"kind": "ridge", "alpha": alpha, **told})
    return models


def _pls(z: FloatArray, y: FloatArray, components: int) -> list[Model]:
    """With W weights, P and Q loadings of the first k components: coef = W (P' W)^-1 Q'."""
    most = max(min(components, z.shape[1], int(np.linalg.matrix_rank(z - z.mean(axis=0)))), 1)
    fitted = PLSRegression(n_components=most, scale=False).fit(z, y)
    models = []
    for k in range(1, most + 1):
        w, p, q = fitted.x_weights_[:, :k], fitted.x_loadings_[:, :k], fitted.y_loadings_[:, :k]
        coef = w @ np.linalg.pinv(p.T @ w) @ q.T
        told = _linear(float(y.mean() - z.mean(axis=0) @ coef[:, 0]), np.asarray(coef[:, 0], np.float64))
        models.append({"kind": "pls", "components": k, **told})
    return models


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
