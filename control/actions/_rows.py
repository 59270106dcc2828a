"""Rows as a source writes them (mappings from JSON or CSV) turned into blocks, each taken whole or refused whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from control.actions import _counts
from control.actions._blocks import (
    HUGE,
    MOST_METRES,
    MOST_ROLLS,
    Known,
    KnownEquipment,
    MeasurementBlock,
    SnapshotBlock,
    judged,
)
from control.core.types import MeasuredBy, Quality

FUTURE_S = 5.0  # clocks of machines run ahead a little
OLDEST_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
LARGEST = 2**62
TEXT_KEPT = 2000  # characters of a refused row
PLAIN = frozenset({float, int, bool, type(None)})
BY = {"gauge": MeasuredBy.GAUGE, "lab": MeasuredBy.LAB}
SNAPSHOT_FIELDS = frozenset({"equipment", "at", "sequence", "roll", "web_m", "values"})
MEASUREMENT_FIELDS = frozenset(
    {"equipment", "at", "sequence", "roll", "web_m", "stream", "value", "n", "unit", "by", "quality"}
)
VALUE_FIELDS = frozenset({"value", "unit", "quality"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be stored: its place in the body, a stable code, a sentence, and the row itself as text."""

    row: int
    code: str
    detail: str
    kind: str
    text: str


class _RefusedError(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(slots=True)
class _Sheet:
    """Rows of one equipment that carry the same tags in the same order."""

    slots: list[int]
    head: list[tuple[int, int, int, float, int]] = field(default_factory=list)  # at_us, sequence, roll, web_m, row
    values: list[list[float | None]] = field(default_factory=list)
    said: dict[tuple[int, int], int] = field(default_factory=dict)  # (row of the sheet, place) -> quality given


def snapshots(known: Known, rows: Iterable[Any], now: datetime) -> tuple[list[SnapshotBlock], list[Refusal]]:
    """Blocks of the rows that can be stored, at most one an equipment, and the refusals."""
    sheets: dict[tuple[str, tuple[str, ...]], _Sheet] = {}
    latest_us = _us(now) + int(FUTURE_S * 1e6)

    def take(i: int, row: Any) -> None:
        machine = _machine(known, row, SNAPSHOT_FIELDS)
        values = row.get("values")
        if not isinstance(values, dict) or not values:
            raise _RefusedError("no_values", "values must be an object of tag and value, with at least one tag")
        head = (*_head(row, latest_us), i)
        order = tuple(values)
        sheet = sheets.get((machine.key, order)) or _Sheet(_slots(machine, order))
        numbers, said = _numbers(machine, sheet.slots, values)
        sheets[machine.key, order] = sheet
        sheet.said |= {(len(sheet.head), place): quality for place, quality in said.items()}
        sheet.head.append(head)
        sheet.values.append(numbers)

    refused = _each("snapshot", rows, take)
    parts: dict[str, list[SnapshotBlock]] = {}
    for (key, _), sheet in sheets.items():
        parts.setdefault(key, []).append(_snapshot_block(known.equipment[key], sheet))
    return [_joined(blocks) for blocks in parts.values()], refused


def measurements(known: Known, rows: Iterable[Any], now: datetime) -> tuple[list[MeasurementBlock], list[Refusal]]:
    """The same for measured values."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    latest_us = _us(now) + int(FUTURE_S * 1e6)

    def take(i: int, row: Any) -> None:
        machine = _machine(known, row, MEASUREMENT_FIELDS)
        stream = row.get("stream")
        if not isinstance(stream, str) or stream not in machine.streams:
            raise _RefusedError("unknown_stream", f"{_short(stream)} is not a stream of {machine.key}")
        pk, unit = machine.streams[stream]
        by = BY.get(row.get("by", "gauge")) if isinstance(row.get("by", "gauge"), str) else None
        if by is None:
            raise _RefusedError("bad_by", "by must be gauge or lab")
        value, quality = _number(stream, unit, {key: row[key] for key in VALUE_FIELDS & row.keys()})
        if wrong := _counts.fault(machine.counted.get(stream, ""), value, row.get("n")):
            raise _RefusedError(*wrong)
        found.setdefault(machine.key, []).append((*_head(row, latest_us), pk, value, quality or 0, by, i, row.get("n")))

    refused = _each("measurement", rows, take)
    return [_measurement_block(known.equipment[key], rows) for key, rows in found.items()], refused


def _each(kind: str, rows: Iterable[Any], take: Callable[[int, Any], None]) -> list[Refusal]:
    refused = []
    for i, row in enumerate(rows):
        try:
            take(i, row)
        except _RefusedError as why:
            refused.append(Refusal(i, why.code, why.detail, kind, as_text(row)))
    return refused


def as_text(row: Any) -> str:
    """A refused row in ASCII, cut to a bounded length."""
    if isinstance(row, Unreadable):
        row = row.text
    try:
        return json.dumps(row, default=str)[:TEXT_KEPT]
    except (ValueError, RecursionError):
        return repr(type(row))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of a body that could not be read as a row."""

    text: str
    why: str


def _machine(known: Known, row: Any, fields: frozenset[str]) -> KnownEquipment:
    if isinstance(row, Unreadable):
        raise _RefusedError("unreadable", row.why)
    if not isinstance(row, dict):
        raise _RefusedError("not_an_object", "a row must be an object")
    if unknown := row.keys() - fields:
        raise _RefusedError("unknown_field", f"{_short(min(unknown))} is not a field of this row")
    key = row.get("equipment")
    machine = known.equipment.get(key) if isinstance(key, str) else None
    if machine is None:
        raise _RefusedError("unknown_equipment", f"{_short(key)} is not an equipment this source may send for")
    return machine


def _head(row: dict[str, Any], latest_us: int) -> tuple[int, int, int, float]:
    """at_us, sequence, roll (-1: not said), web_m (NaN: not said)."""
    sequence = _whole(row, "sequence", 0)
    roll = -1 if row.get("roll") is None else _whole(row, "roll", -1)
    if sequence < 0 or roll < -1:
        raise _RefusedError("bad_number", "sequence and roll must not be negative")
    if roll >= MOST_ROLLS:
        raise _RefusedError("bad_number", "roll must be below 2**53")
    web_m = row.get("web_m")
    if web_m is None:
        return _instant(row.get("at"), latest_us), sequence, roll, math.nan
    if type(web_m) not in (int, float) or not 0 <= web_m < MOST_METRES:
        raise _RefusedError("bad_number", "web_m must be a number of metres from 0 to below 1e9")
    return _instant(row.get("at"), latest_us), sequence, roll, float(web_m)


def _whole(row: dict[str, Any], key: str, default: int) -> int:
    value = row.get(key, default)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or abs(value) > LARGEST:
        raise _RefusedError("bad_number", f"{key} must be a whole number")
    return value


def _instant(at: Any, latest_us: int) -> int:
    if at is None or at == "":
        raise _RefusedError("stamp_missing", "at is missing")
    if not isinstance(at, str):
        raise _RefusedError("stamp_unreadable", "at must be text such as 2026-11-21T09:00:00.5+09:00")
    try:
        instant = datetime.fromisoformat(at)
    except ValueError:
        raise _RefusedError("stamp_unreadable", f"{_short(at)} is not an ISO 8601 date and time") from None
    if instant.tzinfo is None:
        raise _RefusedError("stamp_without_zone", f"{_short(at)} does not say its zone; write Z or +09:00")
    at_us = _us(instant)
    if at_us > latest_us:
        raise _RefusedError("stamp_in_future", f"{_short(at)} is more than {FUTURE_S:g} s ahead of this server")
    if at_us < OLDEST_US:
        raise _RefusedError("stamp_too_old", f"{_short(at)} is before the year 2000")
    return at_us


def _us(instant: datetime) -> int:
    """Microseconds since 1970, without the rounding of a float."""
    passed = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86400 + passed.seconds) * 1_000_000 + passed.microseconds


def _slots(machine: KnownEquipment, order: tuple[str, ...]) -> list[int]:
    if unknown := [key for key in order if key not in machine.slots]:
        raise _RefusedError("unknown_tag", f"{_short(unknown[0])} is not a tag of {machine.key}")
    return [machine.slots[key] for key in order]


def _numbers(
    machine: KnownEquipment, slots: list[int], values: dict[str, Any]
) -> tuple[list[float | None], dict[int, int]]:
    """Values in the order given, and the qualities that were said, by place."""
    given = list(values.values())
    if PLAIN.issuperset(map(type, given)):
        return [_fits(value) if type(value) is int else value for value in given], {}
    numbers, said = [], {}
    for place, (key, value) in enumerate(values.items()):
        number, quality = _number(key, machine.units[slots[place]], value)
        numbers.append(number)
        if quality is not None:
            said[place] = quality
    return numbers, said


def _number(key: str, unit: str, given: Any) -> tuple[float | None, int | None]:
    """A value and the quality said of it, from a bare number or ``{"value", "unit", "quality"}``."""
    value, quality = given, None
    if isinstance(given, dict):
        if unknown := given.keys() - VALUE_FIELDS:
            raise _RefusedError("unknown_field", f"{_short(min(unknown))} is not a field of a value")
        value, quality = given.get("value"), given.get("quality")
        if given.get("unit", unit) != unit:
            raise _RefusedError(
                "wrong_unit", f"{_short(key)} is in {unit or 'no unit'}, not in {_short(given['unit'])}"
            )
        if quality is not None and (type(quality) is not int or quality not in list(Quality)):
            raise _RefusedError("bad_quality", "quality must be 0 good, 1 doubtful, 2 bad or 3 missing")
    if type(value) not in PLAIN:
        raise _RefusedError("not_a_number", f"{_short(key)} is {_short(value)}, which is not a number")
    return (_fits(value) if type(value) is int else value), quality


def _fits(value: int) -> float:
    """An integer of JSON may have any number of digits."""
    return float(value) if abs(value) < HUGE else math.inf


def _short(value: Any) -> str:
    return as_text(value)[:80]


def _snapshot_block(machine: KnownEquipment, sheet: _Sheet) -> SnapshotBlock:
    n = len(sheet.head)
    values = np.full((n, len(machine.slots)), np.nan)
    values[:, sheet.slots] = np.array(sheet.values, np.float64)
    said = np.zeros(values.shape, np.int64)
    for (i, place), given in sheet.said.items():
        said[i, sheet.slots[place]] = given
    values, quality = judged(values, said, machine.low, machine.high)
    at_us, sequence, roll, web_m, row = _columns(sheet.head)
    return SnapshotBlock(machine, at_us, sequence, roll, web_m, values, quality, row)


def _measurement_block(machine: KnownEquipment, rows: list[tuple[Any, ...]]) -> MeasurementBlock:
    at_us, sequence, roll, web_m, stream, value, said, by, row, n = _columns(rows, floats=(3, 5, 9))
    value, quality = judged(value, said, -HUGE, HUGE)
    return MeasurementBlock(machine, at_us, sequence, stream, roll, web_m, value, quality, by, row, n)


def _columns(rows: Sequence[tuple[Any, ...]], floats: tuple[int, ...] = (3,)) -> list[Any]:
    return [
        np.array(column, np.float64 if i in floats else np.int64) for i, column in enumerate(zip(*rows, strict=True))
    ]


def _joined(blocks: list[SnapshotBlock]) -> SnapshotBlock:
    """Blocks of the same equipment as one, in the order of the body."""
    if len(blocks) == 1:
        return blocks[0]
    names = ("at_us", "sequence", "roll", "web_m", "values", "quality", "row")
    whole = {name: np.concatenate([getattr(block, name) for block in blocks]) for name in names}
    return SnapshotBlock(blocks[0].equipment, **whole).take(np.argsort(whole["row"]))
