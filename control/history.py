"""Historian files, read with pandas: whatever the layout, one table of instants, tag values and measured values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from control.core.types import BoolArray, FloatArray, IntArray
from control.plantfile import Columns, EquipmentSpec, Plant

SAME = 1e-6  # a number this close to a declared missing value is one
STRANGE = 0.5  # share of a column outside its believable range that speaks of another unit
PARQUET = (".parquet", ".pq")


class MismatchError(Exception):
    """The file is not what the map says; ``problems`` are all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """What a file says of one equipment, in the order of the plant file.

    ``inputs`` (n, tags) and ``measured`` (n, columns) are NaN where nothing was read; ``believed`` (n, columns) is
    False where a measured value lies outside its declared range.
    """

    equipment: EquipmentSpec
    inputs: FloatArray
    measured: FloatArray
    believed: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A file in time order. ``at_us`` (n,) microseconds since 1970; a row keeps its number for ever."""

    at_us: IntArray
    feeds: tuple[Feed, ...]

    def __len__(self) -> int:
        return len(self.at_us)


def load(path: Path, plant: Plant) -> Table:
    """Read a file as its map says. Raises MismatchError with everything that does not fit."""
    columns = plant.columns
    if columns is None:
        raise MismatchError(["columns: the map has no such part, so it cannot tell how the file is laid out"])
    needed = _needed(plant)
    problems = _unmapped(plant)
    frame = _frame(path, columns, needed, problems)
    if problems:
        raise MismatchError(problems)
    stamps = _instants(frame[columns.time], columns, problems)
    if columns.layout == "long":
        frame, stamps = _pivoted(frame, stamps, columns, needed, problems)
    numbers = _numbers(frame, needed, problems)
    _check_ranges(plant, numbers, problems)
    if problems:
        raise MismatchError(problems)
    order = np.argsort(stamps.to_numpy(), kind="stable")
    at_us = _spread(stamps.to_numpy()[order], columns.resolution_s)
    return Table(at_us, tuple(_feed(spec, numbers.iloc[order]) for spec in plant.equipment))


def _needed(plant: Plant) -> list[str]:
    """Every column (or, in a long file, tag name) the map speaks of, once."""
    found: dict[str, None] = {}
    for spec in plant.equipment:
        found |= dict.fromkeys(tag.column for tag in spec.tags if tag.column)
        found |= dict.fromkeys(item.column for item in spec.measured)
    return list(found)


def _unmapped(plant: Plant) -> list[str]:
    problems = []
    for spec in plant.equipment:
        problems += [f"tag {spec.key}.{tag.key}: names no column" for tag in spec.tags if not tag.column]
        if not spec.measured and spec.streams:
            problems.append(f"equipment {spec.key}: no measured column, so nothing can be learned or judged")
    return problems


def _frame(path: Path, columns: Columns, needed: list[str], problems: list[str]) -> pd.DataFrame:
    """The columns of a file that are needed; what is not there is a problem."""
    wanted = [columns.time, *(needed if columns.layout == "wide" else [columns.tag, columns.value])]
    parquet = path.suffix in PARQUET
    options: dict[str, Any] = {"sep": columns.delimiter, "decimal": columns.decimal, "encoding": "utf-8-sig"}
    options["na_values"] = list(columns.missing)
    try:
        there = _parquet_names(path) if parquet else list(pd.read_csv(path, nrows=0, **options).columns)
        missing = [name for name in wanted if name not in there]
        problems += [f"column {name}: is not in the file" for name in missing]
        if missing:
            return pd.DataFrame()
        if parquet:
            return pd.read_parquet(path, columns=wanted)
        return pd.read_csv(path, usecols=wanted, low_memory=False, **options)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        problems.append(f"{path.name}: cannot be read: {str(error)[:200]}")
        return pd.DataFrame()


def _parquet_names(path: Path) -> list[str]:
    import pyarrow.parquet  # noqa: PLC0415 - only for those who have such a file

    return list(pyarrow.parquet.read_schema(path).names)


def _instants(stamps: pd.Series, columns: Columns, problems: list[str]) -> pd.Series:
    """Microseconds since 1970 of every stamp."""
    given = stamps.notna()
    if columns.format in ("epoch_s", "epoch_ms"):
        unit = columns.format.removeprefix("epoch_")
        parsed = pd.to_datetime(pd.to_numeric(stamps, errors="coerce"), unit=unit, utc=True, errors="coerce")
    else:
        parsed = pd.to_datetime(stamps, format=columns.format or "ISO8601", errors="coerce")
    if bad := int((parsed.isna() & given).sum()):
        example = stamps[parsed.isna() & given].iloc[0]
        problems.append(
            f"column {columns.time}: {bad} stamps are not in the format {columns.format}, such as {example!r}"
        )
    if empty := int((~given).sum()):
        problems.append(f"column {columns.time}: {empty} rows have no stamp")
    if problems:
        return parsed
    if parsed.dt.tz is None:
        local = parsed.dt.tz_localize(columns.zone, ambiguous="NaT", nonexistent="NaT")
        if lost := int(local.isna().sum()):
            problems.append(f"column {columns.time}: {lost} stamps happen twice or never in {columns.zone}")
            return local
        parsed = local
    at_us = parsed.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]").astype("int64")
    if columns.resolution_s and (at_us % round(columns.resolution_s * 1e6)).any():
        problems.append(f"column {columns.time}: stamps are finer than the resolution_s of {columns.resolution_s:g}")
    return at_us


def _pivoted(
    frame: pd.DataFrame, stamps: pd.Series, columns: Columns, needed: list[str], problems: list[str]
) -> tuple[pd.DataFrame, pd.Series]:
    """A long table as a wide one: a row a stamp, the last value said of each tag."""
    there = set(frame[columns.tag].dropna().astype(str).unique())
    missing = [name for name in needed if name not in there]
    problems += [f"tag {name}: is not in the column {columns.tag}" for name in missing]
    if problems:
        return frame, stamps
    long = pd.DataFrame({"at": stamps, "tag": frame[columns.tag].astype(str), "value": frame[columns.value]})
    long = long[long["tag"].isin(needed)].drop_duplicates(["at", "tag"], keep="last")
    wide = long.set_index(["at", "tag"])["value"].unstack("tag")  # noqa: PD010 - pivot_table would average
    return wide.reset_index(drop=True), pd.Series(wide.index.to_numpy())


def _numbers(frame: pd.DataFrame, needed: Iterable[str], problems: list[str]) -> pd.DataFrame:
    found = {}
    for name in needed:
        if name not in frame:
            continue
        column = frame[name]
        numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        if bad := int((numbers.isna() & column.notna()).sum()):
            example = column[numbers.isna() & column.notna()].iloc[0]
            problems.append(f"column {name}: {bad} values are not numbers, such as {example!r}")
        found[name] = numbers
    return pd.DataFrame(found)


def _check_ranges(plant: Plant, numbers: pd.DataFrame, problems: list[str]) -> None:
    """A column that mostly lies outside what its tag can believably be is another one, or in another unit."""
    for spec in plant.equipment:
        for tag in spec.tags:
            if tag.column not in numbers:
                continue
            seen = numbers[tag.column].dropna()
            low = -np.inf if tag.low is None else tag.low
            high = np.inf if tag.high is None else tag.high
            share = float(((seen < low) | (seen > high)).mean()) if len(seen) else 0.0
            if share > STRANGE:
                problems.append(
                    f"column {tag.column}: {share:.0%} of the values are outside the {low:g} to {high:g} {tag.unit}"
                    f" of tag {tag.key}: another unit?"
                )


def _spread(at_us: IntArray, resolution_s: float) -> IntArray:
    """Rows of one stamp spread evenly over what the stamp leaves open."""
    if not resolution_s or not len(at_us):
        return at_us
    _, first, count = np.unique(at_us, return_index=True, return_counts=True)
    place = np.arange(len(at_us)) - np.repeat(first, count)
    return at_us + np.floor(place * (resolution_s * 1e6) / np.repeat(count, count)).astype(np.int64)


def _feed(spec: EquipmentSpec, numbers: pd.DataFrame) -> Feed:
    inputs = [_without(numbers[tag.column].to_numpy(), tag.missing) for tag in spec.tags if tag.column]
    measured = [_without(numbers[item.column].to_numpy(), item.missing) for item in spec.measured]
    believed = [_within(column, item.low, item.high) for column, item in zip(measured, spec.measured, strict=True)]
    return Feed(spec, *(np.column_stack(part) if part else np.empty((len(numbers), 0)) for part in (inputs, measured)),
                np.column_stack(believed) if believed else np.empty((len(numbers), 0), bool))  # fmt: skip


def _without(column: FloatArray, missing: tuple[float, ...]) -> FloatArray:
    """The column with its declared missing values as NaN."""
    found = column.astype(np.float64, copy=True)
    for value in missing:
        found[np.abs(found - value) <= SAME] = np.nan
    return found


def _within(column: FloatArray, low: float | None, high: float | None) -> BoolArray:
    return ~((column < (-np.inf if low is None else low)) | (column > (np.inf if high is None else high)))
