"""Recipe drift: a machine that stands elsewhere than its recipe and the changes made under it say.

Looked at once a minute: one query for all lines, and more only where something is away. It is one signal of a line.
Once it is answered the same difference calls nobody again, until the machine was back in between. What is told
elsewhere is not told here: a hand that took a loop out of automatic mode, a write that went wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np
from django.db import connection

from control.actions import figures, signals, situation
from control.core import recipe_drift
from control.core.demotion import Trigger
from control.core.recipe_drift import Difference
from control.core.types import BoolArray, FloatArray, Quality
from control.models import Equipment, Line, Loop, Signal, Snapshot

KIND = Signal.Kind.RECIPE_DRIFT
PRIORITY = 2
STANDS = 0.05  # of what a speed can show at most: slower than that a web stands
# Every set-point of the recipes in force with what should be there: the newest value that was applied since the
# set-point is what it is, else the set-point. Nothing of a parameter that is being written, or whose write is unknown
HELD = """
WITH scan AS (
    SELECT r.id AS recipe_id, e.id, e.key, s.at, s.values, s.quality
    FROM control_recipe r JOIN control_equipment e USING (line_id)
    CROSS JOIN LATERAL (
        SELECT at, values, quality FROM control_snapshot
        WHERE equipment_id = e.id AND at <= %(now)s + %(skew)s
            AND at >= %(now)s - make_interval(secs => greatest(%(scans)s * e.cycle_s, %(scans)s))
        ORDER BY at DESC, sequence DESC LIMIT 1) s
    WHERE r.state = 'active')
SELECT r.line_id, scan.id, p.path, t.unit, t.slot, t.deadband, scan.at,
    CASE WHEN made.counts THEN made.to_value ELSE p.told::text::float8 END,
    CASE WHEN made.counts THEN made.applied_at ELSE coalesce(r.effective_from, scan.at) END,
    CASE WHEN scan.quality[t.slot + 1] = %(good)s THEN scan.values[t.slot + 1] END
FROM scan JOIN control_recipe r ON r.id = scan.recipe_id
CROSS JOIN LATERAL jsonb_each(r.content -> 'set_points') AS p (path, told)
JOIN control_tag t ON t.equipment_id = scan.id AND p.path = concat(scan.key, '.', t.key)
LEFT JOIN LATERAL (
    SELECT newest.*, newest.applied_at >= r.effective_from OR newest.applied_at >= (
        SELECT coalesce(max(o.effective_to), '-infinity') FROM control_recipe o
        WHERE o.line_id = r.line_id AND o.id <> r.id
            AND o.content -> 'set_points' -> p.path IS DISTINCT FROM r.content -> 'set_points' -> p.path) AS counts
    FROM (SELECT m.to_value, c.applied_at FROM control_setpointmove m JOIN control_change c ON c.id = m.change_id
        WHERE m.tag_id = t.id AND NOT m.left_out AND c.applied_at IS NOT NULL ORDER BY m.id DESC LIMIT 1) newest
    ) made ON true
WHERE jsonb_typeof(p.told) = 'number'
    AND NOT EXISTS (SELECT FROM control_setpointmove f WHERE f.tag_id = t.id AND f.in_flight)
ORDER BY r.line_id, scan.id, t.slot
"""


class Held(NamedTuple):
    """One parameter in the newest scan of its machine; ``since`` is from when on it should be where it is expected."""

    line_id: int
    equipment_id: int
    path: str
    unit: str
    slot: int
    deadband: float
    at: datetime
    expected: float
    since: datetime
    value: float | None

    @property
    def away(self) -> bool:
        return self.value is not None and self.differs(self.value).away

    @property
    def back(self) -> bool:
        return self.value is not None and not self.away

    def differs(self, found: float) -> Difference:
        return Difference(self.expected, found, self.deadband)


def watch(now: datetime) -> None:
    """Raise, extend and forget: what is off on every line."""
    of_line: dict[int, list[Held]] = {}
    for row in _held(now):
        of_line.setdefault(row.line_id, []).append(row)
    told: dict[int, list[Signal]] = {}
    for signal in Signal.objects.filter(kind=KIND).exclude(told={}).order_by("pk"):  # the newest answer counts
        told.setdefault(signal.line_id, []).append(signal)
    for line_id, rows in of_line.items():
        away = [row for row in rows if row.away]
        if away or line_id in told:
            back = {row.path for row in rows if row.back}
            _tell(line_id, _off(line_id, away), back, told.get(line_id, []), now)


def _held(now: datetime) -> Iterable[Held]:
    asked: dict[str, Any] = {"now": now, "skew": situation.CLOCK_SKEW, "scans": situation.FRESH_SCANS}
    with connection.cursor() as cursor:
        cursor.execute(HELD, {**asked, "good": int(Quality.GOOD)})
        return [Held(*row) for row in cursor.fetchall()]


# --- what is off ------------------------------------------------------------------------------------------------------
class Off(NamedTuple):
    row: Held
    differs: Difference

    @property
    def words(self) -> str:
        """In no language: expected → found."""
        return f"{self.row.path} {self.differs.expected:.6g} → {self.differs.found:.6g} {self.row.unit}".strip()


def _off(line_id: int, away: Sequence[Held]) -> dict[str, Off]:
    """Those that have been away for the settling time, of which nobody is told elsewhere."""
    if not away:
        return {}
    settle = timedelta(seconds=figures.of(line_id).recipe_settle_s)
    elsewhere = _told_elsewhere(line_id)
    of_machine: dict[int, list[Held]] = {}
    for row in away:
        if row.since <= row.at - settle and elsewhere.get(row.path, row.since) <= row.since:
            of_machine.setdefault(row.equipment_id, []).append(row)
    return {one.row.path: one for rows in of_machine.values() for one in _settled(rows, settle)}


def _told_elsewhere(line_id: int) -> dict[str, datetime]:
    """Parameters of loops, and when somebody was told: of an open alarm about a write, of a hand that was noticed."""
    wrote = (Signal.Kind.WRITE_FAILED, Signal.Kind.UNCONFIRMED)
    alarms = dict(
        Signal.objects.filter(line=line_id, kind__in=wrote, closed_at__isnull=True).values_list("loop", "last_at")
    )
    found: dict[str, datetime] = {}
    for loop in Loop.objects.filter(equipment__line=line_id).select_related("equipment"):
        if loop.pk in alarms:
            found |= {f"{loop.equipment.key}.{mv}": alarms[loop.pk] for mv in loop.settings["mvs"]}
        for reason in loop.mode_reasons:
            if isinstance(reason, dict) and reason.get("code") == Trigger.HAND_MOVE:
                at = datetime.fromisoformat(reason["at"])
                found |= {f"{loop.equipment.key}.{mv}": at for mv in reason.get("detail", "").split(", ")}
    return found


def _settled(rows: Sequence[Held], settle: timedelta) -> Iterable[Off]:
    """Of the parameters of one machine that are away now, those that have been all the time."""
    machine, at = Equipment.objects.get(pk=rows[0].equipment_id), rows[0].at
    begin = at - settle - timedelta(seconds=2 * situation.scan_s(machine.cycle_s))
    scans = Snapshot.objects.filter(equipment=machine, at__gt=begin, at__lte=at).order_by("at", "sequence")
    told = list(scans.values_list("at", "values", "quality"))
    if not told or told[0][0] > at - settle:  # it was not heard of for so long
        return
    values = _columns(told, [row.slot for row in rows])
    expected = np.array([row.expected for row in rows])
    tolerance = np.array([row.differs(row.expected).tolerance for row in rows])
    for k in np.flatnonzero(recipe_drift.off(values, expected, tolerance, _moving(machine, told))).tolist():
        yield Off(rows[k], rows[k].differs(float(np.nanmean(values[:, k]))))


Scans = Sequence[tuple[datetime, Sequence[float | None], Sequence[int]]]


def _columns(scans: Scans, slots: Sequence[int]) -> FloatArray:
    """The good values (n, k) of some tags; an older row may be shorter than a slot is high."""
    return np.array([[_good(values, quality, slot) for slot in slots] for _at, values, quality in scans])


def _good(values: Sequence[float | None], quality: Sequence[int], slot: int) -> float:
    value = values[slot] if slot < len(values) and quality[slot] == Quality.GOOD else None
    return float("nan") if value is None else value


def _moving(machine: Equipment, scans: Scans) -> BoolArray:
    """Whether the web ran (n,), as far as the machine has a speed."""
    tag = machine.tags.filter(key=machine.web.get("speed", "")).first()
    if tag is None:
        return np.ones(len(scans), bool)
    return np.asarray(_columns(scans, [tag.slot])[:, 0] > STANDS * (tag.high or 0.0))


# --- telling it -------------------------------------------------------------------------------------------------------
def _tell(line_id: int, found: Mapping[str, Off], back: set[str], told: Sequence[Signal], now: datetime) -> None:
    """``told`` are the line's signals that still stand for something, answered or not."""
    answered: dict[str, list[float]] = {}
    for signal in told:
        left = {path: values for path, values in signal.told.items() if path not in back}
        if left != signal.told:
            Signal.objects.filter(pk=signal.pk).update(told=left)
        if signal.closed_at is not None:
            answered |= left
    new = {path: one for path, one in found.items() if not _known(one, answered)}
    open_ = next((signal for signal in told if signal.closed_at is None), None)
    if open_ is not None and all(_known(one, open_.told) for one in new.values()):
        if new:
            Signal.objects.filter(pk=open_.pk, closed_at__isnull=True).update(last_at=now)
    elif new:
        signals.raise_(
            Line.objects.get(pk=line_id), KIND, now=now, priority=PRIORITY,
            detail=shorten(", ".join(one.words for one in new.values()), 200, placeholder=" …"),
            told={path: [one.differs.expected, one.differs.found] for path, one in new.items()},
        )  # fmt: skip


def _known(one: Off, told: Mapping[str, Sequence[float]]) -> bool:
    values = told.get(one.row.path)
    return values is not None and one.differs.same(*values)
