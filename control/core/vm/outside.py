"""The declaration that comes with an outside model: which streams it speaks for, and what each of its inputs is.

streams = ["loading/1-top", "loading/2-top"]        in the order of the output's columns
predicts = "value"                                  or "residual": what physics and assumed gains leave
output = "variable"
[inputs]
X = ["pump_top", "solids", "slurry_density.std"]    a tag's mean over the window, or .mean, .std, .slope of it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from control.core.vm.estimator import feature_column
from control.core.vm.onnx import OutsideModelError, checked, load

PREDICTS = ("residual", "value")
_PARTS = {"streams", "predicts", "output", "inputs"}


def taken(data: bytes, declaration: Mapping[str, Any], streams: set[str], tags: tuple[str, ...]) -> dict[str, Any]:
    """A main model to be stored for each stream of the declaration; refused with the reason if it does not fit."""
    check(declaration, streams, tags)
    named: list[str] = declaration["streams"]
    model = {
        "kind": "onnx",
        "predicts": declaration.get("predicts", "residual"),
        "model": checked(data),
        "inputs": {name: list(of) for name, of in declaration["inputs"].items()},
        "output": declaration["output"],
    }
    features = list(dict.fromkeys(name for of in model["inputs"].values() for name in of))
    columns = load(model, {name: i for i, name in enumerate(features)}).width
    if columns != len(named):
        raise OutsideModelError(f"the output has {columns} columns for {len(named)} streams")
    return {stream: {**model, "column": column} for column, stream in enumerate(named)}


def check(declaration: Mapping[str, Any], streams: set[str], tags: tuple[str, ...]) -> None:
    """Refuses a declaration that says nothing of use; the model is not looked at."""
    if unknown := sorted(declaration.keys() - _PARTS):
        raise OutsideModelError(f"declaration: {', '.join(unknown)} is not a known key")
    if declaration.get("predicts", "residual") not in PREDICTS:
        raise OutsideModelError(f"declaration: predicts must be {' or '.join(PREDICTS)}")
    if not isinstance(declaration.get("output"), str):
        raise OutsideModelError("declaration: output must name the model's output")
    named = declaration.get("streams")
    if not _texts(named) or len(set(named)) != len(named):
        raise OutsideModelError("declaration: streams must be a list of different streams")
    if unknown := sorted(set(named) - streams):
        raise OutsideModelError(f"declaration: the equipment has no stream {', '.join(unknown)}")
    _check_inputs(declaration.get("inputs"), tags)


def _check_inputs(inputs: Any, tags: tuple[str, ...]) -> None:
    if not isinstance(inputs, Mapping) or not inputs or not all(_texts(of) for of in inputs.values()):
        raise OutsideModelError("declaration: inputs must be a table of input name and list of features")
    for name in (name for of in inputs.values() for name in of):
        try:
            feature_column(name, tags)
        except ValueError as error:
            raise OutsideModelError(f"declaration: {error}") from None


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
