"""A recommendation that somebody has set at the machine himself: noticed from what the machine says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from control.actions import audit, situation
from control.actions._move import move
from control.actions.deciding import SYSTEM, moves_of
from control.actions.errors import Conflict
from control.actions.writing import revert_undone
from control.core.lifecycle import State, Verb
from control.models import Change, Loop, SetPointMove, Snapshot

PENDING = (State.PENDING_OPERATOR, State.PENDING_SUPERVISOR)
ON_END = 2  # scans that must show it: one may be a mere spike


def follow_due(now: datetime) -> None:
    """What waits for a decision and stands at the machine already is applied, and its effect is watched.

    This is how advisory mode ends well; in supervised mode an operator may have been quicker at the panel.
    """
    for change in Change.objects.filter(state__in=PENDING).select_related("loop__equipment", "decided_by"):
        moves = moves_of(change)
        scans = _scans(change)
        if len(scans) == ON_END and all(_stands(moves, values) for _at, values in scans):
            with suppress(Conflict), audit.atomic():  # decided in this very moment
                _follow(change, moves, scans, now)


def _follow(
    change: Change, moves: Sequence[SetPointMove], scans: Sequence[tuple[datetime, Mapping[str, float]]], now: datetime
) -> None:
    newest, since = scans[0][1], scans[-1][0]
    told = {"read_back": {row.tag.key: newest[row.tag.key] for row in moves}}
    move(change, Verb.FOLLOW, actor=SYSTEM, now=now, told=told, applied_at=since, decided_at=since)
    for row in moves:
        row.read_back = newest[row.tag.key]
        row.save(update_fields=["read_back"])
    Loop.objects.filter(pk=change.loop_id).update(last_move_at=since)
    revert_undone(change, now)


def _scans(change: Change) -> list[tuple[datetime, Mapping[str, float]]]:
    """The newest scans since it was proposed, the newest first: when, and the good values."""
    equipment = change.loop.equipment
    rows = Snapshot.objects.filter(equipment=equipment, at__gt=change.proposed_at).order_by("-at", "-sequence")
    keys = list(equipment.tags.order_by("slot").values_list("key", flat=True))
    told = rows.values_list("at", "values", "quality")[:ON_END]
    return [(at, situation.good_values(keys, values, quality)) for at, values, quality in told]


def _stands(moves: Sequence[SetPointMove], values: Mapping[str, float]) -> bool:
    """Everything is where the change would have put it, and has come there from somewhere else."""
    if any(row.tag.key not in values for row in moves) or not situation.moved_away(moves, values):
        return False
    return all(abs(values[row.tag.key] - row.to_value) <= row.tag.deadband + situation.ROUNDING for row in moves)
