"""Feed a historian table through the same ingest as any machine; what was fed already is not fed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
import psycopg

from control.actions import ingest
from control.actions._blocks import HUGE, judged
from control.actions.ingest import Batch, Known, MeasurementBlock, SnapshotBlock
from control.core.types import BoolArray, FloatArray, IntArray, MeasuredBy, Quality
from control.plantfile import EquipmentSpec

ROLL = 1  # a file without rolls is one


class Feed(Protocol):
    """See control.history.Feed."""

    equipment: EquipmentSpec
    inputs: FloatArray
    measured: FloatArray
    believed: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """A table on its way into the database. Row i always has sequence i + 1: feeding it twice changes nothing."""

    who: Known
    at_us: IntArray
    feeds: tuple[Feed, ...]

    def __len__(self) -> int:
        return len(self.at_us)

    def fed(self, conn: psycopg.Connection[Any]) -> int:
        """How many rows of the table are stored, counted from its beginning."""
        first, last = _at(self.at_us[0]), _at(self.at_us[-1])
        fewest = len(self)
        for feed in self.feeds:
            machine = self.who.equipment[feed.equipment.key]
            row = conn.execute(
                "SELECT max(sequence) FROM control_snapshot"
                " WHERE equipment_id = %s AND source_id = %s AND at BETWEEN %s AND %s",
                [machine.id, self.who.source_id, first, last],
            ).fetchone()
            fewest = min(fewest, (row and row[0]) or 0)
        return fewest

    def feed(self, conn: psycopg.Connection[Any], begin: int, end: int, *, now: datetime) -> int:
        """Store rows ``begin`` to ``end``; returns how many snapshots and measurements were new."""
        rows = np.arange(begin, end)
        blocks = [self._snapshots(feed, rows) for feed in self.feeds]
        pieces = [self._measurements(feed, rows) for feed in self.feeds]
        return ingest.store_batch(conn, self.who, Batch(blocks, [p for p in pieces if len(p)]), now=now).stored

    def due(self, begin: int, end: int, speed: float, step_s: float, most: int) -> Iterator[tuple[int, float]]:
        """Where to feed up to next, and when (seconds from the start) at ``speed`` s of the file in a second."""
        passed_s = (self.at_us - self.at_us[begin]) / 1e6 if begin < len(self) else self.at_us[:0] / 1e6
        at = begin
        while at < end:
            if speed <= 0:
                at, when = min(at + most, end), 0.0
            else:
                when = float(passed_s[at]) / speed
                upto = int(np.searchsorted(passed_s, passed_s[at] + step_s * speed, "right"))
                at = min(max(upto, at + 1), at + most, end)
            yield at, when

    def _snapshots(self, feed: Feed, rows: IntArray) -> SnapshotBlock:
        machine = self.who.equipment[feed.equipment.key]
        values = np.full((len(rows), len(machine.slots)), np.nan)
        slots = [machine.slots[tag.key] for tag in feed.equipment.tags]
        values[:, slots] = feed.inputs[rows]
        values, quality = judged(values, np.zeros(values.shape, np.int64), machine.low, machine.high)
        has_encoder, has_roll = machine.position_slot is not None, machine.roll_slot is not None
        seconds = (self.at_us[rows] - self.at_us[0]) / 1e6
        return SnapshotBlock(
            equipment=machine,
            at_us=self.at_us[rows],
            sequence=rows + 1,
            roll=np.full(len(rows), -1 if has_roll else ROLL, np.int64),
            web_m=np.full(len(rows), np.nan) if has_encoder else seconds,
            values=values,
            quality=quality,
            row=rows,
        )

    def _measurements(self, feed: Feed, rows: IntArray) -> MeasurementBlock:
        machine = self.who.equipment[feed.equipment.key]
        measured, believed = feed.measured[rows], feed.believed[rows]
        i, column = np.nonzero(np.isfinite(measured))
        ids = np.array([machine.streams[item.stream][0] for item in feed.equipment.measured], np.int64)
        said = np.where(believed[i, column], int(Quality.GOOD), int(Quality.BAD))
        value, quality = judged(measured[i, column], said, -HUGE, HUGE)
        return MeasurementBlock(
            equipment=machine,
            at_us=self.at_us[rows[i]],
            sequence=rows[i] + 1,
            stream=ids[column],
            roll=np.full(len(i), -1, np.int64),
            web_m=np.full(len(i), np.nan),
            value=value,
            quality=quality,
            by=np.full(len(i), int(MeasuredBy.GAUGE), np.int64),
            row=rows[i],
        )


def _at(at_us: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(at_us))
