"""The mode of a loop: what people asked for, what is in force, and why they differ. The only writers of either.

Every change of one ends the loop's spell and begins another. A loop that leaves automatic mode takes back what was
counting down.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from math import isfinite
from typing import Any

from django.contrib.auth.models import User

from control import events
from control.actions import audit, figures, standing
from control.actions._lock import lock
from control.actions._move import move
from control.actions.audit import Actor
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.actions.signing import Hand, sign
from control.actions.situation import missing_scans
from control.core.demotion import Trigger
from control.core.lifecycle import State, Verb
from control.core.modes import Mode, lower
from control.core.promotion import conditions, unmet
from control.models import Change, Loop, ModeSpell

REASONS_KEPT = 5
ASKED, LIFTED = "asked", "lifted"
INTO_AUTO = "enter_auto"


def request(loop: Loop, mode: Mode, *, by: Hand, now: datetime, reason: str) -> None:
    """Ask for a mode: a supervisor's, with a reason. It is in force at once, as far as the line allows.

    Automatic mode is given only if every condition is met, and signed with the password; the conditions that are not
    are told.
    """
    line = loop.equipment.line
    with audit.attempt(actor=by.user, action="loop.mode", obj=loop, line=line, now=now, reason=reason):
        require(by.user, Right.SET_MODE, lock(line.pk), now)
        if not reason.strip():
            raise Invalid("reason_needed", "Changing the mode needs a reason.")
        row = _locked(loop)
        if mode.decides:
            _require_conditions(row, now)
            content = {"loop": row.pk, "mode": mode, "settings": row.settings_number}
            sign(row, by=by, meaning=INTO_AUTO, content=content, now=now, line=line, reason=reason)
        why = _in_the_way(row, mode, now)
        actual = lower(mode, Mode.SHADOW) if why else mode
        _set(row, requested=mode, actual=actual, reasons=why, actor=by.user, now=now, code=ASKED, detail=reason)
    loop.refresh_from_db()


def demote(loop: Loop, to: Mode, *, actor: Actor, code: str, now: datetime, detail: str = "") -> bool:
    """Bring the actual mode down to ``to`` and say why; what people asked for stays. False if it was not above."""
    with audit.atomic():
        row = _locked(loop)
        if lower(Mode(row.actual_mode), to) is Mode(row.actual_mode):
            return False
        reasons = [_why(code, detail, now), *row.mode_reasons][:REASONS_KEPT]
        _set(
            row, requested=Mode(row.requested_mode), actual=to, reasons=reasons, actor=actor, now=now, code=code,
            detail=detail,
        )  # fmt: skip
    loop.actual_mode, loop.mode_reasons, loop.mode_since = to, reasons, now
    return True


def stand_down(loops: Iterable[Loop], *, actor: Actor, code: str, now: datetime, detail: str = "") -> None:
    """None of these stays in automatic mode: after a HOLD, a restart or a new dispatcher a person raises it again."""
    for loop in loops:
        if Mode(loop.actual_mode).decides:
            demote(loop, Mode.SUPERVISED, actor=actor, code=code, now=now, detail=detail)


def lift(loop: Loop, *, actor: Actor, now: datetime) -> bool:
    """Out of a shadow that silence alone had brought, to supervised at most. False if it is not in one any more."""
    with audit.atomic():
        row = _locked(loop)
        requested = Mode(row.requested_mode)
        if Mode(row.actual_mode) is not Mode.SHADOW or not fell_silent(row):
            return False
        actual = lower(requested, Mode.SUPERVISED)
        reasons = [] if actual is requested else row.mode_reasons
        _set(row, requested=requested, actual=actual, reasons=reasons, actor=actor, now=now, code=LIFTED)
    loop.refresh_from_db()
    return True


def fell_silent(loop: Loop) -> bool:
    """Whether the newest reason why it is down is one that passes."""
    newest = loop.mode_reasons[0] if loop.mode_reasons else {}
    return isinstance(newest, dict) and newest.get("code") in [trigger for trigger in Trigger if trigger.passes]


def _locked(loop: Loop) -> Loop:
    return Loop.objects.select_for_update(no_key=True, of=("self",)).select_related("equipment").get(pk=loop.pk)


def _require_conditions(loop: Loop, now: datetime) -> None:
    figured = figures.of(loop.equipment.line_id)
    missing = unmet(conditions(standing.standing(loop, now), figured))
    if missing:
        told = {
            one.condition.value: {"is": round(one.has, 4) if isfinite(one.has) else None, "needed": one.needed}
            for one in missing
        }
        names = ", ".join(told)
        raise Conflict("auto_conditions_unmet", f"Not yet met: {names}.", told)


def _in_the_way(loop: Loop, mode: Mode, now: datetime) -> list[dict[str, str]]:
    """Why the loop cannot be in that mode now, though it was asked for."""
    if not mode.offers or missing_scans(loop.equipment, now) <= figures.of(loop.equipment.line_id).very_stale_scans:
        return []
    return [_why(Trigger.VERY_STALE, "", now)]


def _why(code: str, detail: str, now: datetime) -> dict[str, str]:
    return {"code": code, "detail": detail, "at": now.isoformat()}


def _set(
    old: Loop,
    *,
    requested: Mode,
    actual: Mode,
    reasons: list[Any],
    actor: Actor,
    now: datetime,
    code: str,
    detail: str = "",
) -> None:
    """Row, spell, audit and bell; ``old`` is the locked row as it was."""
    line_id = old.equipment.line_id
    told = {"requested_mode": requested, "actual_mode": actual, "mode_reasons": reasons, "mode_since": now}
    Loop.objects.filter(pk=old.pk).update(**told)
    ModeSpell.objects.filter(loop=old, until__isnull=True).update(until=now)
    begin_spell(old, requested=requested, actual=actual, now=now, code=code, detail=detail, actor=actor)
    reason = detail if code == ASKED else f"{code} {detail}".strip()
    audit.record(
        actor=actor, action="loop.mode", obj=old, now=now, reason=reason, line=line_id,
        old={"requested": old.requested_mode, "actual": old.actual_mode},
        new={"requested": requested, "actual": actual, "code": code},
    )  # fmt: skip
    if Mode(old.actual_mode).decides and not actual.decides:
        _take_back(old, actor=actor, now=now, reason=code)
    events.publish("loop", line_id=line_id, loop_id=old.pk)


def begin_spell(
    loop: Loop, *, requested: str, actual: str, now: datetime, code: str, actor: Actor, detail: str = ""
) -> None:
    by = actor if isinstance(actor, User) else None
    told = {"requested": requested, "actual": actual, "since": now, "code": code, "detail": detail[:400], "by": by}
    ModeSpell.objects.create(loop=loop, **told)


def _take_back(loop: Loop, *, actor: Actor, now: datetime, reason: str) -> None:
    """What would have been written unless stopped is not, without automatic mode."""
    for change in Change.objects.filter(loop=loop, state=State.VETO).select_related("decided_by"):
        with suppress(Conflict), audit.atomic():  # stopped by a person in this very moment
            move(change, Verb.WITHDRAW, actor=actor, now=now, reason=reason)
