"""The dispatcher's verbs: an approved change is taken, and the taking is durable before the first byte leaves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from control.actions import audit, figures, leases, signals, sizing
from control.actions._move import move
from control.actions.authority import Right, decides, require, roles
from control.actions.deciding import finding, load, moves_of, require_seen
from control.actions.errors import Conflict, Invalid
from control.actions.leases import Held
from control.actions.loops import demote, lock
from control.actions.situation import (
    active_recipe,
    differences,
    fresh_for,
    inputs_not_good,
    moved_away,
    on_hold,
    silent_scans,
)
from control.core.demotion import Trigger
from control.core.exchange import Reading
from control.core.lifecycle import State, Verb
from control.core.modes import Mode
from control.core.types import Quality
from control.models import Change, Equipment, Handshake, Loop, SetPointMove, Signal

DISPATCHER = "dispatcher"
MUST_BE_ON = ("remote_mode", "interlock_ok")  # status tags that, where a machine has them, must read 1


@dataclass(frozen=True, slots=True)
class Order:
    """One write to one machine: absolute set-points, all together, under one id for ever."""

    change_id: int
    command_id: str
    fence: int
    expires_at: datetime
    base: Mapping[str, float]
    values: Mapping[str, float]
    deadbands: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the dispatcher itself has just read from the machine: the newest scan, and the set-points it holds."""

    at: datetime
    status: Mapping[str, Reading]
    set_points: Mapping[str, Reading]

    def held(self) -> dict[str, float]:
        return {
            key: reading.value
            for key, reading in self.set_points.items()
            if reading.value is not None and reading.quality == Quality.GOOD
        }


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a change must not be written; ``verb`` is how that ends it, None where it only waits."""

    code: str
    verb: Verb | None
    told: Mapping[str, object]


def take(change_id: int, lease: Held, seen: Seen, now: datetime) -> Order | None:
    """Through every gate again, and approved becomes writing; None if a gate said no, which is recorded."""
    try:
        with audit.atomic():
            lock(lease.line_id)
            leases.require(lease)
            change = load(change_id)
            if change.state != State.APPROVED:
                return None
            moves = moves_of(change)
            if objection := _objection(change, moves, seen, now):
                _refuse(change, objection, now)
                return None
            told = {"command_id": str(command_id := uuid4()), "fence": lease.fence}
            move(
                change, Verb.TAKE, actor=DISPATCHER, now=now, told=told,
                command_id=command_id, fence=lease.fence, taken_at=now,
            )  # fmt: skip
            change.moves.update(in_flight=True)
            Loop.objects.filter(pk=change.loop_id).update(last_move_at=now)
    except IntegrityError as error:
        if "move_one_in_flight" not in str(error):
            raise
        with suppress(Conflict), audit.atomic():
            _refuse(load(change_id), Objection("tag_in_flight", Verb.BLOCK, {}), now)
        return None
    return order_of(change, moves)


def block(change_id: int, lease: Held, code: str, now: datetime) -> None:
    """End an approved change that cannot be written at all."""
    with suppress(Conflict), audit.atomic():
        leases.require(lease)
        _refuse(load(change_id), Objection(code, Verb.BLOCK, {}), now)


def objection_to_sending(order: Order, seen: Seen, now: datetime) -> Objection | None:
    """The gates once more, for an order whose first sending is known not to have arrived."""
    with audit.atomic():
        lock(Change.objects.values_list("line_id", flat=True).get(pk=order.change_id))  # a HOLD under way is waited for
        change = load(order.change_id)
        return _objection(change, moves_of(change), seen, now)


def adopt(change_id: int, lease: Held) -> Order | None:
    """Take over what another dispatcher left in writing: from here on only our fence may end it."""
    with transaction.atomic():
        leases.require(lease)
        left = Change.objects.filter(pk=change_id, state=State.WRITING, fence__lte=lease.fence)
        if left.update(fence=lease.fence) != 1:
            return None
    change = load(change_id)
    return order_of(change, moves_of(change))


def order_of(change: Change, moves: list[SetPointMove]) -> Order:
    return Order(
        change_id=change.pk,
        command_id=str(change.command_id),
        fence=change.fence or 0,
        expires_at=change.expires_at,
        base={row.tag.key: row.from_value for row in moves},
        values={row.tag.key: row.to_value for row in moves},
        deadbands={row.tag.key: row.tag.deadband for row in moves},
    )


def confirm(order: Order, read_back: Mapping[str, float], now: datetime) -> None:
    """The machine holds what was asked, read twice."""
    with audit.atomic():
        change = _ours(order)
        move(change, Verb.CONFIRM, actor=DISPATCHER, now=now, told={"read_back": dict(read_back)}, applied_at=now)
        _land(change, read_back)
        revert_undone(change, now)


def fail(order: Order, code: str, detail: str, now: datetime, read_back: Mapping[str, float] | None = None) -> None:
    """It is known not to be as asked: refused, never sent, or the machine holds something else."""
    told = {"code": code, "detail": detail, "read_back": dict(read_back or {})}
    with audit.atomic():
        change = _ours(order)
        move(change, Verb.FAIL, actor=DISPATCHER, now=now, reason=f"{code} {detail}".strip(), told=told)
        _land(change, read_back or {})
        if read_back:  # the machine took something else than it was asked
            demote(change.loop, Mode.SUPERVISED, actor=DISPATCHER, code=Trigger.CLAMPED, now=now, detail=str(change))
        _alarm(change, Signal.Kind.WRITE_FAILED, now)


def lose(order: Order, detail: str, now: datetime) -> None:
    """Sent, outcome unknown. The parameters stay closed and the loop goes down until a person says what happened."""
    with audit.atomic():
        change = _ours(order)
        move(change, Verb.LOSE, actor=DISPATCHER, now=now, reason=detail)
        demote(change.loop, Mode.SUPERVISED, actor=DISPATCHER, code=Trigger.UNCONFIRMED, now=now, detail=str(change))
        _alarm(change, Signal.Kind.UNCONFIRMED, now)


def heard(equipment_id: int, seen: Seen, now: datetime) -> bool:
    """Note that a machine answers and may be written to; False if it may not, or shows nothing of now."""
    equipment = Equipment.objects.get(pk=equipment_id)
    if abs(now - seen.at) > fresh_for(equipment) or _not_on(equipment, seen.status):
        return False
    Handshake.objects.update_or_create(equipment=equipment, defaults={"heard_at": now})
    return True


def resolve(change_id: int, *, actor: User, version: int, applied: bool, reason: str, now: datetime) -> Change:
    """A supervisor has looked at the machine and says whether the unknown write took place."""
    with finding(change_id, "change.resolve", actor=actor, now=now, reason=reason) as change:
        require(actor, Right.RESOLVE, change.line, now)
        require_seen(change, version)
        if change.state != State.UNCONFIRMED:
            raise Conflict("not_unconfirmed", "There is nothing to resolve.")
        if not reason.strip():
            raise Invalid("reason_needed", "Say how you know.")
        if applied:
            move(change, Verb.CONFIRM, actor=actor, now=now, reason=reason, applied_at=change.taken_at)
            revert_undone(change, now)
        else:
            move(change, Verb.FAIL, actor=actor, now=now, reason=reason)
        _land(change, {})
    return change


def _alarm(change: Change, kind: Signal.Kind, now: datetime) -> None:
    signals.raise_(change.line, kind, loop=change.loop, detail=str(change), now=now)


def _objection(change: Change, moves: list[SetPointMove], seen: Seen, now: datetime) -> Objection | None:
    """The first gate that says no. ``seen`` is younger than anything in the database."""
    if now >= change.expires_at:
        return Objection("expired", Verb.EXPIRE, {})
    if on_hold(change.loop):
        return Objection("on_hold", None, {})
    if not Mode(change.loop.actual_mode).writes:
        return Objection("mode_does_not_write", Verb.BLOCK, {"mode": change.loop.actual_mode})
    needed = sizing.role(sizing.weigh(moves, active_recipe(change.loop), now, besides=change.pk))
    if not _still_entitled(change, needed, now):
        return Objection("approver_lost_permission", Verb.BLOCK, {"needs": needed})
    if objection := _objection_of_machine(change, moves, seen, now):
        return objection
    if changed := differences(change, now):
        return Objection("changed_since", Verb.BLOCK, changed)
    if bad := inputs_not_good(change, now):
        return Objection("inputs_not_good", Verb.BLOCK, bad)
    return None


def _gone_silent(equipment: Equipment, now: datetime) -> bool:
    """Too much is missing for what nobody has approved."""
    return silent_scans(equipment, now) > figures.of(equipment.line_id).stale_scans


def _objection_of_machine(change: Change, moves: list[SetPointMove], seen: Seen, now: datetime) -> Objection | None:
    equipment = change.loop.equipment
    unattended = change.decided_by is None
    if abs(now - seen.at) > fresh_for(equipment) or (unattended and _gone_silent(equipment, now)):
        return Objection("machine_silent", Verb.BLOCK, {"newest_scan": seen.at.isoformat()})
    if off := _not_on(equipment, seen.status):
        return Objection("machine_not_ready", Verb.BLOCK, {"off": off})
    if away := moved_away(moves, seen.held()):
        return Objection("set_point_moved", Verb.BLOCK, away)
    return None


def _not_on(equipment: Equipment, status: Mapping[str, Reading]) -> list[str]:
    """What must read 1 and does not, or cannot be vouched for; a machine that has such a tag may not leave it out."""
    has = {*status, *equipment.tags.filter(key__in=MUST_BE_ON).values_list("key", flat=True)}
    return [key for key in MUST_BE_ON if key in has and not _is_on(status.get(key))]


def _is_on(reading: Reading | None) -> bool:
    return reading is not None and reading.quality == Quality.GOOD and reading.value == 1.0


def _still_entitled(change: Change, needed: str, now: datetime) -> bool:
    """Whether who approved might approve this very change now; nobody did in automatic mode, which must still be on."""
    if change.decided_by is None:
        return Mode(change.loop.actual_mode).decides
    return decides(roles(change.decided_by, change.line, now), needed)


def _refuse(change: Change, objection: Objection, now: datetime) -> None:
    if objection.verb:
        move(change, objection.verb, actor=DISPATCHER, now=now, reason=objection.code, told=objection.told)


def _ours(order: Order) -> Change:
    """The change, if the order's fence is still the one that may end it."""
    change = Change.objects.select_for_update(no_key=True, of=("self",)).filter(pk=order.change_id)
    row = change.select_related("loop", "decided_by").get()
    if row.state != State.WRITING or row.fence != order.fence:
        raise Conflict("fenced", "Another dispatcher has taken this write over.")
    return row


def _land(change: Change, read_back: Mapping[str, float]) -> None:
    """The write is over: its parameters are free again."""
    for row in change.moves.select_related("tag"):
        row.in_flight, row.read_back = False, read_back.get(row.tag.key)
        row.save(update_fields=["in_flight", "read_back"])


def revert_undone(change: Change, now: datetime) -> None:
    """What this change was the way back of is not in force any more."""
    if change.undoes_id:
        with suppress(Conflict):
            move(load(change.undoes_id), Verb.REVERT, actor=DISPATCHER, now=now, reason=f"undone by {change}")
