"""The only way data comes in: rows of a source into the trace, each exactly once, committed when acknowledged.

One transaction a body. Rows go in by binary COPY; if that meets a row already stored, they go through a temporary table
that leaves the doubled ones out. ``Intake.arrived`` is locked from the numbering to the commit, so that arrivals are in
commit order and a reader that remembers the last one misses nothing.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from psycopg import sql

from control.actions import _counts
from control.actions._blocks import Known, KnownEquipment, MeasurementBlock, SnapshotBlock, judged, known, placed
from control.actions._copy import Column, pack, timestamps
from control.actions._rows import Refusal, Unreadable, measurements, snapshots
from control.core.exchange import Scan
from control.core.types import IntArray, MeasuredBy, Quality
from control.models import Source

__all__ = [
    "Batch",
    "Directory",
    "Known",
    "KnownEquipment",
    "MeasurementBlock",
    "Receipt",
    "Refusal",
    "SnapshotBlock",
    "Unreadable",
    "batch_of_rows",
    "batch_of_scans",
    "known",
    "make_days",
    "raw",
    "store",
    "store_batch",
]

PARTITIONED_DAYS = 400  # older days go to the default partition
PIECES_A_SCAN = 1000
REAL = (MeasuredBy.GAUGE, MeasuredBy.LAB)
DAY_US = 86_400_000_000
SNAPSHOT = (
    "equipment_id",
    "at",
    "source_id",
    "sequence",
    "arrival",
    "received_at",
    "roll",
    "web_m",
    "values",
    "quality",
)
MEASUREMENT = (
    *("equipment_id", "at", "source_id", "sequence", "stream_id", "arrival"),
    *("received_at", "roll", "web_m", "value", "quality", "by", "n"),
)
ARRIVED = """
WITH moved AS (
    UPDATE control_intake SET arrived = %s, last_received_at = %s, earliest_at = least(earliest_at, %s)
    WHERE equipment_id = %s RETURNING equipment_id)
SELECT pg_notify('apc_ingest', equipment_id::text) FROM moved
"""
LAST_PLACE = """
SELECT roll, web_m FROM control_snapshot WHERE equipment_id = %s AND at < %s AND at > %s ORDER BY at DESC LIMIT 1
"""
MERGE = """
INSERT INTO {table} ({names}) SELECT {names} FROM pg_temp.{incoming} ORDER BY arrival ON CONFLICT DO NOTHING
"""
SET_ASIDE = """
INSERT INTO control_setaside (source_id, received_at, kind, "row", reason, detail, times, fingerprint)
SELECT %s, %s, k, r, c, d, 1, f
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS t(k, r, c, d, f)
ORDER BY f ON CONFLICT (source_id, fingerprint) DO UPDATE SET times = control_setaside.times + 1
"""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What is to be stored in one transaction: at most one block of each kind an equipment."""

    snapshots: Sequence[SnapshotBlock] = ()
    measurements: Sequence[MeasurementBlock] = ()
    refused: Sequence[Refusal] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a body: rows stored, rows that were there already, rows set aside with the reason."""

    stored: int
    doubled: int
    set_aside: list[Refusal] = field(default_factory=list)


class Directory:
    """Who may send what, remembered for ``seconds`` so that a body costs no look-up; safe across threads."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self._kept: dict[int, tuple[float, Known]] = {}
        self._lock = threading.Lock()

    def get(self, conn: psycopg.Connection[Any], source_id: int) -> Known:
        """Raises LookupError when there is no such active source."""
        with self._lock:
            kept = self._kept.get(source_id)
        if kept and kept[0] > time.monotonic():
            return kept[1]
        found = known(conn, source_id)
        with self._lock:
            self._kept[source_id] = time.monotonic() + self.seconds, found
        return found


def store(
    source: Source, snapshot_rows: Iterable[Any] = (), measurement_rows: Iterable[Any] = (), *, now: datetime
) -> Receipt:
    """Store rows as the HTTP interface takes them, through Django's connection."""
    conn = raw()
    who = known(conn, source.pk)
    return store_batch(conn, who, batch_of_rows(who, snapshot_rows, measurement_rows, now=now), now=now)


def raw() -> psycopg.Connection[Any]:
    """The psycopg connection under Django's, for COPY."""
    connection.ensure_connection()
    inner = connection.connection
    assert isinstance(inner, psycopg.Connection)  # psycopg 3, or a pool's connection, which is one
    return inner


def batch_of_rows(
    who: Known, snapshot_rows: Iterable[Any] = (), measurement_rows: Iterable[Any] = (), *, now: datetime
) -> Batch:
    """Check rows and turn them into blocks."""
    blocks, refused = snapshots(who, snapshot_rows, now)
    pieces, refused_pieces = measurements(who, measurement_rows, now)
    return Batch(blocks, pieces, [*refused, *refused_pieces])


def batch_of_scans(who: Known, scans: Sequence[Scan]) -> Batch:
    """What a connector read. Raises LookupError for a tag, stream or equipment that the plant does not have."""
    grouped: dict[str, list[Scan]] = {}
    for scan in scans:
        grouped.setdefault(scan.equipment, []).append(scan)
    machines = [(who.equipment[key], of) for key, of in grouped.items()]
    pieces = [_pieces(machine, of) for machine, of in machines if any(scan.measurements for scan in of)]
    return Batch([_scans(machine, of) for machine, of in machines], pieces)


def _scans(machine: KnownEquipment, scans: list[Scan]) -> SnapshotBlock:
    said = np.full((len(scans), len(machine.slots)), 3, np.int64)
    values = np.full(said.shape, np.nan)
    for tags in {scan.tags for scan in scans}:
        rows = [i for i, scan in enumerate(scans) if scan.tags == tags]
        if unknown := [tag for tag in tags if tag not in machine.slots]:
            raise LookupError(f"{machine.key} sends {', '.join(unknown)}, which the plant does not have")
        where = np.ix_(rows, [machine.slots[tag] for tag in tags])
        values[where] = np.array([scans[i].values for i in rows], np.float64)
        said[where] = [scans[i].quality for i in rows]
    values, quality = judged(values, said, machine.low, machine.high)
    return SnapshotBlock(
        equipment=machine,
        at_us=np.array([round(scan.at * 1e6) for scan in scans], np.int64),
        sequence=np.array([scan.sequence for scan in scans], np.int64),
        roll=np.array([scan.roll for scan in scans], np.int64),
        web_m=np.array([scan.web_m for scan in scans], np.float64),
        values=values,
        quality=quality,
        row=np.arange(len(scans)),
    )


def _pieces(machine: KnownEquipment, scans: list[Scan]) -> MeasurementBlock:
    if any(piece.by not in REAL for scan in scans for piece in scan.measurements):
        raise LookupError(f"{machine.key} sends a prediction as if it had been measured")
    found = [(scan.sequence * PIECES_A_SCAN + i, piece) for scan in scans for i, piece in enumerate(scan.measurements)]
    sound = [not _counts.fault(machine.counted.get(piece.stream, ""), piece.value, piece.n) for _, piece in found]
    said = np.array([piece.quality for _, piece in found], np.int64)
    value = np.array([piece.value for _, piece in found], np.float64)
    said, value = np.where(sound, said, np.maximum(said, Quality.BAD)), np.where(sound, value, np.nan)
    value, quality = judged(value, said, -np.inf, np.inf)
    return MeasurementBlock(
        equipment=machine,
        at_us=np.array([round(piece.taken_at * 1e6) for _, piece in found], np.int64),
        sequence=np.array([sequence for sequence, _ in found], np.int64),
        stream=np.array([machine.streams[piece.stream][0] for _, piece in found], np.int64),
        roll=np.array([piece.roll for _, piece in found], np.int64),
        web_m=np.array([piece.web_m for _, piece in found], np.float64),
        value=value,
        quality=quality,
        by=np.array([piece.by for _, piece in found], np.int64),
        row=np.arange(len(found)),
        sample=np.where(sound, np.array([piece.n for _, piece in found], np.float64), np.nan),
    )


def store_batch(conn: psycopg.Connection[Any], who: Known, batch: Batch, *, now: datetime) -> Receipt:
    """Store a checked batch in one transaction and wake the pipeline. When this returns, it is committed."""
    ready = {block.equipment.id: _ready(conn, block) for block in batch.snapshots if len(block)}
    pieces = {block.equipment.id: block for block in batch.measurements if len(block)}
    sent = sum(map(len, batch.snapshots)) + sum(map(len, batch.measurements))
    days = _days(*ready.values(), *pieces.values()) - who.days
    rolls = {key: at for key, at in _rolls(ready.values()).items() if key not in who.rolls}
    alone = conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    make_days(conn, days, now)
    stored = 0
    with conn.transaction():
        _note_rolls(conn, who, rolls)
        _set_aside(conn, who, batch.refused, now)
        for equipment_id in sorted(ready.keys() | pieces.keys()):
            stored += _store_equipment(conn, who, equipment_id, ready.get(equipment_id), pieces.get(equipment_id), now)
    if alone:  # inside somebody's transaction, which may yet be undone, nothing is known for good
        who.days.update(days)
        who.rolls.update(rolls)
    return Receipt(stored, sent - stored, list(batch.refused))


def make_days(conn: psycopg.Connection[Any], days: Iterable[date], now: datetime) -> None:
    """See that there is a partition for each day that is near enough to have one."""
    for day in sorted(days):
        if abs(day - now.date()) > timedelta(days=PARTITIONED_DAYS):
            continue
        part = f"control_snapshot_{day:%Y%m%d}"
        try:
            with conn.transaction():
                conn.execute("SELECT control_make_day(%s) WHERE to_regclass(%s) IS NULL", [day, part])
        except psycopg.errors.CheckViolation:
            continue  # rows of that day came when it was too old to have one; the default partition keeps them


def _days(*blocks: SnapshotBlock | MeasurementBlock) -> set[date]:
    days = {int(day) for block in blocks for day in np.unique(block.at_us // DAY_US)}
    return {date(1970, 1, 1) + timedelta(days=day) for day in days}


def _ready(conn: psycopg.Connection[Any], block: SnapshotBlock) -> SnapshotBlock:
    """A block without rows twice, every row placed on the web."""
    keys = np.stack([block.at_us, block.sequence])
    block = block.take(np.sort(np.unique(keys, axis=1, return_index=True)[1]))
    if not np.isnan(block.web_m).any() and (block.roll >= 0).all():
        return block
    first = int(block.at_us.min())
    place = conn.execute(LAST_PLACE, [block.equipment.id, _instant(first), _instant(first - DAY_US)]).fetchone()
    return placed(block, place)


def _instant(at_us: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(at_us))


def _rolls(blocks: Iterable[SnapshotBlock]) -> dict[tuple[int, int], datetime]:
    """(equipment, roll number) -> its first instant in these blocks."""
    found: dict[tuple[int, int], datetime] = {}
    for block in blocks:
        in_time = np.argsort(block.at_us, kind="stable")
        numbers, first = np.unique(block.roll[in_time], return_index=True)
        starts = block.at_us[in_time][first]
        found |= {(block.equipment.id, int(n)): _instant(at) for n, at in zip(numbers, starts, strict=True)}
    return found


def _note_rolls(conn: psycopg.Connection[Any], who: Known, rolls: dict[tuple[int, int], datetime]) -> None:
    """A row for every roll seen for the first time: it began with its first snapshot, under the active recipe."""
    if not rolls:
        return
    columns = [list(column) for column in zip(*sorted((*key, at) for key, at in rolls.items()), strict=True)]
    conn.execute(
        "INSERT INTO control_roll (equipment_id, number, lot, recipe_id, started_at)"
        " SELECT e, n, '', (SELECT id FROM control_recipe WHERE line_id = %s AND state = 'active'), s"
        " FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS t(e, n, s)"
        " WHERE NOT EXISTS (SELECT 1 FROM control_roll r WHERE r.equipment_id = e AND r.number = n)"
        " ORDER BY e, n ON CONFLICT DO NOTHING",
        [who.line_id, *columns],
    )


def _set_aside(conn: psycopg.Connection[Any], who: Known, refused: Sequence[Refusal], now: datetime) -> None:
    """Keep what could not be stored, once each however often it is sent."""
    if not refused:
        return
    by_print = {
        hashlib.sha256(f"{r.kind}\n{r.code}\n{r.text}".encode()).hexdigest(): (r.kind, r.text, r.code, r.detail[:400])
        for r in refused
    }
    columns = [list(column) for column in zip(*by_print.values(), strict=True)]
    conn.execute(SET_ASIDE, [who.source_id, now, *columns, list(by_print)])


def _store_equipment(
    conn: psycopg.Connection[Any],
    who: Known,
    equipment_id: int,
    block: SnapshotBlock | None,
    pieces: MeasurementBlock | None,
    now: datetime,
) -> int:
    """Number the rows of one equipment and store those that are new; returns how many were."""
    locked = conn.execute("SELECT arrived FROM control_intake WHERE equipment_id = %s FOR UPDATE", [equipment_id])
    row = locked.fetchone()
    if row is None:
        raise LookupError(f"equipment {equipment_id} has no intake")
    arrived, stored = row[0], 0
    if block is not None:
        stored += _copy(conn, "control_snapshot", SNAPSHOT, _snapshot_columns(who, block, arrived, now))
        arrived += len(block)
    if pieces is not None:
        stored += _copy(conn, "control_measurement", MEASUREMENT, _measurement_columns(who, pieces, arrived, now))
        arrived += len(pieces)
    if stored:
        oldest = min(int(part.at_us.min()) for part in (block, pieces) if part is not None)
        conn.execute(ARRIVED, [arrived, now, _instant(oldest), equipment_id])
    return stored


def _same(value: int, n: int) -> IntArray:
    return np.full(n, value, np.int64)


def _us(now: datetime) -> int:
    return (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _snapshot_columns(who: Known, block: SnapshotBlock, arrived: int, now: datetime) -> list[Column]:
    n = len(block)
    return [
        _same(block.equipment.id, n),
        timestamps(block.at_us),
        _same(who.source_id, n),
        block.sequence,
        arrived + 1 + np.arange(n),
        timestamps(_same(_us(now), n)),
        block.roll,
        block.web_m,
        block.values,
        block.quality.astype(np.int16),
    ]


def _measurement_columns(who: Known, block: MeasurementBlock, arrived: int, now: datetime) -> list[Column]:
    n = len(block)
    return [
        _same(block.equipment.id, n),
        timestamps(block.at_us),
        _same(who.source_id, n),
        block.sequence,
        block.stream,
        arrived + 1 + np.arange(n),
        timestamps(_same(_us(now), n)),
        (block.roll, block.roll < 0),
        block.web_m,
        block.value,
        block.quality.astype(np.int16),
        block.by.astype(np.int16),
        np.full(n, np.nan) if block.sample is None else block.sample,
    ]


def _copy(conn: psycopg.Connection[Any], table: str, names: Sequence[str], columns: Sequence[Column]) -> int:
    """COPY rows into a table; when some are there already, only the others. Returns how many were new."""
    data = pack(columns)
    parts = {
        "table": sql.Identifier(table),
        "incoming": sql.Identifier(table.replace("control_", "incoming_")),
        "names": sql.SQL(", ").join(map(sql.Identifier, names)),
    }
    try:
        with conn.transaction():
            return _copy_in(conn, sql.SQL("COPY {table} ({names}) FROM STDIN (FORMAT BINARY)").format(**parts), data)
    except psycopg.errors.UniqueViolation:
        conn.execute(sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {incoming} (LIKE {table})").format(**parts))
        conn.execute(sql.SQL("DELETE FROM pg_temp.{incoming}").format(**parts))
        _copy_in(conn, sql.SQL("COPY pg_temp.{incoming} ({names}) FROM STDIN (FORMAT BINARY)").format(**parts), data)
        return conn.execute(sql.SQL(MERGE).format(**parts)).rowcount


def _copy_in(conn: psycopg.Connection[Any], statement: sql.Composed, data: bytes) -> int:
    with conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(data)
        return cursor.rowcount
