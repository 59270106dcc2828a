"""What a source sent, as columns of one equipment, with every value judged before it is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import psycopg

from control.core.types import BoolArray, FloatArray, IntArray, Quality

HUGE = 1e100  # beyond any unit; its square would not fit a float any more
MOST_ROLLS = float(2**53)  # up to here a float counts every whole number
MOST_METRES = 1e9
PLANT = """
SELECT e.id, e.key, e.web::text,
       coalesce((SELECT array_agg(ARRAY[t.key, t.unit, t.low::text, t.high::text] ORDER BY t.slot)
                 FROM control_tag t WHERE t.equipment_id = e.id), '{}'),
       (SELECT coalesce(json_object_agg(
                   c.key || '/' || l.number || CASE l.side WHEN 'both' THEN '' ELSE '-' || l.side END,
                   json_build_array(s.id, c.unit, c.counted))::text, '{}')
        FROM control_stream s JOIN control_lane l ON l.id = s.lane_id
             JOIN control_characteristic c ON c.id = s.characteristic_id
        WHERE l.equipment_id = e.id)
FROM control_equipment e WHERE e.line_id = %s ORDER BY e.id
"""


@dataclass(frozen=True, slots=True, eq=False)
class KnownEquipment:
    """What ingest must know of one equipment: ``slots`` tag -> place in a snapshot, ``streams`` key -> (id, unit).

    ``counted`` are the streams that are counted, by what is (see core.spc.counts).
    """

    id: int
    key: str
    slots: dict[str, int]
    units: tuple[str, ...]
    low: FloatArray
    high: FloatArray
    position_slot: int | None
    roll_slot: int | None
    streams: dict[str, tuple[int, str]]
    counted: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """One source, its line and the machines it may speak for.

    ``rolls`` (equipment, number) and ``days`` are known to be in the database, committed: they need no second look.
    """

    source_id: int
    line_id: int
    equipment: dict[str, KnownEquipment]
    rolls: set[tuple[int, int]] = field(default_factory=set)
    days: set[date] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class SnapshotBlock:
    """Snapshots of one equipment.

    Shapes: ``at_us`` (microseconds since 1970), ``sequence``, ``roll``, ``web_m`` (n,); ``values``, ``quality``
    (n, tags). ``row`` (n,) says which row of the body each was. ``web_m`` NaN, ``roll`` -1: not said.
    """

    equipment: KnownEquipment
    at_us: IntArray
    sequence: IntArray
    roll: IntArray
    web_m: FloatArray
    values: FloatArray
    quality: IntArray
    row: IntArray

    def __len__(self) -> int:
        return len(self.at_us)

    def take(self, which: IntArray | BoolArray) -> SnapshotBlock:
        names = ("at_us", "sequence", "roll", "web_m", "values", "quality", "row")
        return replace(self, **{name: getattr(self, name)[which] for name in names})


@dataclass(frozen=True, slots=True, eq=False)
class MeasurementBlock:
    """Measured values of one equipment, all (n,). ``stream`` is a stream's id; ``roll`` -1, ``web_m`` NaN: not said.

    ``sample`` is the size of what was counted in, NaN of what was measured; None where nothing was counted.
    """

    equipment: KnownEquipment
    at_us: IntArray
    sequence: IntArray
    stream: IntArray
    roll: IntArray
    web_m: FloatArray
    value: FloatArray
    quality: IntArray
    by: IntArray
    row: IntArray
    sample: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.at_us)


def known(conn: psycopg.Connection[Any], source_id: int) -> Known:
    """Look up what a source may send. Raises LookupError when there is no such active source."""
    found = conn.execute("SELECT line_id FROM control_source WHERE id = %s AND is_active", [source_id]).fetchone()
    if found is None:
        raise LookupError(f"no active source {source_id}")
    machines = [_equipment(row) for row in conn.execute(PLANT, found).fetchall()]
    return Known(source_id, found[0], {machine.key: machine for machine in machines})


def _equipment(row: tuple[Any, ...]) -> KnownEquipment:
    pk, key, web_text, tags, streams_text = row
    web = json.loads(web_text)  # as text, because Django's connection and a bare one read JSON differently
    slots, streams = {tag: slot for slot, (tag, *_) in enumerate(tags)}, json.loads(streams_text)
    return KnownEquipment(
        id=pk,
        key=key,
        slots=slots,
        units=tuple(unit for _, unit, _, _ in tags),
        low=np.array([-HUGE if low is None else float(low) for _, _, low, _ in tags]),
        high=np.array([HUGE if high is None else float(high) for _, _, _, high in tags]),
        position_slot=slots.get(web.get("position")),
        roll_slot=slots.get(web.get("roll")),
        streams={name: (int(pk), unit) for name, (pk, unit, _) in streams.items()},
        counted={name: of for name, (_, _, of) in streams.items() if of},
    )


def judged(
    values: FloatArray, said: IntArray, low: FloatArray | float, high: FloatArray | float
) -> tuple[FloatArray, IntArray]:
    """Values with what cannot be a number made NaN, and the worse of the quality said and the one seen here."""
    missing, absurd = np.isnan(values), np.abs(values) >= HUGE
    doubtful = (values < low) | (values > high)
    seen = np.select([missing, absurd, doubtful], [Quality.MISSING, Quality.BAD, Quality.DOUBTFUL], Quality.GOOD)
    quality = np.where(missing & (said > Quality.DOUBTFUL), said, np.maximum(seen, said))
    return np.where(absurd, np.nan, values), quality.astype(np.int64)


def placed(block: SnapshotBlock, last: tuple[int, float] | None) -> SnapshotBlock:
    """Fill in the place on the web where a row did not say it: from the encoder's tags, else the row before it.

    ``last`` is the place of the newest snapshot before the block. A machine without an encoder counts seconds.
    """
    machine, at = block.equipment, np.argsort(block.at_us, kind="stable")
    web_m, roll = block.web_m.copy(), block.roll.astype(np.float64)
    roll[block.roll < 0] = np.nan
    if machine.position_slot is None:
        web_m = np.where(np.isnan(web_m), block.at_us / 1e6, web_m)
    else:
        web_m = _from_tag(block, web_m, machine.position_slot, MOST_METRES)
    if machine.roll_slot is not None:
        roll = _from_tag(block, roll, machine.roll_slot, MOST_ROLLS)
    before_roll, before_m = last or (0, 0.0)
    web_m[at] = _held(web_m[at], before_m)
    roll[at] = _held(roll[at], float(before_roll))
    return replace(block, web_m=web_m, roll=np.rint(roll).astype(np.int64))


def _from_tag(block: SnapshotBlock, told: FloatArray, slot: int, most: float) -> FloatArray:
    """What a tag says where the row said nothing. A counter that cannot be right is as good as none."""
    read = block.values[:, slot]
    usable = (block.quality[:, slot] == Quality.GOOD) & (read >= 0) & (read < most)
    return np.where(np.isnan(told) & usable, read, told)


def _held(values: FloatArray, before: float) -> FloatArray:
    """Each NaN replaced by the last number before it."""
    filled = np.concatenate([[before], values])
    last = np.maximum.accumulate(np.where(np.isnan(filled), 0, np.arange(len(filled))))
    return filled[last][1:]
