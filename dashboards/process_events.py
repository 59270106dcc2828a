"""A person tells of an event of the process, from a page or the API alike: once for each Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from control.actions import process_events
from control.actions.idempotency import Answered
from control.core.process_events import Kind
from control.models import Equipment, Line, ProcessEvent
from dashboards.doors import once
from dashboards.permissions import now


def record(
    user: User,
    key: str,
    line: Line,
    kind: Kind,
    *,
    at: datetime,
    equipment: Equipment | None = None,
    side: str = "",
    note: str = "",
    when: str = "",
) -> Answered:
    """``when`` is how the person put the instant, if it is counted from now: the same form sent twice says the same."""
    machine = equipment and equipment.key
    asked = {
        "line": line.key,
        "kind": kind,
        "at": when or at.isoformat(),
        "equipment": machine,
        "side": side,
        "note": note,
    }

    def act() -> Mapping[str, Any]:
        told = {"at": at, "actor": user, "now": now(), "equipment": equipment, "side": side, "note": note}
        return {"events": [as_json(row) for row in process_events.record(line, kind, **told)]}

    return once(user, key, "event", asked, act)


def as_json(row: ProcessEvent) -> dict[str, Any]:
    return {
        "id": row.pk, "equipment": row.equipment.key, "kind": row.kind, "side": row.side, "at": row.at.isoformat(),
        "note": row.note, "recorded_at": row.recorded_at.isoformat(),
        "recorded_by": row.recorded_by.get_username() if row.recorded_by else None,
    }  # fmt: skip
