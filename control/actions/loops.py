"""HOLD, and the modes of loops.

Anyone on the line may stop; only a supervisor lets go again or raises a mode.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User

from control import events
from control.actions import audit
from control.actions.audit import Actor
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.actions.signing import Hand, sign
from control.core.modes import Mode, lower
from control.models import Hold, Line, Loop

REASONS_KEPT = 5


def lock(line_id: int) -> Line:
    """The line, for the rest of the transaction: decisions, HOLD and writes of one line come one after the other."""
    return Line.objects.select_for_update(no_key=True, of=("self",)).select_related("area__site").get(pk=line_id)


def hold(line: Line, *, actor: User, now: datetime, loop: Loop | None = None, reason: str = "") -> Hold:
    """Freeze a line, or one loop of it. Holding what is held already changes nothing."""
    with audit.attempt(actor=actor, action="line.hold", obj=line, line=line, now=now, reason=reason):
        require(actor, Right.HOLD, lock(line.pk), now)
        row, created = Hold.objects.get_or_create(
            line=line, loop=loop, ended_at=None, defaults={"since": now, "by": actor, "reason": reason}
        )
        if created:
            _tell_hold("line.hold", row, actor=actor, now=now, reason=reason)
            held = Loop.objects.filter(equipment__line=line) if loop is None else [loop]
            stand_down(held, actor=actor, code="hold", now=now, detail=reason)
        return row


def release(line: Line, *, by: Hand, now: datetime, loop: Loop | None = None, reason: str) -> None:
    """End a HOLD: a supervisor's, signed with his password and a reason."""
    actor = by.user
    with audit.attempt(actor=actor, action="line.release", obj=line, line=line, now=now, reason=reason):
        require(actor, Right.RELEASE, lock(line.pk), now)
        if not reason.strip():
            raise Invalid("reason_needed", "Leaving HOLD needs a reason.")
        row = Hold.objects.filter(line=line, loop=loop, ended_at__isnull=True).first()
        if row is None:
            raise Conflict("not_held", "There is no HOLD to end.")
        held = {"hold": row.pk, "line": line.key, "loop": loop and loop.key, "since": row.since.isoformat()}
        sign(row, by=by, meaning="leave_hold", content=held, now=now, line=line, reason=reason)
        Hold.objects.filter(pk=row.pk, ended_at__isnull=True).update(ended_at=now, ended_by=actor)
        _tell_hold("line.release", row, actor=actor, now=now, reason=reason)


def set_mode(loop: Loop, mode: Mode, *, actor: User, now: datetime, reason: str) -> None:
    """Ask for a mode, and get it. Automatic mode has conditions that nothing here can show to be met: refused."""
    line = loop.equipment.line
    with audit.attempt(actor=actor, action="loop.mode", obj=loop, line=line, now=now, reason=reason):
        require(actor, Right.SET_MODE, lock(line.pk), now)
        if mode.decides:
            raise Invalid("auto_conditions_unmet", "A loop is not released for automatic mode by request.")
        if not reason.strip():
            raise Invalid("reason_needed", "Changing the mode needs a reason.")
        old = Loop.objects.get(pk=loop.pk)
        told = {"requested_mode": mode, "actual_mode": mode, "mode_reasons": [], "mode_since": now}
        Loop.objects.filter(pk=loop.pk).update(**told)
        _tell_mode(old, mode, actor=actor, now=now, reason=reason)
    loop.refresh_from_db()


def demote(loop: Loop, to: Mode, *, actor: Actor, code: str, now: datetime, detail: str = "") -> bool:
    """Bring the actual mode down to ``to`` and say why; what people asked for stays. False if it was not above."""
    with audit.atomic():
        row = Loop.objects.select_for_update(no_key=True).get(pk=loop.pk)
        old = Mode(row.actual_mode)
        if lower(old, to) is old:
            return False
        why = {"code": code, "detail": detail, "at": now.isoformat()}
        reasons = [why, *row.mode_reasons][:REASONS_KEPT]
        Loop.objects.filter(pk=loop.pk).update(actual_mode=to, mode_reasons=reasons, mode_since=now)
        _tell_mode(row, to, actor=actor, now=now, reason=f"{code} {detail}".strip())
        loop.actual_mode, loop.mode_reasons, loop.mode_since = to, reasons, now
        return True


def stand_down(loops: Iterable[Loop], *, actor: Actor, code: str, now: datetime, detail: str = "") -> None:
    """None of these stays in automatic mode: after a HOLD, a restart or a new dispatcher a person raises it again."""
    for loop in loops:
        demote(loop, Mode.SUPERVISED, actor=actor, code=code, now=now, detail=detail)


def _tell_hold(action: str, row: Hold, *, actor: User, now: datetime, reason: str) -> None:
    scope = {"loop": row.loop_id}
    audit.record(actor=actor, action=action, obj=row.line, now=now, new=scope, reason=reason, line=row.line_id)
    events.publish("hold", line_id=row.line_id)


def _tell_mode(old: Loop, to: Mode, *, actor: Actor, now: datetime, reason: str) -> None:
    line_id = old.equipment.line_id
    audit.record(
        actor=actor, action="loop.mode", obj=old, now=now, reason=reason, line=line_id,
        old={"requested": old.requested_mode, "actual": old.actual_mode}, new={"actual": to},
    )  # fmt: skip
    events.publish("loop", line_id=line_id, loop_id=old.pk)
