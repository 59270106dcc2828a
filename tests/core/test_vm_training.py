"""Estimators are trained on metrology only, in time order, and stored as plain numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from control.core.types import MeasuredBy, Quality
from control.core.vm.estimator import Estimator, content_hash
from control.core.vm.training import Choice, Recipe, train
from tests.core.tiny_line import BOLTS, GAUGE_SIGMA, PHYSICS, STREAMS, TAGS, history, recipe
from tests.core.tiny_line import trained as train_tiny

KEYS = [stream.key for stream in STREAMS]


def test_a_prediction_is_refused_as_a_label():
    trace, labels = history(600)
    predicted = replace(labels, by=np.full(len(labels), int(MeasuredBy.PREDICTION)))
    with pytest.raises(ValueError, match="not a label"):
        train(TAGS, STREAMS, trace, predicted, recipe())


def test_every_stream_is_trained_and_beats_the_mean_and_the_last_value(trained):
    assert sorted(trained.contents) == KEYS
    assert not trained.refused
    for content in trained.contents.values():
        metrics = content["metrics"]
        assert metrics["mae"] < 0.5 * metrics["mae_of_mean"]
        assert metrics["mae"] < metrics["mae_of_last"]
        assert metrics["rmse"] < 2 * GAUGE_SIGMA


def test_the_interval_covers_nine_in_ten_of_what_it_has_not_seen(trained):
    covered = [content["metrics"]["coverage"] for content in trained.contents.values()]
    assert np.mean(covered) == pytest.approx(0.90, abs=0.04)


def test_the_same_history_gives_the_same_hash_and_plain_json(trained):
    again = train_tiny()
    for key, content in trained.contents.items():
        assert content_hash(content) == content_hash(again.contents[key])
        assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_gain_of_a_parameter_comes_from_physics_or_the_loop_never_from_history(trained):
    for content in trained.contents.values():
        coef = np.array(content["main"]["coef"]).reshape(3, len(TAGS))
        moved = [TAGS.index(tag) for tag in ("pump", *BOLTS)]
        assert not coef[:, moved].any()
        assert "pump" not in content["gains"]
        assert content["physics"] == PHYSICS


def test_doubtful_labels_and_labels_of_another_gauge_are_left_out():
    trace, labels = history(1_500)
    spoiled = labels.value.copy()
    quality, by = labels.quality.copy(), labels.by.copy()
    spoiled[::7], quality[::7] = 1e3, int(Quality.DOUBTFUL)
    spoiled[3::7], by[3::7] = -1e3, int(MeasuredBy.LAB)
    found = train(TAGS, STREAMS, trace, replace(labels, value=spoiled, quality=quality, by=by), recipe())
    assert all(content["label_sigma"] < 1.0 for content in found.contents.values())


def test_too_few_labels_are_refused_with_the_number():
    trace, labels = history(250)
    found = train(TAGS, STREAMS, trace, labels, recipe())
    assert not found.contents
    assert "60 are needed" in found.refused[KEYS[0]]


def test_a_label_that_never_varies_is_refused():
    trace, labels = history(1_500)
    flat = np.where(labels.stream == 0, 20.0, labels.value)
    found = train(TAGS, STREAMS, trace, replace(labels, value=flat), Recipe(TAGS, 20.0))
    assert "do not vary" in found.refused[KEYS[0]]
    assert KEYS[1] in found.contents


def test_inputs_that_are_constant_repeated_or_missing_do_not_break_training():
    trace, labels = history(2_000)
    values = np.hstack([trace.values, trace.values[:, [1]], np.full((2_000, 1), 5.0), np.full((2_000, 1), np.nan)])
    values[np.random.default_rng(0).random(values.shape) < 0.05] = np.nan
    wider = replace(trace, values=values, quality=np.zeros(values.shape, np.int64))
    tags = (*TAGS, "solids_again", "constant", "absent")
    found = train(tags, STREAMS, wider, labels, replace(recipe(), inputs=tags))
    assert sorted(found.contents) == KEYS
    estimator = Estimator.load(list(found.contents.values()), tags, KEYS)
    seen = estimator.predict(wider, np.arange(1_000, 1_010))
    assert np.isfinite(seen.value).all()
    assert found.contents[KEYS[0]]["metrics"]["rmse"] < 2 * GAUGE_SIGMA


def test_trees_are_refused_where_no_input_varies_and_the_other_streams_are_trained():
    trace, labels = history(1_500)
    still = replace(trace, values=np.broadcast_to(trace.values[0], trace.values.shape))
    found = train(TAGS, STREAMS, still, labels, replace(recipe(), choices={KEYS[0]: Choice("boosting")}))
    assert found.refused == {KEYS[0]: "no input varies"}
    Estimator.load(list(found.contents.values()), TAGS, KEYS)


def test_a_line_without_physics_or_loops_is_trained_on_its_tags():
    trace, labels = history(3_000)
    found = train(TAGS, STREAMS, trace, labels, Recipe(TAGS, 20.0))
    assert sorted(found.contents) == KEYS
    assert all(c["metrics"]["mae"] < c["metrics"]["mae_of_mean"] for c in found.contents.values())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inputs": ()}, "needs inputs"),
        ({"inputs": ("pump", "flux")}, "flux"),
        ({"gains": {KEYS[0]: {"nowhere": 1.0}}}, "nowhere"),
        ({"physics": {"kind": "magic"}}, "magic"),
        ({"physics": {**PHYSICS, "width_mm": 0}}, "width_mm"),
        ({"physics": {**PHYSICS, "speed": "pace"}}, "pace"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_name(changes, reason):
    trace, labels = history(100)
    with pytest.raises(ValueError, match=reason):
        train(TAGS, STREAMS, trace, labels, replace(recipe(), **changes))


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (Choice("forest"), "'forest' is not one of ridge, pls, boosting"),
        (Choice("ridge", "boosting"), "reference must be linear"),
        (Choice("pls", "pls"), "both pls"),
    ],
)
def test_kinds_that_do_not_go_together_are_refused(choice, reason):
    with pytest.raises(ValueError, match=reason):
        train(TAGS, STREAMS, *history(100), replace(recipe(), choice=choice))


def test_trees_foretell_what_is_not_linear_where_linear_models_cannot():
    trace, labels = history(2_000, seed=9)
    bent = trace.values[:, TAGS.index("room")] - 23.0
    made = np.searchsorted(trace.web_m, labels.web_m)
    curved = replace(labels, value=labels.value + 0.3 * (np.convolve(bent, np.ones(8) / 8)[made] > 0))
    found = {
        kind: train(TAGS, STREAMS, trace, curved, replace(recipe(), choice=Choice(kind)))
        for kind in ("ridge", "boosting")
    }
    for key in KEYS:
        ridge, trees = (found[kind].contents[key]["metrics"]["mae"] for kind in ("ridge", "boosting"))
        assert trees < ridge


def test_a_restart_in_the_history_does_not_blind_the_indices():
    trace, labels = history(3_000, seed=10)
    values = trace.values.copy()
    values[1_500:1_512, TAGS.index("speed")] = np.linspace(20.0, 60.0, 12)
    with_restart = replace(trace, values=values)
    quiet, shaken = (
        train(TAGS, STREAMS, one, labels, recipe()).contents[KEYS[0]]["inputs"] for one in (trace, with_restart)
    )
    assert shaken["gsi_threshold"] < 1.5 * quiet["gsi_threshold"]
    scale = [one["scale"][TAGS.index("speed")] for one in (quiet, shaken)]
    assert scale[1] < 1.5 * scale[0]


def test_single_wild_readings_teach_nothing():
    trace, labels = history(3_000, seed=11)
    wild = labels.value.copy()
    wild[::41] += 2.0
    clean, shaken = (
        train(TAGS, STREAMS, trace, one, recipe()).contents for one in (labels, replace(labels, value=wild))
    )
    for key in KEYS:
        assert shaken[key]["half_width"] == pytest.approx(clean[key]["half_width"], rel=0.1)
        assert shaken[key]["metrics"]["labels"] < clean[key]["metrics"]["labels"]


def test_an_interval_counts_that_values_are_known_late():
    trace, labels = history(4_000, seed=12)
    late = replace(labels, at_s=labels.at_s + 900.0)
    soon, later = (train(TAGS, STREAMS, trace, one, recipe()).contents for one in (labels, late))
    for key in KEYS:
        assert later[key]["half_width"] > soon[key]["half_width"]


def test_a_new_model_begins_where_the_process_is_and_both_agree_there(trained):
    trace, labels = history()
    estimator = Estimator.load(list(trained.contents.values()), TAGS, KEYS)
    last = np.arange(len(trace) - 200, len(trace))
    seen = estimator.predict(trace, last)
    newest = [labels.value[labels.stream == i][-30:].mean() for i in range(4)]
    assert seen.value.mean(axis=0) == pytest.approx(newest, abs=0.06)
    assert (seen.ri > estimator.ri_threshold).all()


def test_what_is_stored_tells_its_kind_its_window_and_its_figures(trained):
    for content in trained.contents.values():
        assert (content["metrics"]["kind"], content["metrics"]["reference"]) == ("ridge", "pls")
        assert {"labels", "tested", "mae", "rmse", "mae_of_mean", "mae_of_last", "coverage"} <= content[
            "metrics"
        ].keys()
        assert content["window"]["from_s"] < content["window"]["to_s"]
