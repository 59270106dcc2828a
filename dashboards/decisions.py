"""A person's word on a change, from a page or the API alike: once for each Idempotency-Key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.contrib.auth.models import User

from control.actions import changes
from control.actions.errors import Conflict, Refused
from control.actions.idempotency import Answered
from control.actions.signing import Hand
from control.models import Change
from dashboards import doors
from dashboards.permissions import now

Told = Mapping[str, Any]


def approve(
    user: User,
    key: str,
    change_id: int,
    *,
    by: Hand,
    version: int,
    reason: str = "",
    parts: Collection[int] | None = None,
) -> Answered:
    """``user`` is signed in at the screen, ``by`` is whose decision it is; ``parts`` where not all of it."""

    def act() -> Told:
        return told(changes.approve(change_id, by=by, version=version, now=now(), reason=reason, parts=parts))

    asked = {"change": change_id, "version": version, "reason": reason, "parts": parts and sorted(parts)}
    return _once(user, key, act, verb="approve", **asked)


def reject(user: User, key: str, change_id: int, *, version: int, code: str, text: str = "") -> Answered:
    def act() -> Told:
        return told(changes.reject(change_id, actor=user, version=version, code=code, text=text, now=now()))

    return _once(user, key, act, verb="reject", change=change_id, version=version, code=code, text=text)


def reject_each(user: User, key: str, seen: Mapping[int, int], *, code: str, text: str = "") -> dict[int, Answered]:
    """Several, each by the version that was ``seen`` of it and each for itself: what has changed since stays."""
    whole = hashlib.sha256(key.encode()).hexdigest()[:40]

    def one(change_id: int, version: int) -> Answered:
        try:
            return reject(user, f"{whole}-{change_id}", change_id, version=version, code=code, text=text)
        except Refused as refusal:
            return Answered(refusal.status, refusal.as_json())

    return {change_id: one(change_id, version) for change_id, version in seen.items()}


def ask_supervisor(user: User, key: str, change_id: int, *, version: int, reason: str = "") -> Answered:
    def act() -> Told:
        return told(changes.ask_supervisor(change_id, actor=user, version=version, now=now(), reason=reason))

    return _once(user, key, act, verb="ask_supervisor", change=change_id, version=version, reason=reason)


def withdraw(user: User, key: str, change_id: int, *, version: int, reason: str = "") -> Answered:
    def act() -> Told:
        return told(changes.withdraw(change_id, actor=user, version=version, now=now(), reason=reason))

    return _once(user, key, act, verb="withdraw", change=change_id, version=version, reason=reason)


def edit(
    user: User, key: str, change_id: int, *, version: int, values: Mapping[str, float], reason: str = ""
) -> Answered:
    """The answer tells of the new change, which has taken the place of this one."""

    def act() -> Told:
        told_now = {"actor": user, "version": version, "values": values, "reason": reason, "now": now()}
        return told(changes.edit(change_id, **told_now))

    return _once(user, key, act, verb="edit", change=change_id, version=version, values=dict(values), reason=reason)


def undo(user: User, key: str, change_id: int, *, reason: str = "") -> Answered:
    """The answer tells of the new change, back to the values before. What was applied is undone as it now is."""

    def act() -> Told:
        return told(changes.undo(change_id, actor=user, now=now(), reason=reason))

    return doors.once(user, key, "undo", {"change": change_id, "reason": reason}, act)


def resolve(user: User, key: str, change_id: int, *, version: int, applied: bool, reason: str) -> Answered:
    """What somebody found at the machine about a write nobody knows the outcome of."""

    def act() -> Told:
        told_now = {"actor": user, "version": version, "applied": applied, "reason": reason, "now": now()}
        return told(changes.resolve(change_id, **told_now))

    return _once(user, key, act, verb="resolve", change=change_id, version=version, applied=applied, reason=reason)


def _once(user: User, key: str, act: Callable[[], Told], *, verb: str, **asked: Any) -> Answered:
    return doors.once(user, key, verb, asked, lambda: _naming(asked["version"], act))


def _naming(seen: int, act: Callable[[], Told]) -> Told:
    """Whoever decided on an older version is told which one that was, and which one it is now."""
    try:
        return act()
    except Conflict as refusal:
        present = refusal.difference.get("version")
        if refusal.code == "overtaken" and present != seen:
            refusal.detail = f"Version {seen} was seen, it is version {present} now. {refusal.detail}"
            refusal.difference["version"] = {"seen": seen, "is": present}
        raise


def told(change: Change) -> Told:
    """What a decision answers: where the change is now."""
    return {"id": change.pk, "state": str(change.state), "version": change.version}
