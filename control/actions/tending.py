"""What time does to changes: they escalate, they expire, a veto window ends, an effect is judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from control.actions import audit, drifting, figures, sizing, watching
from control.actions._move import move
from control.actions.deciding import SYSTEM, escalate, load, moves_of, require_current
from control.actions.effects import verify_due
from control.actions.errors import Conflict, Refused, Stale
from control.actions.following import follow_due
from control.actions.hindsight import look_back_due
from control.actions.loops import lock
from control.actions.situation import active_recipe, on_hold
from control.core.lifecycle import TRANSITIONS, State, Verb
from control.core.modes import Mode
from control.core.policy import Level
from control.models import Change

MAY_EXPIRE = [state for state, verb in TRANSITIONS if verb is Verb.EXPIRE]


def tend(now: datetime) -> None:
    """Everything that is due; called every second or so. Doing it twice, or at once in two places, changes nothing."""
    watching.watch(now)
    follow_due(now)
    expire_due(now)
    escalate_due(now)
    approve_unopposed(now)
    verify_due(now)
    look_back_due(now)
    drifting.watch(now)


def expire_due(now: datetime) -> None:
    for change in Change.objects.filter(state__in=MAY_EXPIRE, expires_at__lte=now).select_related("decided_by"):
        with _unless_overtaken():
            move(change, Verb.EXPIRE, actor=SYSTEM, now=now)


def escalate_due(now: datetime) -> None:
    """An operator who has not answered for most of its life: a supervisor is asked as well."""
    for change in Change.objects.filter(state=State.PENDING_OPERATOR).select_related("loop__equipment", "decided_by"):
        if now - change.proposed_at >= figures.of(change.line_id).escalate_after * (
            change.expires_at - change.proposed_at
        ):
            with _unless_overtaken():
                escalate(change, actor=SYSTEM, now=now)


def approve_unopposed(now: datetime) -> None:
    """In automatic mode a change nobody stopped within the veto window is approved, after the same checks as any."""
    for change in Change.objects.filter(state=State.VETO):
        if now - change.state_since >= timedelta(seconds=figures.of(change.line_id).veto_s):
            with _unless_overtaken():
                lock(change.line_id)
                _approve_unopposed(load(change.pk), now)


def _approve_unopposed(change: Change, now: datetime) -> None:
    if on_hold(change.loop):
        return
    try:
        require_current(change, now)
    except Stale as refusal:
        move(change, refusal.ends, actor=SYSTEM, now=now, reason=refusal.detail, told=refusal.difference)
        return
    except Refused as refusal:
        move(change, Verb.BLOCK, actor=SYSTEM, now=now, reason=refusal.code)
        return
    needed = sizing.weigh(moves_of(change), active_recipe(change.loop), now, besides=change.pk)
    if needed.level is Level.AUTO and Mode(change.loop.actual_mode).decides:
        move(change, Verb.APPROVE, actor=SYSTEM, now=now, decided_at=now)
    else:
        move(change, Verb.BLOCK, actor=SYSTEM, now=now, reason=needed.reason)


@contextmanager
def _unless_overtaken() -> Iterator[None]:
    """Somebody who moved the change in the same moment was first, and that is well."""
    with suppress(Conflict), audit.atomic():
        yield
