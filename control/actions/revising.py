"""What a person makes of a change: other values in its place, or the way back. Both are new changes of that person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import inf, isfinite
from typing import Any

from django.contrib.auth.models import User

from control.actions import figures, situation, sizing
from control.actions._move import standing
from control.actions.authority import NOBODY, Right, require
from control.actions.deciding import finding, moves_of, require_current, require_seen
from control.actions.errors import Conflict, Invalid, Refused, Stale
from control.actions.foretelling import expected, with_moves
from control.actions.proposing import offer
from control.core.lifecycle import UNDECIDED, State
from control.core.r2r import by_hand
from control.models import Change, SetPointMove

UNDOABLE = (State.APPLIED, State.VERIFYING, State.EFFECTIVE, State.INEFFECTIVE)
BY_HAND = "by hand"


def undo(change_id: int, *, actor: User, now: datetime, reason: str = "") -> Change:
    """A new change back to the values before: it needs the approval of somebody else, like any other."""
    with finding(change_id, "change.undo", actor=actor, now=now, reason=reason) as old:
        require(actor, Right.PROPOSE, old.line, now)
        until = undoable_until(old)
        if until is None or now > until:
            raise Refused("too_late_to_undo", "Only a change applied a little while ago can be undone.")
        _require_no_hold(old)
        rows = [
            SetPointMove(tag=row.tag, from_value=row.to_value, to_value=row.from_value, part=row.part)
            for row in old.moves.select_related("tag__equipment")
        ]
        if away := situation.moved_away(rows, situation.readings(old.loop.equipment, now).values):
            raise Stale("moved_since", "The machine is no longer where the change put it.", away)
        back = [
            {**item, "now": item["after"], "do_nothing": item["after"], "after": item["do_nothing"]}
            for item in expected(old)
        ]
        told = {**old.evidence, "seen_at": now.isoformat(), "expected": back, "constraints": []}
        recipe = situation.active_recipe(old.loop)
        earlier = old.loop.changes.filter(state__in=UNDECIDED).first()
        return offer(
            old.loop, rows, recipe, told, earlier=earlier, actor=actor, now=now, reason=reason, undoes=old
        )  # fmt: skip


def undoable_until(change: Change) -> datetime | None:
    """Until when a change can be undone; None for one that was not applied, or is not in force any more."""
    if change.state not in UNDOABLE or change.applied_at is None:
        return None
    return change.applied_at + timedelta(seconds=figures.of(change.line_id).undo_s)


def edit(
    change_id: int, *, actor: User, version: int, values: Mapping[str, float], now: datetime, reason: str = ""
) -> Change:
    """The same change with other target values, by tag key: a new proposal of the person, which takes its place.

    It passes every gate that the original had to, lives as long as that would have, and somebody else decides on it.
    A parameter that is given the value it has is left where it is; one that is not named goes where it was to go.
    """
    with finding(change_id, "change.edit", actor=actor, now=now, reason=reason) as old:
        require(actor, Right.PROPOSE, old.line, now)
        require_seen(old, version)
        _require_no_hold(old)
        require_current(old, now)
        rows = _edited(moves_of(old), values)
        _require_possible(old, rows, now)
        told = {**old.evidence, "expected": with_moves(old.loop, old.evidence, rows), "constraints": []}
        recipe = situation.active_recipe(old.loop)
        return offer(
            old.loop, rows, recipe, told, earlier=old, actor=actor, now=now, reason=reason, until=old.expires_at
        )  # fmt: skip


def _require_no_hold(change: Change) -> None:
    if situation.on_hold(change.loop):
        raise Conflict("on_hold", "The line is on HOLD.", standing(change))


def _edited(rows: list[SetPointMove], values: Mapping[str, float]) -> list[SetPointMove]:
    """The moves as they are asked for; the person's part of each has its own name among the contributions."""
    unknown = set(values) - {row.tag.key for row in rows}
    if unknown or not all(map(isfinite, values.values())):
        raise Invalid("not_its_moves", f"Give numbers, and only of what it moves: {', '.join(sorted(unknown))}")
    edited = [_moved(row, values.get(row.tag.key, row.to_value)) for row in rows]
    if all(new.to_value == old.to_value for new, old in zip(edited, rows, strict=True)):
        raise Invalid("same_values", "These are the values that are proposed already.")
    moving = [row for row in edited if abs(row.to_value - row.from_value) > situation.ROUNDING]
    if not moving:
        raise Invalid("no_move", "Nothing would move; reject the change instead.")
    return moving


def _moved(row: SetPointMove, to_value: float) -> SetPointMove:
    by_person = [{"name": BY_HAND, "amount": to_value - row.to_value}] if to_value != row.to_value else []
    contributions = [*row.contributions, *by_person]
    return SetPointMove(
        tag=row.tag, from_value=row.from_value, to_value=to_value, contributions=contributions, part=row.part
    )  # fmt: skip


def _require_possible(old: Change, rows: list[SetPointMove], now: datetime) -> None:
    """Somebody may approve it, and it keeps what the solver would have kept."""
    recipe = situation.active_recipe(old.loop)
    needed = sizing.weigh(rows, recipe, now, besides=old.pk)
    if sizing.role(needed) == NOBODY:
        reach = sizing.reaches(rows, recipe, now, besides=old.pk)
        beyond = {row.tag.key: {"to": row.to_value, **_range(reach[row.tag_id])} for row in rows}
        raise Invalid("beyond_everybody", f"Nobody may approve this ({needed.reason}).", beyond)
    settings, slack = old.loop.settings, min(row.tag.deadband for row in rows)
    found = by_hand.broken(
        {**situation.readings(old.loop.equipment, now).values, **{row.tag.key: row.from_value for row in rows}},
        {row.tag.key: row.to_value for row in rows},
        sum_zero=settings.get("sum_zero", ()),
        neighbours=settings.get("neighbours", ()),
        bend=settings.get("bend_um") or inf,
        slack=slack + situation.ROUNDING,
    )
    if found:
        told = {one.name: {"seen": one.allowed, "is": one.asked} for one in found}
        raise Invalid("not_together", "The moves of a group must go together.", told)


def _range(reach: sizing.Reach) -> dict[str, Any]:
    low, high = reach.supervisor
    return {"low": low, "high": high}
