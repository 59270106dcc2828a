"""Rows for PostgreSQL's binary COPY, packed by numpy: a column an array, NaN a NULL; and arrays back into numbers.

Layout: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY-FORMAT and array_send() of
the server. One row at a time in Python is about ten times slower than the server can take them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from control.core.types import BoolArray, IntArray

SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
OID = {"f8": 701, "i2": 21, "i8": 20}
CODE = {oid: code for code, oid in OID.items()}
EPOCH_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000

Column = NDArray[Any] | tuple[NDArray[Any], BoolArray]


def timestamps(at_us: IntArray) -> IntArray:
    """PostgreSQL's own count (microseconds since 2000) for microseconds since 1970."""
    return at_us - EPOCH_US


def pack(columns: Sequence[Column]) -> bytes:
    """A whole binary COPY stream. int64, float64 and int16 arrays (n,) are columns of int8 (or timestamptz), float8 and
    int2; (n, k) arrays of float8[] or int2[]. NaN is NULL; other columns give their NULLs as ``(values, null)``.
    """
    plain = [column[0] if isinstance(column, tuple) else column for column in columns]
    nulls = [column[1] if isinstance(column, tuple) else _nan(column) for column in columns]
    rows = np.zeros(len(plain[0]), _row_dtype(plain))
    keep = np.ones((len(rows), rows.dtype.itemsize), bool) if any(n is not None for n in nulls) else None
    rows["fields"] = len(plain)
    for i, (values, null) in enumerate(zip(plain, nulls, strict=True)):
        write = _write_array if values.ndim == 2 else _write_scalar
        write(rows, keep, i, values, null)
    data = rows.tobytes() if keep is None else rows.view(np.uint8).reshape(len(rows), -1)[keep].tobytes()
    return SIGNATURE + data + TRAILER


def unpack(array: bytes) -> NDArray[Any]:
    """The numbers of an array of any dimensions as the server sends it in binary; without a NULL."""
    dimensions, has_null, oid = struct.unpack_from(">iii", array)
    if has_null:
        raise ValueError("an array of numbers with NULL has no place in numpy")
    dtype = np.dtype([("size", ">i4"), ("value", f">{CODE[oid]}")])
    shape = struct.unpack_from(">" + "ii" * dimensions, array, 12)[::2]
    return np.frombuffer(array, dtype, offset=12 + 8 * dimensions)["value"].reshape(shape or (0,))


def _nan(column: NDArray[Any]) -> BoolArray | None:
    if column.dtype.kind != "f":
        return None
    missing = np.isnan(column)
    return missing if missing.any() else None


def _row_dtype(columns: list[NDArray[Any]]) -> np.dtype[Any]:
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for i, column in enumerate(columns):
        code = f">{column.dtype.kind}{column.dtype.itemsize}"
        if column.ndim == 1:
            fields.append((f"c{i}", [("size", ">i4"), ("value", code)]))
            continue
        head = [(name, ">i4") for name in ("size", "dimensions", "has_null", "oid", "length", "first")]
        element = [("size", ">i4"), ("value", code)]
        fields.append((f"c{i}", [*head, ("elements", element, (column.shape[1],))]))
    return np.dtype(fields)


def _write_scalar(
    rows: NDArray[Any], keep: BoolArray | None, i: int, values: NDArray[Any], null: BoolArray | None
) -> None:
    field = rows[f"c{i}"]
    field["size"], field["value"] = values.dtype.itemsize, values
    if keep is None or null is None or not null.any():
        return
    field["size"][null] = -1
    start = _offset(rows, i) + 4
    keep[:, start : start + values.dtype.itemsize] = ~null[:, None]


def _write_array(
    rows: NDArray[Any], keep: BoolArray | None, i: int, values: NDArray[Any], null: BoolArray | None
) -> None:
    field, length, size = rows[f"c{i}"], values.shape[1], values.dtype.itemsize
    field["size"] = 20 + length * (4 + size)
    field["dimensions"], field["length"], field["first"] = 1, length, 1
    field["oid"] = OID[f"{values.dtype.kind}{size}"]
    field["elements"]["size"], field["elements"]["value"] = size, values
    if keep is None or null is None:
        return
    field["size"] -= size * null.sum(axis=1, dtype=np.int32)
    field["has_null"] = null.any(axis=1)
    field["elements"]["size"][null] = -1
    start = _offset(rows, i) + 24
    elements = keep[:, start : start + length * (4 + size)].reshape(len(rows), length, 4 + size)
    elements[:, :, 4:] = ~null[:, :, None]


def _offset(rows: NDArray[Any], i: int) -> int:
    """Where column ``i`` begins in a packed row, in bytes."""
    fields = rows.dtype.fields
    assert fields is not None
    return int(fields[f"c{i}"][1])
