"""HOLD: one tap by anyone on the line, and nothing is approved or written any more; a supervisor signs to end it.

The stop itself waits for nobody: it is stored before the line's lock is asked for. Only then is waited until what was
under way has ended, so that who reads "HOLD is on" knows that nothing goes out any more; if something does not end in
time, that is said.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import OperationalError

from control import events
from control.actions import audit
from control.actions._lock import lock_all
from control.actions.authority import Right, require, require_at_site
from control.actions.errors import Conflict, Invalid
from control.actions.modes import stand_down
from control.actions.signing import Hand, sign
from control.core.demotion import Trigger
from control.models import Hold, Line, Loop, Site

Scope = Site | Line | Loop
LEAVING = "leave_hold"


def hold(scope: Scope, *, actor: User, now: datetime, reason: str = "") -> Hold:
    """Freeze a loop, a line or a whole site. Holding what is held already changes nothing.

    ``settled`` of the answer: whether everything that was under way has ended.
    """
    place = _place(scope)
    told: dict[str, Any] = {"actor": actor, "now": now, "reason": reason}
    with audit.attempt(action="line.hold", obj=scope, line=place["line"], **told):
        _require(scope, Right.HOLD, actor, now)
        row, created = Hold.objects.get_or_create(
            **place, ended_at=None, defaults={"since": now, "by": actor, "reason": reason[:400]}
        )
        if created:
            _tell("line.hold", row, **told)
    row.settled = _settled(row, actor=actor, now=now, detail=reason)
    return row


def hold_reason(hold: Hold, reason: str, *, actor: User, now: datetime) -> None:
    """Say afterwards why it was stopped: whoever did, or anyone else who might have."""
    with audit.attempt(actor=actor, action="line.hold_reason", obj=hold, line=hold.line, now=now, reason=reason):
        _require(hold.scope, Right.HOLD, actor, now)
        if not reason.strip():
            raise Invalid("reason_needed", "Say why it was stopped.")
        if Hold.objects.filter(pk=hold.pk, ended_at__isnull=True).update(reason=reason.strip()[:400]) != 1:
            raise Conflict("not_held", "This HOLD has ended already.")
        _tell("line.hold_reason", hold, actor=actor, now=now, reason=reason)


def release(hold: Hold, *, by: Hand, now: datetime, reason: str) -> None:
    """End a HOLD: a supervisor's signature, with a reason. No loop is in automatic mode afterwards."""
    with audit.attempt(actor=by.user, action="line.release", obj=hold, line=hold.line, now=now, reason=reason):
        lock_all(line.pk for line in lines_of(hold))
        _require(hold.scope, Right.RELEASE, by.user, now)
        if not reason.strip():
            raise Invalid("reason_needed", "Leaving HOLD needs a reason.")
        if Hold.objects.filter(pk=hold.pk, ended_at__isnull=True).update(ended_at=now, ended_by=by.user) != 1:
            raise Conflict("not_held", "There is no HOLD to end.")
        content = {"hold": hold.pk, **_ids(hold)}
        sign(hold, by=by, meaning=LEAVING, content=content, now=now, line=hold.line, reason=reason)
        stand_down(loops_of(hold), actor=by.user, code=Trigger.HOLD, now=now)
        _tell("line.release", hold, actor=by.user, now=now, reason=reason)


def lines_of(hold: Hold) -> list[Line]:
    if hold.line is not None:
        return [hold.line]
    return list(Line.objects.filter(area__site=hold.site_id).order_by("pk"))


def loops_of(hold: Hold) -> list[Loop]:
    if hold.loop is not None:
        return [hold.loop]
    return list(Loop.objects.filter(equipment__line__in=lines_of(hold)).order_by("pk"))


def _settled(row: Hold, *, actor: User, now: datetime, detail: str) -> bool:
    """Wait for what is under way on the lines, and take their loops out of automatic mode."""
    try:
        with audit.atomic():
            lock_all(line.pk for line in lines_of(row))
            stand_down(loops_of(row), actor=actor, code=Trigger.HOLD, now=now, detail=detail)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # anything but lock_not_available
            raise
        return False
    return True


def _place(scope: Scope) -> dict[str, Any]:
    if isinstance(scope, Site):
        return {"site": scope, "line": None, "loop": None}
    if isinstance(scope, Loop):
        return {"site": None, "line": scope.equipment.line, "loop": scope}
    return {"site": None, "line": scope, "loop": None}


def _require(scope: Any, right: Right, actor: User, now: datetime) -> None:
    if isinstance(scope, Site):
        require_at_site(actor, right, scope, now)
    else:
        require(actor, right, scope.equipment.line if isinstance(scope, Loop) else scope, now)


def _ids(row: Hold) -> dict[str, Any]:
    return {"site": row.site_id, "line": row.line_id, "loop": row.loop_id}


def _tell(action: str, row: Hold, *, actor: User, now: datetime, reason: str) -> None:
    audit.record(actor=actor, action=action, obj=row.scope, now=now, new=_ids(row), reason=reason, line=row.line_id)
    for line in lines_of(row):
        events.publish("hold", line_id=line.pk)
