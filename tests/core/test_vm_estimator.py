"""Stored estimators folded into one product: the same numbers, quickly, and honest about their inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core.types import Quality
from control.core.vm.estimator import Estimator
from control.core.vm.features import windows
from control.core.vm.physics import base
from tests.core.tiny_line import BOLTS, STREAMS, TAGS, history

KEYS = [stream.key for stream in STREAMS]
ROWS = np.arange(500, 520)


@pytest.fixture(scope="module")
def trace():
    return history(600, seed=3)[0]


def load(trained, keys=KEYS, tags=TAGS):
    return Estimator.load(list(trained.contents.values()), tags, keys)


def test_folded_and_one_by_one_the_predictions_are_the_same(trained, trace):
    together = load(trained).predict(trace, ROWS)
    for index, (key, content) in enumerate(trained.contents.items()):
        inputs = content["inputs"]
        mean, scale = np.array(inputs["mean"]), np.array(inputs["scale"])
        seen = windows(trace, ROWS, np.arange(len(TAGS)), inputs["window_s"])
        z = (seen.matrix - mean) / scale
        expected = base(content["physics"], "loading", "both", dict(zip(TAGS, seen.mean.T, strict=True)))
        expected = expected + content["main"]["intercept"] + z @ np.array(content["main"]["coef"])
        for tag, gain in content["gains"].items():
            expected = expected + gain * (seen.mean[:, TAGS.index(tag)] - mean[TAGS.index(tag)])
        assert together.value[:, index] == pytest.approx(expected, rel=1e-12), key


def test_streams_without_an_estimator_are_not_predicted(trained, trace):
    estimator = load(trained, [*KEYS, "thickness/1"])
    seen = estimator.predict(trace, ROWS)
    assert np.isnan(seen.value[:, 4]).all()
    assert (seen.quality[:, 4] == Quality.BAD).all()
    assert np.isfinite(seen.value[:, :4]).all()


def test_a_missing_input_that_matters_makes_a_prediction_doubtful_and_one_that_does_not_leaves_it_good(trained, trace):
    for tag, quality in (("solids", Quality.DOUBTFUL), ("room", Quality.GOOD)):
        values = trace.values.copy()
        values[519, TAGS.index(tag)] = np.nan
        seen = load(trained).predict(replace(trace, values=values), np.array([519]))
        assert (seen.quality == quality).all(), tag
        assert np.isfinite(seen.value).all()


def test_an_input_of_doubtful_quality_makes_a_prediction_doubtful(trained, trace):
    quality = trace.quality.copy()
    quality[519, TAGS.index("density")] = int(Quality.DOUBTFUL)
    assert (load(trained).predict(replace(trace, quality=quality), np.array([519])).quality == Quality.DOUBTFUL).all()


def test_with_too_many_inputs_missing_nothing_is_predicted(trained, trace):
    values = trace.values.copy()
    values[400:, [TAGS.index(tag) for tag in ("room", *BOLTS)]] = np.nan
    seen = load(trained).predict(replace(trace, values=values), np.array([519]))
    assert (seen.quality == Quality.BAD).all()
    assert np.isnan(seen.value).all()


def test_where_the_web_stands_physics_says_nothing(trained, trace):
    values = trace.values.copy()
    values[400:, TAGS.index("speed")] = 0.0
    seen = load(trained).predict(replace(trace, values=values), np.array([519]))
    assert (seen.quality == Quality.BAD).all()


def test_inputs_unlike_training_are_noticed_and_the_culprit_named(trained, trace):
    estimator = load(trained)
    usual = estimator.predict(trace, ROWS)
    assert (usual.gsi < estimator.gsi_threshold).all()
    values = trace.values.copy()
    values[400:, TAGS.index("density")] += 0.1
    strange = estimator.predict(replace(trace, values=values), np.array([519]))
    assert (strange.gsi > estimator.gsi_threshold).all()
    assert (strange.culprit == TAGS.index("density")).all()


def test_a_content_for_another_plant_is_refused_by_name(trained):
    with pytest.raises(ValueError, match="no such stream"):
        load(trained, ["loading/9"])
    with pytest.raises(ValueError, match="no tag room"):
        load(trained, KEYS, TAGS[:-1])
    with pytest.raises(ValueError, match="version 99"):
        Estimator.load([{**trained.contents[KEYS[0]], "version": 99}], TAGS, KEYS)


def test_without_contents_there_is_no_estimator_and_the_hash_follows_the_contents(trained):
    assert Estimator.load([], TAGS, KEYS) is None
    one = load(trained)
    other = Estimator.load(list(trained.contents.values())[:3], TAGS, KEYS)
    turned = Estimator.load(list(trained.contents.values())[::-1], TAGS, KEYS)
    assert one.hash == turned.hash != other.hash
