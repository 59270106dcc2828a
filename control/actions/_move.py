"""The only place where a change comes into being or changes state: row, audit and event in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from control import events
from control.actions import audit
from control.actions.audit import Actor
from control.actions.errors import Conflict
from control.core.lifecycle import NotAllowed, State, Verb, after
from control.models import Change, SetPointMove

CHANNEL = "apc_change"  # PostgreSQL NOTIFY; the payload is the line's id


def begin(change: Change, moves: Iterable[SetPointMove], *, actor: Actor, now: datetime, reason: str = "") -> None:
    """Store a new change as proposed, with its moves."""
    change.state, change.state_since, change.version = State.PROPOSED, now, 1
    change.save(force_insert=True)
    rows = list(moves)
    for row in rows:
        row.change = change
    SetPointMove.objects.bulk_create(rows)
    told = {
        "state": State.PROPOSED,
        "loop": change.loop_id,
        "needs": change.needs,
        "supersedes": change.supersedes_id,
        "undoes": change.undoes_id,
        "moves": [{"tag": row.tag_id, "from": row.from_value, "to": row.to_value} for row in rows],
    }
    audit.record(
        actor=actor, action="change.propose", obj=change, now=now, new=told, reason=reason, line=change.line_id
    )
    _announce(change)


def move(
    change: Change,
    verb: Verb,
    *,
    actor: Actor,
    now: datetime,
    reason: str = "",
    hold: bool = False,
    told: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    """Move the row as the table says, if it still is as ``change`` has it; ``fields`` are stored with it.

    ``reason`` stays on the row until the next one; ``told`` is for the audit alone.
    """
    old = State(change.state)
    try:
        new = after(old, verb, hold=hold)
    except NotAllowed as error:
        raise Conflict("on_hold" if hold else "not_possible", str(error), standing(change)) from None
    seen = change.version
    fields |= {"state": new, "version": seen + 1, "state_since": now}
    if reason:
        fields["reason"] = reason[:400]
    if Change.objects.filter(pk=change.pk, state=old, version=seen).update(**fields) != 1:
        raise overtaken(Change.objects.select_related("decided_by").get(pk=change.pk))
    for name, value in fields.items():
        setattr(change, name, value)
    audit.record(
        actor=actor, action=f"change.{verb}", obj=change, now=now, reason=reason, line=change.line_id,
        old={"state": old, "version": seen}, new={"state": new, "version": seen + 1, **(told or {})},
    )  # fmt: skip
    _announce(change)


def remember(change: Change, what: str, told: Mapping[str, Any], *, actor: Actor, now: datetime) -> None:
    """Store in the field ``what`` something that was found out of a change that has ended, once."""
    seen, fields = change.version, {what: dict(told), "version": change.version + 1}
    if Change.objects.filter(pk=change.pk, version=seen, **{f"{what}__isnull": True}).update(**fields) != 1:
        raise overtaken(Change.objects.select_related("decided_by").get(pk=change.pk))
    for name, value in fields.items():
        setattr(change, name, value)
    audit.record(
        actor=actor, action=f"change.{what}", obj=change, now=now, line=change.line_id,
        old={"version": seen}, new={"version": seen + 1, **told},
    )  # fmt: skip
    _announce(change)


def overtaken(change: Change) -> Conflict:
    """Someone else was first: say who, when, and what the change is now."""
    now = standing(change)
    who = f" by {now['by']}" if now["by"] else ""
    return Conflict("overtaken", f"The change is already {now['state']}{who} since {now['since']}.", now)


def standing(change: Change) -> dict[str, Any]:
    return {
        "state": str(change.state),
        "version": change.version,
        "since": change.state_since.isoformat(),
        "by": change.decided_by.get_username() if change.decided_by else None,
    }


def _announce(change: Change) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(change.line_id)])
    events.publish("change", line_id=change.line_id, change_id=change.pk)
