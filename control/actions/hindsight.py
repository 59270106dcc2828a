"""Rejected and expired recommendations are scored too: by the foil that was made without them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from control.actions import audit, gauged
from control.actions._move import remember
from control.actions.deciding import SYSTEM
from control.actions.errors import Conflict
from control.core.hindsight import Stood, look_back
from control.core.lifecycle import State
from control.models import Change

REFUSED = (State.REJECTED, State.EXPIRED)
AT_ONCE = 20  # looked back on in one go; an older database may have many


def look_back_due(now: datetime) -> None:
    """Score what ended without a write, once the foil made after it has been measured."""
    waiting = Change.objects.filter(state__in=REFUSED, hindsight__isnull=True).order_by("pk")
    for change in waiting.select_related("loop__equipment", "decided_by")[:AT_ONCE]:
        with suppress(Conflict), audit.atomic():  # another worker was first
            _look_back(change, now)


def _look_back(change: Change, now: datetime) -> None:
    due = gauged.due(change, change.state_since)
    if now < due:
        return
    if _moved_meanwhile(change):
        _store(change, {"measured": False, "moved": True}, now)
        return
    streams = _streams(change)
    if 2 * len(streams) < len(change.evidence["expected"]) or not streams:
        if now >= due + gauged.GIVE_UP:
            _store(change, {"measured": False}, now)
        return
    _store(change, {"measured": True, "streams": [asdict(one) for one in streams], **asdict(look_back(streams))}, now)


def _store(change: Change, hindsight: dict[str, Any], now: datetime) -> None:
    remember(change, "hindsight", hindsight, actor=SYSTEM, now=now)


def _moved_meanwhile(change: Change) -> bool:
    """Whether another change of the loop came into the foil that is looked at: then it tells nothing of this one."""
    until = change.state_since + gauged.SETTLE + gauged.WINDOW
    return change.loop.changes.filter(applied_at__gt=change.state_since, applied_at__lte=until).exists()


def _streams(change: Change) -> list[Stood]:
    stood = gauged.after(change, change.state_since)
    return [
        Stood(key, item["target"], stood[key], item["after"] - item["do_nothing"], item["half_width"])
        for item in change.evidence["expected"]
        if (key := item["stream"]) in stood and item["half_width"] > 0
    ]
