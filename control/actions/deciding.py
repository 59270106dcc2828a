"""What a person does with a change that is open. Every verb re-reads permission and world in its own transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from control.actions import audit, figures, sizing
from control.actions._move import move, overtaken, standing
from control.actions.audit import Actor
from control.actions.authority import LADDER, NOBODY, RIGHTS, Right, decides, may, require, roles
from control.actions.errors import Conflict, Expired, Invalid, NoPermission, NotFound, Refused, Stale, Unsound
from control.actions.loops import demote, lock
from control.actions.signing import Hand, sign
from control.actions.situation import active_recipe, differences, inputs_not_good, on_hold
from control.core.demotion import Trigger
from control.core.lifecycle import UNDECIDED, State, Verb
from control.core.modes import Mode
from control.core.policy import Needed
from control.core.vm.estimator import content_hash
from control.models import Change, ReasonCode, SetPointMove

SYSTEM = "workflow"
SENSOR_DOUBTFUL = "sensor_doubtful"


def approve(
    change_id: int, *, by: Hand, version: int, now: datetime, reason: str = "", parts: Collection[int] | None = None
) -> Change:
    """Compare and swap: the change as the decider saw it becomes approved, which is the dispatcher's queue.

    Being signed in is signature enough within an operator's authority; beyond it the password is asked for. ``parts``
    are those that are approved, all without it; the moves of the others are left out for good.
    """
    actor = by.user
    with finding(change_id, "change.approve", actor=actor, now=now, reason=reason) as change:
        held = require(actor, Right.DECIDE, change.line, now)
        require_seen(change, version)
        if on_hold(change.loop):
            raise Conflict("on_hold", "HOLD is on: nothing is approved until a supervisor ends it.", standing(change))
        require_current(change, now)
        told, chosen = _leave_out(change, parts)
        needed = sizing.weigh(moves_of(change), active_recipe(change.loop), now, besides=change.pk)
        beyond = _require_authority(change, actor, held, needed) != LADDER[0]
        _sign(change, by, "approve_beyond" if beyond else "approve", now=now, reason=reason, password=beyond)
        decided = {"decided_by": actor, "decided_at": now, **chosen}
        move(change, Verb.APPROVE, actor=actor, now=now, reason=reason, told=told, **decided)
    return change


def reject(change_id: int, *, actor: User, version: int, code: str, now: datetime, text: str = "") -> Change:
    """Say no, with a reason code; HOLD does not hinder it."""
    with finding(change_id, "change.reject", actor=actor, now=now, reason=f"{code} {text}".strip()) as change:
        require(actor, Right.DECIDE, change.line, now)
        require_seen(change, version)
        why = ReasonCode.objects.filter(key=code, is_active=True).first()
        if why is None:
            raise Invalid("unknown_reason", f"{code!r} is not a reason code.")
        if why.needs_text and not text.strip():
            raise Invalid("text_needed", "This reason needs a sentence.")
        decided = {"decided_by": actor, "decided_at": now, "reason_code": why}
        told = {"reason_code": code}
        move(change, Verb.REJECT, actor=actor, now=now, reason=text, hold=on_hold(change.loop), told=told, **decided)
        if code == SENSOR_DOUBTFUL:
            _count_doubts(change, now)
    return change


def ask_supervisor(change_id: int, *, actor: User, version: int, now: datetime, reason: str = "") -> Change:
    """An operator hands the decision up."""
    with finding(change_id, "change.escalate", actor=actor, now=now, reason=reason) as change:
        require(actor, Right.DECIDE, change.line, now)
        require_seen(change, version)
        escalate(change, actor=actor, now=now, reason=reason)
    return change


def escalate(change: Change, *, actor: Actor, now: datetime, reason: str = "") -> None:
    """From here on it takes a supervisor."""
    hold = on_hold(change.loop)
    move(change, Verb.ESCALATE, actor=actor, now=now, reason=reason, hold=hold, needs=LADDER[-1])


def withdraw(change_id: int, *, actor: User, version: int, now: datetime, reason: str) -> Change:
    """Take a change back: its author, or a supervisor."""
    with finding(change_id, "change.withdraw", actor=actor, now=now, reason=reason) as change:
        if not may_withdraw(change, actor, now):
            raise NoPermission("no_permission", "Only its author or a supervisor takes a change back.")
        require_seen(change, version)
        move(change, Verb.WITHDRAW, actor=actor, now=now, reason=reason, hold=on_hold(change.loop))
    return change


def may_withdraw(change: Change, user: User, now: datetime) -> bool:
    held = roles(user, change.line, now)
    deciding = any(Right.DECIDE in RIGHTS[role] for role in held)
    return deciding and (change.author_id == user.pk or decides(held, LADDER[-1]))


@contextmanager
def finding(change_id: int, action: str, *, actor: User, now: datetime, reason: str) -> Iterator[Change]:
    """The change, with its line locked, for one verb of a person; a refusal is recorded and may end the change.

    What the person may not see is not found.
    """
    line_id = Change.objects.filter(pk=change_id).values_list("line_id", flat=True).first()
    target = ("change", change_id)
    try:
        with audit.attempt(actor=actor, action=action, obj=target, now=now, reason=reason, line=line_id):
            if line_id is None or not may(actor, Right.VIEW, lock(line_id), now):
                raise NotFound("not_found", "There is no such change.")
            yield load(change_id)
    except Stale as refusal:
        with suppress(Conflict), audit.atomic():
            move(load(change_id), refusal.ends, actor=SYSTEM, now=now, reason=refusal.detail, told=refusal.difference)
        raise


def load(change_id: int) -> Change:
    return Change.objects.select_related("loop__equipment", "line__area", "author", "decided_by").get(pk=change_id)


def moves_of(change: Change) -> list[SetPointMove]:
    return list(change.moves.select_related("tag__equipment"))


def require_seen(change: Change, version: int) -> None:
    """The decider saw the change as it is; otherwise somebody was first."""
    if change.version != version:
        raise overtaken(change)


def require_current(change: Change, now: datetime) -> None:
    """Undecided, in time, in a mode that writes, everything as the decider saw it, and its inputs still good."""
    if State(change.state) not in UNDECIDED:
        raise overtaken(change)
    if now >= change.expires_at:
        raise Expired("expired", f"It expired at {change.expires_at.isoformat()}.")
    if not Mode(change.loop.actual_mode).writes:
        raise Refused("mode_does_not_write", f"In {change.loop.actual_mode} mode the operator types it at the machine.")
    if changed := differences(change, now):
        raise Stale("changed_since", f"No longer as it was proposed: {', '.join(changed)}.", changed)
    if bad := inputs_not_good(change, now):
        raise Unsound("inputs_not_good", f"The predictions it rests on are not good: {', '.join(bad)}.", bad)


def _leave_out(change: Change, parts: Collection[int] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Mark the moves of all other parts: what the audit is told of it, and what is stored with the change."""
    rows = moves_of(change)
    if parts is None or set(parts) == {row.part for row in rows}:
        return {}, {}
    if not parts or not set(parts) < {row.part for row in rows}:
        raise Invalid("no_such_part", "Only parts that were solved for by themselves are approved alone.")
    left = [row for row in rows if row.part not in parts]
    change.moves.filter(pk__in=[row.pk for row in left]).update(left_out=True)
    recipe = active_recipe(change.loop)
    size = max(sizing.percent(row.tag, row.to_value - row.from_value, recipe) for row in rows if row not in left)
    return {"left_out": [row.tag_id for row in left]}, {"parts": sorted(set(parts)), "size_percent": size}


def _require_authority(change: Change, actor: User, held: frozenset[str], needed: Needed) -> str:
    """The lowest role that may approve it, which the person has."""
    if change.author_id == actor.pk:
        raise NoPermission("own_change", "Author and approver are different people, always.")
    least = sizing.role(needed)
    if least != NOBODY and change.needs == LADDER[-1]:
        least = LADDER[-1]
    if not decides(held, least):
        told = {"needs": least, "why": needed.reason, "move": needed.move_percent, "shift": needed.shift_percent}
        raise NoPermission("beyond_authority", f"This needs: {least} ({needed.reason}).", told)
    return least


def _sign(change: Change, by: Hand, meaning: str, *, now: datetime, reason: str, password: bool) -> None:
    """Sign the version that was seen: what moves, and by its hash all that was before the decider."""
    rows = SetPointMove.everything.filter(change=change).select_related("tag")
    moves = [{"tag": row.tag.key, "from": row.from_value, "to": row.to_value} for row in rows if not row.left_out]
    seen = {"change": change.pk, "version": change.version, "moves": moves, "evidence": content_hash(change.evidence)}
    if left := [row.tag.key for row in rows if row.left_out]:
        seen["left_out"] = left
    sign(change, by=by, meaning=meaning, content=seen, line=change.line, now=now, reason=reason, password=password)


def _count_doubts(change: Change, now: datetime) -> None:
    """Operators who keep doubting a sensor are right until shown otherwise."""
    rejected = change.loop.changes.filter(state=State.REJECTED, reason_code__key=SENSOR_DOUBTFUL)
    told = figures.of(change.line_id)
    if rejected.filter(decided_at__gt=now - timedelta(seconds=told.doubts_within_s)).count() >= told.doubts:
        demote(change.loop, Mode.SUPERVISED, actor=SYSTEM, code=Trigger.SENSOR_DOUBTFUL, now=now)
