"""Recommendations that were not followed are scored too: by the foil that was made without them.

Whatever was set instead counts, be it nothing, a person's other values, or a hand at the machine: with the move the
streams would have stood further by gain times (proposed value - value that stood).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from control.actions import audit, gauged
from control.actions._move import remember
from control.actions.deciding import SYSTEM, moves_of
from control.actions.errors import Conflict
from control.actions.foretelling import gains_of
from control.core.foretold import all_land
from control.core.hindsight import Stood, look_back
from control.core.lifecycle import State
from control.models import Change

REFUSED = (State.REJECTED, State.EXPIRED)
AT_ONCE = 20  # looked back on in one go; an older database may have many


def look_back_due(now: datetime) -> None:
    """Score what was not followed, once the foil made after that has been measured."""
    for change, since in _waiting(now):
        with suppress(Conflict), audit.atomic():  # another worker was first
            _look_back(change, since, now)


def _waiting(now: datetime) -> Iterator[tuple[Change, datetime]]:
    """What is due, with the instant from which the foil was made without it."""
    refused = Change.objects.filter(state__in=REFUSED, hindsight__isnull=True).order_by("pk")
    for change in refused.select_related("loop__equipment", "decided_by")[:AT_ONCE]:
        if now >= gauged.due(change, change.state_since):
            yield change, change.state_since
    edits = Change.objects.filter(
        author__isnull=False, undoes=None, applied_at__isnull=False,
        supersedes__state=State.SUPERSEDED, supersedes__hindsight__isnull=True,
    )  # fmt: skip
    told = edits.select_related("supersedes__loop__equipment", "supersedes__decided_by").order_by("pk")
    for edit in told[:AT_ONCE]:
        if edit.supersedes and edit.applied_at and now >= gauged.due(edit.supersedes, edit.applied_at):
            yield edit.supersedes, edit.applied_at


def _look_back(change: Change, since: datetime, now: datetime) -> None:
    streams = _streams(change, since)
    if 2 * len(streams) < len(change.evidence["expected"]) or not streams:
        if now >= gauged.due(change, since) + gauged.GIVE_UP:
            remember(change, "hindsight", {"measured": False}, actor=SYSTEM, now=now)
        return
    told: dict[str, Any] = {"measured": True, "streams": [asdict(one) for one in streams], **asdict(look_back(streams))}
    remember(change, "hindsight", told, actor=SYSTEM, now=now)


def _streams(change: Change, since: datetime) -> list[Stood]:
    """Every stream that was measured; none while it is not known where the parameters stood."""
    moves, set_points = moves_of(change), gauged.set_points_after(change, since)
    if any(row.tag.key not in set_points for row in moves):
        return []
    told, gains = change.evidence["expected"], gains_of(change.loop, change.evidence)
    columns = [(gains[row.tag.key], row.to_value - set_points[row.tag.key]) for row in moves]
    stood = gauged.after(change, since)
    return [
        Stood(item["stream"], item["target"], stood[item["stream"]], forgone, item["half_width"])
        for item, forgone in zip(told, all_land([0.0] * len(told), columns), strict=True)
        if item["stream"] in stood and item["half_width"] > 0
    ]
