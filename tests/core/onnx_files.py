"""ONNX files written field by field, so that no test needs a library that makes them. Numbers are onnx.proto3's."""

from __future__ import annotations

import struct
from collections.abc import Sequence

FLOAT, DOUBLE, INT64, STRING = 1, 11, 7, 8


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, values: Sequence[float], shape: Sequence[int], extra: bytes = b"") -> bytes:
    dims = b"".join(field(1, size) for size in shape)
    raw = struct.pack(f"<{len(values)}f", *values)
    return dims + field(2, FLOAT) + field(8, name) + field(9, raw) + extra


def node(operator: str, inputs: Sequence[str], output: str, *attributes: bytes, domain: str = "") -> bytes:
    told = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator)
    return told + b"".join(field(5, one) for one in attributes) + (field(7, domain) if domain else b"")


def value(name: str, columns: int | None, kind: int = FLOAT, rows: int | None = None) -> bytes:
    """A tensor of any number of rows (or of ``rows``) by ``columns``."""
    first = field(1, rows) if rows else field(2, "n")
    dims = field(1, first) + (b"" if columns is None else field(1, field(1, columns)))
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def model(
    nodes: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    extra: bytes = b"",
) -> bytes:
    graph = b"".join(field(1, one) for one in nodes) + field(2, "g")
    graph += b"".join(field(5, one) for one in tensors)
    graph += b"".join(field(11, one) for one in inputs) + b"".join(field(12, one) for one in outputs)
    domains = field(8, field(2, 13)) + field(8, field(1, "ai.onnx.ml") + field(2, 2))
    return field(1, 7) + field(7, graph) + domains + extra


def linear(coef: Sequence[Sequence[float]], intercept: Sequence[float], name: str = "X", output: str = "y") -> bytes:
    """y = X coef + intercept, coef (features, outputs)."""
    flat = [number for row in coef for number in row]
    return model(
        [node("MatMul", [name, "w"], "p"), node("Add", ["p", "b"], output)],
        [value(name, len(coef))],
        [value(output, len(intercept))],
        [tensor("w", flat, (len(coef), len(intercept))), tensor("b", intercept, (len(intercept),))],
    )
