"""The only place where a version comes into being or changes state: row, audit and event in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import Max

from control import events
from control.actions import audit
from control.actions.audit import Actor
from control.actions.errors import Conflict
from control.actions.kinds import KINDS
from control.core.lifecycle import NotAllowed
from control.core.versions import State, Verb, after
from control.core.vm.estimator import content_hash
from control.models import Line, Version

WORDS = {"version_one_active": "in force", "version_one_scheduled": "scheduled"}  # of which a scope has but one


def begin(
    kind: str, scope: int, content: Mapping[str, Any], *, line: Line, actor: Actor, now: datetime, **fields: Any
) -> Version:
    """Store a new version, numbered after the last one of its scope. The line is locked, so no two have one number."""
    last = Version.objects.filter(kind=kind, scope=scope).aggregate(last=Max("number"))["last"] or 0
    version = Version.objects.create(
        kind=kind, scope=scope, line=line, number=last + 1, content=dict(content), sha256=content_hash(content),
        created_at=now, author=actor if isinstance(actor, User) else None, **fields,
    )  # fmt: skip
    told = {name: getattr(version, name) for name in ("kind", "scope", "number", "state", "source", "sha256")}
    told |= {"base": version.base and version.base.number}
    action = "version.install" if version.source == Version.Source.INSTALL else "version.draft"
    audit.record(actor=actor, action=action, obj=version, now=now, new=told, reason=version.reason, line=line)
    _announce(version)
    return version


def move(
    version: Version,
    verb: Verb,
    *,
    actor: Actor,
    now: datetime,
    reason: str = "",
    told: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    """Move the row as the table says, if it still is as ``version`` has it; ``fields`` are stored with it."""
    old = State(version.state)
    try:
        new = after(old, verb)
    except NotAllowed as error:
        raise Conflict("not_possible", str(error), standing(version)) from None
    fields |= {"state": new}
    if verb is Verb.EDIT:
        fields["reason"] = reason[:400]
    as_seen = Version.objects.filter(pk=version.pk, state=old, sha256=version.sha256)
    try:
        with audit.atomic():
            if as_seen.update(**fields) != 1:
                raise overtaken(version)
    except IntegrityError as error:
        raise _another(version, str(error)) from None
    for name, value in fields.items():
        setattr(version, name, value)
    audit.record(
        actor=actor, action=f"version.{verb}", obj=version, now=now, reason=reason, line=version.line_id,
        old={"state": old}, new={"state": new, **standing(version), **(told or {})},
    )  # fmt: skip
    _announce(version)


def overtaken(version: Version) -> Conflict:
    """Someone else was first: say what the version is now."""
    present = standing(Version.objects.select_related("approved_by").get(pk=version.pk))
    return Conflict("overtaken", f"The version is already {present['state']}.", present)


def standing(version: Version) -> dict[str, Any]:
    return {
        "state": str(version.state),
        "version": f"{version.kind} v{version.number}",
        "by": version.approved_by.get_username() if version.approved_by else None,
    }


def activate(version: Version, *, actor: Actor, now: datetime, reason: str = "") -> None:
    """Put it in force from ``now``, never from before: what was in force is superseded, and what follows follows."""
    earlier = Version.objects.filter(kind=version.kind, scope=version.scope, state=State.ACTIVE).first()
    if earlier is not None:
        move(earlier, Verb.SUPERSEDE, actor=actor, now=now, effective_to=now, told={"by": version.number})
    move(version, Verb.ACTIVATE, actor=actor, now=now, reason=reason, effective_from=now)
    KINDS[version.kind].take_effect(version, actor=actor, now=now)


def _another(version: Version, error: str) -> Conflict:
    what = next((words for name, words in WORDS.items() if name in error), None)
    if what is None:
        raise RuntimeError(error)
    return Conflict("another_version", f"Another version of the same is {what} already.", standing(version))


def _announce(version: Version) -> None:
    events.publish("version", line_id=version.line_id)
