"""Stored estimators folded into one product: the same numbers, quickly, and honest about their inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core.types import Quality
from control.core.vm import fitting
from control.core.vm.estimator import Estimator
from control.core.vm.features import windows
from control.core.vm.physics import base
from control.core.vm.training import Choice, train
from tests.core.tiny_line import BOLTS, STREAMS, TAGS, history, recipe

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


@pytest.fixture(scope="module")
def mixed():
    """One stream with boosted trees, one with PLS, two with ridge."""
    choices = {KEYS[0]: Choice("boosting"), KEYS[1]: Choice("pls", "ridge")}
    return train(TAGS, STREAMS, *history(1_500, seed=6), replace(recipe(), choices=choices))


def test_kinds_may_differ_from_stream_to_stream_and_are_folded_all_the_same(mixed, trace):
    kinds = [(content["main"]["kind"], content["reference"]["kind"]) for content in mixed.contents.values()]
    assert kinds == [("boosting", "pls"), ("pls", "ridge"), ("ridge", "pls"), ("ridge", "pls")]
    together = load(mixed).predict(trace, ROWS)
    for index, content in enumerate(mixed.contents.values()):
        inputs = content["inputs"]
        mean, scale = np.array(inputs["mean"]), np.array(inputs["scale"])
        seen = windows(trace, ROWS, np.arange(len(TAGS)), inputs["window_s"])
        expected = base(content["physics"], "loading", "both", dict(zip(TAGS, seen.mean.T, strict=True)))
        expected = expected + fitting.predict(content["main"], (seen.matrix - mean) / scale)
        for tag, gain in content["gains"].items():
            expected = expected + gain * (seen.mean[:, TAGS.index(tag)] - mean[TAGS.index(tag)])
        assert together.value[:, index] == pytest.approx(expected, rel=1e-9)


def test_trees_leave_the_gain_of_a_move_to_physics_as_every_kind_does(mixed):
    settings, gains = load(mixed).gains([0, 1, 2, 3], ["pump", BOLTS[0]], np.array([0.5, 5.0]))
    assert settings.shape == (27, 2)
    assert np.ptp(gains[:, :, 1], axis=0) == pytest.approx(np.zeros(4), abs=1e-9)
    assert gains[:, :, 0] == pytest.approx(np.full((27, 4), 20 / 60), rel=0.03)


def test_a_parameter_that_is_no_input_has_no_gain(mixed):
    settings, gains = load(mixed).gains([0], ["pump", "moon"], np.ones(2))
    assert np.isnan(settings[:, 1]).all()
    assert not gains[:, :, 1].any()


def test_where_no_parameter_is_an_input_there_is_no_gain_at_all(mixed):
    settings, gains = load(mixed).gains([0, 1, 2, 3], ["moon", "tide"], np.ones(2))
    assert np.isnan(settings).all()
    assert settings.shape == (27, 2)
    assert gains.shape == (27, 4, 2)
    assert not gains.any()


def test_inputs_that_contradict_each_other_make_a_prediction_doubtful(trace):
    twin = np.hstack([trace.values, trace.values[:, [TAGS.index("density")]] * 3 + 1])
    wider = replace(trace, values=twin, quality=np.zeros(twin.shape, np.int64))
    tags = (*TAGS, "density_again")
    found = train(tags, STREAMS, wider, history(600, seed=3)[1], replace(recipe(), inputs=tags))
    estimator = Estimator.load(list(found.contents.values()), tags, KEYS)
    usual = estimator.predict(wider, ROWS)
    assert (usual.dqix < 1).all()
    lying = twin.copy()
    lying[400:, -1] += 0.01
    seen = estimator.predict(replace(wider, values=lying), ROWS)
    assert (seen.dqix > 1).all()
    assert (seen.quality == Quality.DOUBTFUL).all()
    missing = twin.copy()
    missing[400:, -1] = np.nan
    assert np.isnan(estimator.predict(replace(wider, values=missing), ROWS).dqix).all()


def test_how_far_each_input_is_from_training_can_be_asked(trained, trace):
    values = trace.values.copy()
    values[400:, TAGS.index("solids")] += 5.0
    values[400:, TAGS.index("room")] = np.nan
    isi = load(trained).isi(replace(trace, values=values), 519, 0)
    assert sorted(isi) == ["density", "solids", "speed"]  # what a loop moves is not strange, what is missing unknown
    assert max(isi, key=lambda tag: abs(isi[tag])) == "solids"
    assert load(trained, [*KEYS, "thickness/1"]).isi(trace, 519, 4) == {}


def test_contents_of_the_first_version_load_as_they_did(trained, trace):
    old = [
        {**content, "version": 1, "inputs": {key: value for key, value in content["inputs"].items()
                                             if key not in ("consistency", "reach", "dqix_threshold", "operating")}}
        for content in trained.contents.values()
    ]  # fmt: skip
    before, now = Estimator.load(old, TAGS, KEYS).predict(trace, ROWS), load(trained).predict(trace, ROWS)
    assert np.array_equal(before.value, now.value)
    assert not before.dqix.any()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"feature": None}, "without feature"),
        ({"value": None, "depth": None}, "without depth, value"),
        ({"depth": 0}, "impossible size"),
        ({"depth": 40}, "impossible size"),
        ({"feature": []}, "impossible size"),
        ({"value": [[0.0]]}, "impossible size"),
        ({"feature": "beyond"}, "beyond the"),
    ],
)
def test_boosted_trees_that_cannot_be_walked_through_are_refused_by_name(mixed, change, why):
    content = mixed.contents[KEYS[0]]
    main = {name: value for name, value in {**content["main"], **change}.items() if value is not None}
    if change.get("feature") == "beyond":
        main["feature"] = (np.array(content["main"]["feature"]) + 1_000).tolist()
    with pytest.raises(ValueError, match=f"estimator for {KEYS[0]}: boosted trees.*{why}"):
        Estimator.load([{**content, "main": main}], TAGS, KEYS)
