"""Models of each kind, written down as numbers, say what the library they come from says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge

from control.core.vm import fitting
from control.core.vm.trees import Forest

SIZES = {"seed": st.integers(0, 2**16), "n": st.integers(30, 120), "q": st.integers(1, 9)}


def data(seed, n=200, q=6):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, q)) @ rng.normal(size=(q, q)) + rng.normal(size=q)
    return z, z @ rng.normal(size=q) + np.sin(3 * z[:, 0]) + rng.normal(size=n)


@settings(max_examples=25, deadline=None)
@given(**SIZES)
def test_ridge_is_that_of_scikit_learn(seed, n, q):
    z, y = data(seed, n, q)
    for model in fitting.candidates("ridge", z, y):
        peer = Ridge(alpha=model["alpha"]).fit(z, y)
        assert fitting.predict(model, z) == pytest.approx(peer.predict(z), rel=1e-8, abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(**SIZES)
def test_pls_is_that_of_scikit_learn(seed, n, q):
    z, y = data(seed, n, q)
    for model in fitting.candidates("pls", z, y, components=4):
        peer = PLSRegression(model["components"], scale=False).fit(z, y)
        assert fitting.predict(model, z) == pytest.approx(peer.predict(z).ravel(), rel=1e-6, abs=1e-6)


def test_boosted_trees_are_those_of_scikit_learn():
    z, y = data(3, 400)
    model = fitting.candidates("boosting", z, y)[-1]
    peer = GradientBoostingRegressor(
        n_estimators=model["trees"], max_depth=model["depth"], learning_rate=fitting.RATE,
        min_samples_leaf=400 // 50, max_features=6, random_state=0,
    ).fit(z, y)  # fmt: skip
    unseen = data(4, 300)[0]
    assert fitting.predict(json.loads(json.dumps(model)), unseen) == pytest.approx(peer.predict(unseen), rel=1e-9)


def test_trees_that_end_early_are_complete_all_the_same():
    z = np.repeat([[0.0], [1.0]], 100, axis=0)
    model = fitting.candidates("boosting", z, np.repeat([-1.0, 1.0], 100))[-1]
    assert fitting.predict(model, np.array([[-5.0], [5.0]])) == pytest.approx([-1.0, 1.0], abs=1e-4)
    assert all(len(of) == 2 ** model["depth"] for of in model["value"])


def test_trees_of_many_streams_are_descended_at_once_and_in_parts_alike(monkeypatch):
    models = [fitting.candidates("boosting", *data(seed))[seed] for seed in (0, 1, 2)]
    z = data(9, 500)[0]
    forest = Forest.of(models, [0, 1, 2], np.arange(6))
    whole = forest.predict(z)
    for i, model in enumerate(models):
        assert whole[:, i] + model["intercept"] == pytest.approx(fitting.predict(model, z))
    monkeypatch.setattr("control.core.vm.trees.MOST", 1_000)
    assert np.array_equal(forest.predict(z), whole)


def test_inputs_that_repeat_each_other_give_no_more_components_than_there_are():
    z = np.repeat(np.random.default_rng(5).normal(size=(100, 2)), 3, axis=1)
    assert len(fitting.candidates("pls", z, z[:, 0] + z[:, 5] + 0.1 * z[:, 1] ** 2, 6)) == 2


@pytest.mark.parametrize("kind", fitting.LINEAR)
def test_without_inputs_the_mean_is_said(kind):
    model = fitting.candidates(kind, np.empty((50, 0)), np.full(50, 3.0))[0]
    assert fitting.predict(model, np.empty((2, 0))) == pytest.approx([3.0, 3.0])


def test_without_inputs_no_tree_can_grow():
    with pytest.raises(ValueError, match="no input varies"):
        fitting.candidates("boosting", np.empty((50, 0)), np.arange(50.0))


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'forest' is not one of ridge, pls, boosting"):
        fitting.candidates("forest", *data(0))


def test_what_an_input_is_worth_is_what_its_loss_changes():
    z, _ = data(7, 300)
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    y = 2.0 * z[:, 1]
    for kind in fitting.KINDS:
        worth = fitting.weight(fitting.candidates(kind, z[:, :3], y)[-1], z[:, :3])
        assert np.argmax(worth) == 1
        assert worth[1] > 1.0
