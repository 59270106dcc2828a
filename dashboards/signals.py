"""What a person says of signals, from a page or the API alike: once for each Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User

from control.actions import shelving, signals
from control.actions.errors import Invalid
from control.actions.idempotency import Answered
from control.models import ActionCode, CauseCode, Line, Shelf, Signal
from control.queries import lane
from dashboards import doors
from dashboards.permissions import now

Told = Mapping[str, Any]


def acknowledge(user: User, key: str, line: Line, ids: list[int]) -> Answered:
    def act() -> Told:
        return {"acknowledged": signals.acknowledge(line, ids, actor=user, now=now())}

    return doors.once(user, key, "signal.acknowledge", {"line": line.pk, "ids": sorted(ids)}, act)


def close(user: User, key: str, signal: Signal, cause: CauseCode, action: ActionCode, action_taken: str) -> Answered:
    asked = {"cause": cause.key, "action": action.key}

    def act() -> Told:
        signals.close(signal, cause=cause, action=action, action_taken=action_taken, actor=user, now=now())
        return {"id": signal.pk, **asked}

    return doors.once(user, key, "signal.close", {"signal": signal.pk, **asked, "action_taken": action_taken}, act)


def codes(cause: str, action: str) -> tuple[CauseCode, ActionCode]:
    """Those of these keys; Invalid where there is none, which whoever may not answer is not told."""
    why, done = lane.causes().filter(key=cause).first(), lane.actions().filter(key=action).first()
    if why is None:
        raise Invalid("no_such_cause", "There is no such cause.")
    if done is None:
        raise Invalid("no_such_action", "There is no such action.")
    return why, done


def shelve(user: User, key: str, signal: Signal, minutes: int, reason: str) -> Answered:
    def act() -> Told:
        row: Shelf = shelving.shelve(signal, minutes=minutes, reason=reason, actor=user, now=now())
        return {"id": signal.pk, "until": row.until.isoformat()}

    return doors.once(user, key, "signal.shelve", {"signal": signal.pk, "minutes": minutes, "reason": reason}, act)


def unshelve(user: User, key: str, signal: Signal) -> Answered:
    def act() -> Told:
        shelving.unshelve(signal, actor=user, now=now())
        return {"id": signal.pk}

    return doors.once(user, key, "signal.unshelve", {"signal": signal.pk}, act)
