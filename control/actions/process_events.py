"""Events of the process come in: told by a person, seen by a pass in a status tag, or caused by an action of ours.

However it came, one event of a machine, kind, side and instant is one row, and a pass takes it into account once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User

from control import events
from control.actions import audit
from control.actions.audit import Actor
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.core.process_events import Event, Kind
from control.epoch import instant
from control.models import Equipment, Line, ProcessEvent

AHEAD = timedelta(minutes=1)  # a station's clock may be fast
BACK = timedelta(days=7)  # what is older belongs into a logbook


def record(
    line: Line,
    kind: Kind,
    *,
    at: datetime,
    actor: User,
    now: datetime,
    equipment: Equipment | None = None,
    side: str = "",
    note: str = "",
) -> list[ProcessEvent]:
    """A person tells of an event on one machine, or on every machine of the line."""
    machines = [equipment] if equipment else list(line.equipment.order_by("position", "id"))
    with audit.attempt(actor=actor, action="process_event.record", obj=line, line=line, now=now, reason=note):
        require(actor, Right.RECORD_EVENT, line, now)
        if not now - BACK <= at <= now + AHEAD:
            raise Invalid("not_now", f"An event lies at most {BACK.days} days back and not ahead.")
        if not machines:
            raise Invalid("no_machine", "The line has no machine that an event could concern.")
        rows = _stored(
            ProcessEvent(
                equipment=machine, kind=kind, side=side, at=at, note=note.strip()[:200], recorded_at=now,
                recorded_by=actor,
            )
            for machine in machines
        )  # fmt: skip
        if not rows:
            raise Conflict("already_recorded", "This event is recorded already.")
        _tell(rows, line.pk, actor=actor, now=now)
        return rows


def caused(line: Line, kind: Kind, *, actor: Actor, now: datetime, note: str = "") -> list[ProcessEvent]:
    """An action of ours changes something on every machine of the line now."""
    by = actor if isinstance(actor, User) else None
    with audit.atomic():
        rows = _stored(
            ProcessEvent(equipment=machine, kind=kind, at=now, note=note[:200], recorded_at=now, recorded_by=by)
            for machine in line.equipment.order_by("position", "id")
        )
        _tell(rows, line.pk, actor=actor, now=now)
    return rows


def seen(
    equipment_id: int,
    line_id: int,
    found: Sequence[tuple[Event, str]],
    *,
    actor: Actor,
    now: datetime,
    taken_at: datetime | None,
) -> list[ProcessEvent]:
    """What the system saw by itself, each with a note; ``taken_at`` if the pass that saw it has taken it by that.

    Where a person told of the same event at the same instant, that row stays.
    """
    with audit.atomic():
        rows = _stored(
            ProcessEvent(
                equipment_id=equipment_id, kind=event.kind, side=event.side, at=instant(event.at_s), note=note[:200],
                recorded_at=now, taken_at=taken_at,
            )
            for event, note in found
        )  # fmt: skip
        _tell(rows, line_id, actor=actor, now=now)
    return rows


def taken(ids: Iterable[int], *, now: datetime) -> None:
    """A pass has handed these to the core; undone with the pass if that fails."""
    ProcessEvent.objects.filter(pk__in=list(ids)).update(taken_at=now)


def _stored(rows: Iterable[ProcessEvent]) -> list[ProcessEvent]:
    """Those that were not there yet, as they are stored now."""
    stored = []
    for row in rows:
        same = {name: getattr(row, name) for name in ("equipment_id", "kind", "side", "at")}
        told = {name: getattr(row, name) for name in ("note", "recorded_at", "recorded_by", "taken_at")}
        found, is_new = ProcessEvent.objects.get_or_create(**same, defaults=told)
        stored += [found] if is_new else []
    return stored


def _tell(rows: Sequence[ProcessEvent], line_id: int, *, actor: Actor, now: datetime) -> None:
    for row in rows:
        told = {"equipment": row.equipment_id, "kind": row.kind, "side": row.side, "at": row.at.isoformat()}
        audit.record(
            actor=actor, action="process_event.record", obj=row, now=now, new=told, reason=row.note, line=line_id
        )
    if rows:
        events.publish("event", line_id=line_id)
