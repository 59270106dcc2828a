"""An outside model comes as ONNX, is looked through before it may run, and predicts like any other."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import pytest

from control.core.machine import Machine
from control.core.types import Quality
from control.core.vm import onnx
from control.core.vm.estimator import Estimator
from control.core.vm.onnx import OutsideModelError, checked
from control.core.vm.outside import taken
from control.core.vm.training import train
from tests.core.onnx_files import DOUBLE, INT64, field, linear, model, node, tensor, value
from tests.core.tiny_line import LOOP, SOLIDS, STREAMS, TAGS, TARGET, history, recipe

KEYS = [stream.key for stream in STREAMS]
DECLARED = {"streams": KEYS, "predicts": "value", "output": "y", "inputs": {"X": ["pump", "solids"]}}


@pytest.fixture(scope="module")
def past():
    return history(2_000, seed=5)


def whole(scale=1.0):
    """Loading of all lanes from pump and solids, linear about the usual state; ``scale`` is what the pump counts."""
    by_pump, by_solids = TARGET / 60.0 * scale, TARGET / SOLIDS
    start = TARGET - 60.0 * by_pump - SOLIDS * by_solids
    return linear([[by_pump] * 4, [by_solids] * 4], [start] * 4)


def trained(past, data, declaration):
    trace, labels = past
    found = taken(data, declaration, set(KEYS), TAGS)
    return train(TAGS, STREAMS, trace, labels, replace(recipe(), outside=found))


def estimator(found):
    return Estimator.load(list(found.contents.values()), TAGS, KEYS)


def test_a_whole_value_model_is_taken_as_it_answers_with_the_bias_of_its_last_labels(past):
    found = trained(past, whole(), DECLARED)
    assert sorted(found.contents) == KEYS
    rows = np.arange(500, 520)
    seen = estimator(found).predict(past[0], rows)
    mean = estimator(found).window_mean(past[0], rows, np.array([TAGS.index("pump"), TAGS.index("solids")]))
    answer = TARGET + TARGET / 60.0 * (mean[:, 0] - 60.0) + TARGET / SOLIDS * (mean[:, 1] - SOLIDS)
    for i, content in enumerate(found.contents.values()):
        assert content["main"]["kind"] == "onnx"
        assert seen.value[:, i] == pytest.approx(answer + content["main"]["intercept"], abs=1e-5)
    assert np.isfinite(seen.ri).all()


def test_a_model_that_answers_with_the_labels_themselves_is_refused(past):
    """Nothing would say how far off a value may be."""
    (trace, labels), always = past, linear([[0.0] * 4, [0.0] * 4], [20.0] * 4)
    found = trained((trace, replace(labels, value=np.where(labels.at_s < 500, 19.0, 20.0))), always, DECLARED)
    assert not found.contents
    assert "without error" in found.refused[KEYS[0]]


def test_a_residual_model_adds_to_physics_and_assumed_gains(past):
    nothing = linear([[0.0] * 4], [0.0] * 4)
    declared = {**DECLARED, "predicts": "residual", "inputs": {"X": ["room"]}}
    outside, own = (estimator(one) for one in (trained(past, nothing, declared), train(TAGS, STREAMS, *past, recipe())))
    rows, steps = np.arange(500, 501), np.array([mv.max_step for mv in LOOP.mvs])
    assert outside.predict(past[0], rows).value == pytest.approx(own.predict(past[0], rows).value, abs=0.2)
    gains = [one.gains(range(4), [mv.tag for mv in LOOP.mvs], steps)[1][0] for one in (outside, own)]
    assert gains[0] == pytest.approx(gains[1], rel=1e-9)


def test_an_input_that_the_model_hangs_on_and_that_is_missing_makes_its_prediction_doubtful(past):
    trace = past[0]
    values = trace.values.copy()
    values[1_999, TAGS.index("solids")] = np.nan
    seen = estimator(trained(past, whole(), DECLARED)).predict(replace(trace, values=values), np.array([1_999]))
    assert (seen.quality == Quality.DOUBTFUL).all()


def test_the_gain_of_a_whole_value_model_is_its_own_and_the_gate_judges_it(past):
    for scale, fits in ((1.0, True), (0.1, False), (-1.0, False)):
        declared = {**DECLARED, "inputs": {"X": ["pump", "solids"]}}
        pump_only = replace(LOOP, mvs=LOOP.mvs[:1], gains=tuple(row[:1] for row in LOOP.gains), sum_zero=())
        found = estimator(trained(past, whole(scale), declared))
        gate = Machine("coater", TAGS, STREAMS, found, (pump_only,)).gates["loading"]
        assert gate.passes == fits, gate.told
        assert gate.low[0][0] == pytest.approx(scale, rel=1e-4)
        # the same model knows nothing of the bolts, which the whole loop moves
        assert "bolt" in Machine("coater", TAGS, STREAMS, found, (LOOP,)).gates["loading"].told or not fits


def test_a_parameter_that_is_no_input_has_no_gain_for_an_outside_model_either(past):
    settings, gains = estimator(trained(past, whole(), DECLARED)).gains([0], ["moon"], np.ones(1))
    assert np.isnan(settings).all()
    assert not gains.any()


def test_streams_that_read_one_model_share_one_session(past):
    group = estimator(trained(past, whole(), DECLARED)).group_of(0)
    assert len(group.outside) == 1
    assert list(group.outside[0].outputs) == [0, 1, 2, 3]


def zipped(way):
    file = io.BytesIO()
    way(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps({"coef": [1.0]}), "pickle or joblib"),
        (pickle.dumps([1.0], protocol=2), "pickle or joblib"),
        (zipped(lambda file: joblib.dump(np.ones(9), file)), "pickle or joblib"),
        (zipped(lambda file: joblib.dump(np.ones(9), file, compress=3)), "pickle or joblib"),
        (zipped(lambda file: np.savez(file, a=np.ones(3))), "pickle or joblib"),
        (b"", "not an ONNX file"),
        (b"(lp0\n.", "not an ONNX file"),
        (b"\x08\x07" + b"\xff" * 40, "not an ONNX file"),
        (bytes(onnx.MOST_BYTES + 1), "are the most"),
    ],
)
def test_what_is_no_onnx_file_is_refused_with_the_reason(data, reason):
    with pytest.raises(OutsideModelError, match=reason):
        checked(data)


def one_node(*parts, **named):
    return model([node(*parts, **named)], [value("X", 1)], [value("y", 1)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (one_node("Gelu", ["X"], "y", domain="com.microsoft"), "only standard ONNX operators"),
        (one_node("Mine", ["X"], "y", domain="my.ops"), "only standard ONNX operators"),
        (one_node("RandomNormalLike", ["X"], "y"), "random"),
        (one_node("Loop", ["X"], "y", field(1, "body") + field(6, b"")), "graph of its own"),
        (one_node("Constant", [], "y", field(5, tensor("", [1.0], (1,), field(14, 1)))), "outside its file"),
        (model([], [], [], [tensor("w", [], (9,), field(13, field(1, "location")))]), "outside its file"),
        (model([node("Identity", ["X"], "y")], [], [], extra=field(25, b"")), "functions"),
        (model([node("Identity", ["X"], "y")], [], [], extra=field(20, b"")), "training"),
    ],
)  # fmt: skip
def test_a_model_that_reaches_outside_or_brings_more_than_standard_operators_is_refused(data, reason):
    with pytest.raises(OutsideModelError, match=reason):
        checked(data)


IDENTITY = [node("Identity", ["X"], "y")]


@pytest.mark.parametrize(
    ("data", "changes", "reason"),
    [
        (whole(), {"inputs": {"Z": ["pump", "solids"]}}, "inputs are X; declared are Z"),
        (whole(), {"output": "z"}, "no output z; it has y"),
        (whole(), {"inputs": {"X": ["pump"]}}, "any number of rows by 1 declared features"),
        (whole(), {"inputs": {"X": ["pump", "flux"]}}, "no such feature: flux"),
        (whole(), {"inputs": {"X": ["pump", "solids.median"]}}, "no such feature: solids.median"),
        (whole(), {"streams": KEYS[:3]}, "4 columns for 3 streams"),
        (whole(), {"streams": ["loading/9"]}, "no stream loading/9"),
        (whole(), {"predicts": "tomorrow"}, "residual or value"),
        (whole(), {"extra": 1}, "extra is not a known key"),
        (model([node("Nonsense", ["X"], "y")], [value("X", 2)], [value("y", 2)]), {}, "ONNX Runtime refuses"),
        (model(IDENTITY, [value("X", 2, INT64)], [value("y", 2, INT64)]), {}, "only numbers"),
        (model(IDENTITY, [value("X", 2, rows=5)], [value("y", 2, rows=5)]), {}, "any number of rows"),
        (model(IDENTITY, [value("X", None)], [value("y", None)]), {}, "any number of rows"),
        (model([node("Softmax", ["X"], "p", field(1, "axis") + field(3, 0) + field(20, 2)),
                node("Add", ["p", "X"], "y")], [value("X", 2)], [value("y", 2)]), {}, "when others stand beside it"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_its_declaration_or_the_plant_is_refused_with_the_reason(data, changes, reason):
    with pytest.raises(OutsideModelError, match=reason):
        taken(data, {**DECLARED, **changes}, set(KEYS), TAGS)


def test_double_precision_is_taken_too():
    data = model(IDENTITY, [value("X", 2, DOUBLE)], [value("y", 2, DOUBLE)])
    found = taken(data, {**DECLARED, "streams": KEYS[:2]}, set(KEYS), TAGS)
    loaded = onnx.load(found[KEYS[0]], {"pump": 0, "solids": 1})
    assert loaded.predict(np.array([[1 / 3, 2.0]])).tolist() == [[1 / 3, 2.0]]


def test_the_runtime_that_is_installed_holds_no_address_to_report_to():
    folder = Path(find_spec("onnxruntime").origin).parent / "capi"
    libraries = [path for path in folder.iterdir() if ".so" in path.name or path.suffix == ".dylib"]
    assert libraries
    assert not any(b"events.data.microsoft.com" in path.read_bytes() for path in libraries)
