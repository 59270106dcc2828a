"""A person's word on a version, from a page or the API alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from control.actions import imports, limits, retraining, tuning, versions
from control.actions.authority import Right
from control.actions.chart_choice import Choice
from control.actions.errors import Invalid
from control.actions.idempotency import Answered
from control.actions.imports import Media
from control.actions.signing import Hand
from control.actions.versions import When
from control.models import Equipment, Line, Loop, Stream, Version
from dashboards.doors import before, once
from dashboards.permissions import now

PLAIN: dict[str, Callable[..., Version]] = {  # of whoever is signed in
    "submit": versions.submit,
    "discard": versions.discard,
    "rework": versions.rework,
    "reject": versions.reject,
    "recall": versions.recall,
    "retire": versions.retire,
    "again": versions.again,
}
SIGNED = ("approve", "put_in_force")
OF_VERB: dict[str, Any] = {  # who may
    "submit": Right.CONFIGURE, "discard": Right.CONFIGURE, "again": Right.CONFIGURE, "rework": versions.may_rework,
    "reject": versions.may_review, "recall": versions.may_review, "retire": versions.may_review,
    **dict.fromkeys(SIGNED, versions.may_sign),
}  # fmt: skip


def draft(
    user: User, key: str, kind: str, line: Line, scope: int, content: Mapping[str, Any], *, reason: str, source: str
) -> Answered:
    def act() -> Mapping[str, Any]:
        asked = {"actor": user, "now": now(), "reason": reason, "source": source}
        return told(versions.draft(kind, line, scope, content, **asked))

    asked = {"kind": kind, "line": line.key, "scope": scope, "content": content, "reason": reason}
    return once(user, key, "draft_version", asked, act)


def tune(user: User, key: str, loop: Loop, settings: Mapping[str, Any], *, reason: str) -> Answered:
    """A draft of other settings; ``loop`` is as the person saw it."""

    def act() -> Mapping[str, Any]:
        return told(tuning.draft(loop, settings, actor=user, now=now(), reason=reason))

    asked = {"loop": loop.pk, "number": loop.settings_number, "content": settings, "reason": reason}
    return once(user, key, "tune_loop", asked, act)


def draw(user: User, key: str, stream: Stream, choice: Choice, *, reason: str) -> Answered:
    """A draft of limits; they are found before the transaction that stores them."""
    asked = {"stream": stream.pk, "choice": asdict(choice), "reason": reason}
    if (earlier := before(user, key, "draw_limits", asked)) is not None:
        return earlier
    by: dict[str, Any] = {"actor": user, "now": now(), "reason": reason}
    found = limits.found(stream, choice, **by)
    return once(
        user, key, "draw_limits", asked, lambda: told(limits.keep(stream, found, source=Version.Source.API, **by))
    )


def submit_models(user: User, key: str, machine: Equipment, *, reason: str) -> Answered:
    """The newest estimators that passed before a reviewer."""

    def act() -> Mapping[str, Any]:
        return told(retraining.submit_newest(machine, actor=user, now=now(), reason=reason))

    return once(user, key, "submit_models", {"equipment": machine.pk, "reason": reason}, act)


def bring(
    user: User, key: str, kind: str, line: Line, scope: int, data: bytes, media: Media, *, reason: str
) -> Answered:
    def act() -> Mapping[str, Any]:
        asked = {"actor": user, "now": now(), "reason": reason}
        return told(imports.imported(kind, line, scope, data, media, **asked))

    digest = hashlib.sha256(data).hexdigest()
    asked = {"kind": kind, "line": line.key, "scope": scope, "media": media, "sha256": digest, "reason": reason}
    return once(user, key, "import_version", asked, act)


def edit(user: User, key: str, pk: int, content: Mapping[str, Any], *, seen: str, reason: str) -> Answered:
    def act() -> Mapping[str, Any]:
        return told(versions.edit(pk, content, seen=seen, actor=user, now=now(), reason=reason))

    return once(user, key, "edit_version", {"version": pk, "content": content, "seen": seen, "reason": reason}, act)


def decide(user: User, key: str, pk: int, verb: str, *, reason: str) -> Answered:
    """One of the verbs that being signed in is enough for."""

    def act() -> Mapping[str, Any]:
        return told(PLAIN[verb](pk, actor=user, now=now(), reason=reason))

    return once(user, key, f"{verb}_version", {"version": pk, "reason": reason}, act)


def approve(user: User, key: str, pk: int, *, by: Hand, seen: str, then: When | None, reason: str) -> Answered:
    """``user`` is signed in at the screen, ``by`` is whose signature it is."""

    def act() -> Mapping[str, Any]:
        return told(versions.approve(pk, seen=seen, by=by, now=now(), reason=reason, then=then))

    return once(user, key, "approve_version", {"version": pk, "seen": seen, "then": then, "reason": reason}, act)


def put_in_force(user: User, key: str, pk: int, *, by: Hand, seen: str, when: When, reason: str) -> Answered:
    def act() -> Mapping[str, Any]:
        return told(versions.put_in_force(pk, seen=seen, by=by, now=now(), reason=reason, when=when))

    return once(user, key, "put_version_in_force", {"version": pk, "seen": seen, "when": when, "reason": reason}, act)


def when(choice: str, at: datetime | None) -> When | None:
    """``now``, ``lot`` or ``time`` with its instant; None for an approval that puts nothing in force yet."""
    if choice == "":
        return None
    if choice == "time" and at is not None:
        return at
    if choice in ("now", "lot"):
        return choice  # type: ignore[return-value]
    raise Invalid("no_when", "Say when: now, with the next roll, or at which time.")


def media(name: str) -> Media:
    """By the name of the file."""
    ending = name.rpartition(".")[2].lower()
    if ending not in ("csv", "json"):
        raise Invalid("no_media", "A version comes as a .csv or a .json file.")
    return ending  # type: ignore[return-value]


def told(version: Version) -> Mapping[str, Any]:
    """What a decision answers: where the version is now."""
    return {
        "id": version.pk, "kind": version.kind, "number": version.number, "state": str(version.state),
        "sha256": version.sha256,
    }  # fmt: skip
