"""An outside model: checked before it is let in, then run by ONNX Runtime on the processor, in one thread.

A file is read as what it is, a tree of numbered fields, before the runtime sees it: no data outside the file, no
operators but the standard ones, no graph within a graph (which could run for ever), nothing that draws random numbers,
no more than ``MOST_BYTES``. Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from control.core.types import FloatArray, IntArray

MOST_BYTES = 2 * 1024 * 1024
STANDARD = frozenset({"", "ai.onnx", "ai.onnx.ml"})
RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
PICKLES = (b"\x80", b"PK", b"\x1f\x8b", b"x", b"BZh", b"ZF", b"\x93NUMPY")  # pickle, zip, and what joblib packs in
NUMBERS = {"tensor(float)": np.float32, "tensor(double)": np.float64}
EXTERNAL = 1

# onnx.proto3: where in each message the parts are that matter here
_MODEL = {"opset_import": 8, "graph": 7, "training_info": 20, "functions": 25}
_GRAPH = {"node": 1, "initializer": 5, "sparse": 15}
_NODE = {"op_type": 4, "attribute": 5, "domain": 7}
_ATTRIBUTE = {"tensor": 5, "graph": 6, "tensors": 10, "graphs": 11, "sparse_tensor": 22, "sparse_tensors": 23}
_TENSOR = {"external_data": 13, "location": 14}


class OutsideModelError(ValueError):
    """Why a file is not taken as a model."""


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """A loaded model: each of its inputs by name, with the columns of the features that fill it; one output is read.

    ``dtypes`` and ``columns`` follow ``names``; ``output`` names what is read, of ``width`` columns.
    """

    session: Any
    names: tuple[str, ...]
    dtypes: tuple[Any, ...]
    columns: tuple[IntArray, ...]
    output: str
    width: int

    def predict(self, features: FloatArray) -> FloatArray:
        """Outputs (k, outputs) at features (k, f), in the tags' units."""
        feed = {
            name: features[:, columns].astype(dtype)
            for name, dtype, columns in zip(self.names, self.dtypes, self.columns, strict=True)
        }
        told = np.asarray(self.session.run([self.output], feed)[0], np.float64)
        if told.size % len(features):
            raise OutsideModelError(f"output {self.output} has {told.size} values for {len(features)} rows")
        return told.reshape(len(features), -1)


def checked(data: bytes) -> str:
    """The file as text to be stored; refused with the reason if it is not a model that may run here."""
    if data.startswith(PICKLES):
        raise OutsideModelError(
            "this is a pickle or joblib file (or an archive of one): reading it would run whatever code it contains;"
            " export the model as ONNX"
        )
    if len(data) > MOST_BYTES:
        raise OutsideModelError(f"the file has {len(data)} bytes, {MOST_BYTES} are the most")
    try:
        _check_model(data)
    except (IndexError, UnicodeDecodeError, _NotProtobufError):
        raise OutsideModelError("this is not an ONNX file") from None
    return base64.b64encode(data).decode()


def load(model: Mapping[str, Any], columns: Mapping[str, int]) -> Outside:
    """A stored model ready to run. ``columns`` says in which column each declared feature will stand.

    ``model`` has ``model`` (base64), ``inputs`` (input name -> list of features) and ``output``.
    """
    try:
        data = base64.b64decode(model["model"], validate=True)
    except (binascii.Error, TypeError):
        raise OutsideModelError("the stored model is not base64") from None
    checked(data)
    session = _session(data)
    asked: Mapping[str, Sequence[str]] = model["inputs"]
    inputs = {item.name: item for item in session.get_inputs()}
    outputs = {item.name: item for item in session.get_outputs()}
    _check_names(set(inputs), set(asked), set(outputs), str(model["output"]))
    for name, item in inputs.items():
        _check_input(item, len(asked[name]))
    if outputs[model["output"]].type not in NUMBERS:
        raise OutsideModelError(f"output {model['output']} is {outputs[model['output']].type}, not a tensor of numbers")
    outside = Outside(
        session=session,
        names=tuple(inputs),
        dtypes=tuple(NUMBERS[item.type] for item in inputs.values()),
        columns=tuple(np.array([columns[feature] for feature in asked[name]], np.int64) for name in inputs),
        output=str(model["output"]),
        width=1,
    )
    return replace(outside, width=_tried(outside, max(columns.values()) + 1))


def key(model: Mapping[str, Any]) -> str:
    """Stored models with the same key are the same model, reading another column of its output at most."""
    told = repr((model["model"], sorted((name, tuple(of)) for name, of in model["inputs"].items()), model["output"]))
    return hashlib.sha256(told.encode()).hexdigest()


def _session(data: bytes) -> Any:
    import onnxruntime  # noqa: PLC0415 - a second of start-up and 50 MB, for those who use it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common base but Exception
        raise OutsideModelError(f"ONNX Runtime refuses the model: {str(error).strip()}") from None


def _check_names(inputs: set[str], asked: set[str], outputs: set[str], output: str) -> None:
    if inputs != asked:
        raise OutsideModelError(
            f"the model's inputs are {', '.join(sorted(inputs))}; declared are {', '.join(sorted(asked)) or 'none'}"
        )
    if output not in outputs:
        raise OutsideModelError(f"the model has no output {output}; it has {', '.join(sorted(outputs))}")


def _check_input(item: Any, features: int) -> None:
    if item.type not in NUMBERS:
        raise OutsideModelError(f"input {item.name} is {item.type}; only numbers (float, double) can be given")
    rows, *width = item.shape
    if len(width) != 1 or isinstance(rows, int) or (isinstance(width[0], int) and width[0] != features):
        raise OutsideModelError(
            f"input {item.name} has shape {item.shape}; any number of rows by {features} declared features is needed"
        )


def _tried(outside: Outside, features: int) -> int:
    """How many columns the output has.

    One and three rows must be answered alike: a model that mixes rows, or counts them, is no function of a row.
    """
    try:
        three = outside.predict(np.zeros((3, features)))
        one = outside.predict(np.zeros((1, features)))
    except OutsideModelError:
        raise
    except Exception as error:
        raise OutsideModelError(f"the model cannot be run: {str(error).strip()}") from None
    if one.shape[1] != three.shape[1] or not np.allclose(three, one, rtol=1e-5, atol=1e-8, equal_nan=True):
        raise OutsideModelError("the model answers a row differently when others stand beside it")
    return int(one.shape[1])


class _NotProtobufError(Exception):
    pass


def _check_model(data: bytes) -> None:
    model = _parts(data)
    graphs = model.get(_MODEL["graph"], [])
    if len(graphs) != 1 or _MODEL["opset_import"] not in model:
        raise _NotProtobufError
    if _MODEL["functions"] in model or _MODEL["training_info"] in model:
        raise OutsideModelError("a model that brings functions or training steps of its own is not taken")
    graph = _parts(graphs[0])
    for tensor in graph.get(_GRAPH["initializer"], []):
        _check_tensor(tensor)
    if _GRAPH["sparse"] in graph:
        raise OutsideModelError("sparse initializers are not taken")
    for node in graph.get(_GRAPH["node"], []):
        _check_node(_parts(node))


def _check_node(node: Mapping[int, list[Any]]) -> None:
    domain = bytes(node.get(_NODE["domain"], [b""])[-1]).decode()
    operator = bytes(node.get(_NODE["op_type"], [b""])[-1]).decode()
    if domain not in STANDARD:
        raise OutsideModelError(f"operator {operator} is of {domain}; only standard ONNX operators are taken")
    if operator in RANDOM:
        raise OutsideModelError(f"operator {operator} draws random numbers: the same inputs must give the same answer")
    for attribute in node.get(_NODE["attribute"], []):
        parts = _parts(attribute)
        if _ATTRIBUTE["graph"] in parts or _ATTRIBUTE["graphs"] in parts:
            raise OutsideModelError(f"operator {operator} holds a graph of its own (a loop or a branch)")
        if _ATTRIBUTE["sparse_tensor"] in parts or _ATTRIBUTE["sparse_tensors"] in parts:
            raise OutsideModelError("sparse tensors are not taken")
        for tensor in (*parts.get(_ATTRIBUTE["tensor"], []), *parts.get(_ATTRIBUTE["tensors"], [])):
            _check_tensor(tensor)


def _check_tensor(data: bytes) -> None:
    tensor = _parts(data)
    if _TENSOR["external_data"] in tensor or EXTERNAL in tensor.get(_TENSOR["location"], []):
        raise OutsideModelError("the model keeps data outside its file; export it as one file")


def _parts(data: bytes) -> dict[int, list[Any]]:
    """The fields of a protobuf message: number -> its values, in order; a nested message is bytes."""
    found: dict[int, list[Any]] = {}
    for number, value in _fields(data):
        found.setdefault(number, []).append(value)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in {1, 5}:
            length = 8 if kind == 1 else 4
        else:
            raise _NotProtobufError
        if not number or at + length > len(data):
            raise _NotProtobufError
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to ten bytes, seven bits each, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _NotProtobufError
