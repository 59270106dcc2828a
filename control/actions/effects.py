"""What an applied change really did, from the gauge, once the foil made after it has reached it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from control.actions import audit, figures, gauged
from control.actions._move import move
from control.actions.deciding import SYSTEM
from control.actions.errors import Conflict
from control.actions.foretelling import expected
from control.actions.loops import demote
from control.core.demotion import Trigger
from control.core.effect import Outcome, judge
from control.core.lifecycle import State, Verb
from control.core.modes import Mode
from control.models import Change

LEAST_BEFORE = timedelta(seconds=30)


def verify_due(now: datetime) -> None:
    """Begin to watch what was applied, and judge what has been watched long enough."""
    under_watch = Change.objects.filter(state__in=(State.APPLIED, State.VERIFYING))
    for change in under_watch.select_related("loop__equipment", "decided_by"):
        with suppress(Conflict), audit.atomic():  # undone at this very moment
            _verify(change, now)


def _verify(change: Change, now: datetime) -> None:
    if change.state == State.APPLIED:
        move(change, Verb.WATCH, actor=SYSTEM, now=now)
    applied_at = change.applied_at or change.state_since
    due = gauged.due(change, applied_at)
    if now < due:
        return
    outcomes = _outcomes(change, applied_at)
    if 2 * len(outcomes) < len(change.evidence["expected"]) or not outcomes:
        if now >= due + gauged.GIVE_UP:
            _end(change, Verb.DID_NOT_WORK, {"measured": False}, now)
        return
    verdict = judge(outcomes)
    effect = {"measured": True, "streams": [asdict(item) for item in outcomes], **asdict(verdict)}
    _end(change, Verb.WORKED if verdict.effective else Verb.DID_NOT_WORK, effect, now)


def _end(change: Change, verb: Verb, effect: dict[str, Any], now: datetime) -> None:
    move(change, verb, actor=SYSTEM, now=now, told=effect, effect=effect)
    judged = change.loop.changes.filter(state__in=(State.EFFECTIVE, State.INEFFECTIVE)).order_by("-applied_at")
    in_a_row = figures.of(change.line_id).ineffective_in_a_row
    last = judged.values_list("state", flat=True)[:in_a_row]
    if list(last) == [State.INEFFECTIVE] * in_a_row:
        demote(change.loop, Mode.SUPERVISED, actor=SYSTEM, code=Trigger.INEFFECTIVE, now=now)


def _outcomes(change: Change, applied_at: datetime) -> list[Outcome]:
    """Of every stream measured before and after: what was predicted and what came."""
    before = gauged.means(change, _seen_since(change, applied_at), applied_at)
    after = gauged.after(change, applied_at)
    return [
        Outcome(item["stream"], item["after"] - item["now"], after[key] - before[key], item["half_width"])
        for item in expected(change)
        if (key := item["stream"]) in before and key in after and item["half_width"] > 0
    ]


def _seen_since(change: Change, applied_at: datetime) -> datetime:
    """From where on the foil was as the proposal saw it; older foil knew nothing of the disturbance."""
    seen_at = datetime.fromisoformat(change.evidence["seen_at"])
    return max(applied_at - gauged.WINDOW, min(seen_at, applied_at - LEAST_BEFORE))
