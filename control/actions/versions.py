"""What people do with versions: draft, submit, review by another, put in force now, with the next roll or at a time.

One machinery for whatever control.actions.kinds knows. A draft is whole and sound, or it is refused with every fault;
its author never approves it and never puts it in force; both are signed. A version rests on what was in force when it
was drafted: once that has changed it has to be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Literal

from django.contrib.auth.models import User

from control.actions import audit, signing
from control.actions._version import activate, begin, move, overtaken, standing
from control.actions.audit import Actor
from control.actions.authority import RIGHTS, Right, Role, require, roles
from control.actions.errors import Conflict, Invalid, NoPermission, NotFound
from control.actions.kinds import KINDS, Kind
from control.actions.loops import lock
from control.actions.signing import Hand
from control.core import versions as core
from control.core.bounded import Fault
from control.core.versions import Difference, State, Verb
from control.core.vm.estimator import content_hash
from control.models import Line, Roll, Version

SYSTEM = "versions"
When = Literal["now", "lot"] | datetime
Source = Version.Source


# --- drafts -----------------------------------------------------------------------------------------------------------
def draft(
    kind: str,
    line: Line,
    scope: int,
    content: Mapping[str, Any],
    *,
    actor: User,
    now: datetime,
    reason: str,
    source: str = Source.PAGE,
    drawn: bool = False,
) -> Version:
    """A draft of what is in force with what ``content`` says otherwise.

    ``drawn``: it comes from the action that finds contents of a kind that nobody types.
    """
    with audit.attempt(actor=actor, action="version.draft", obj=line, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, lock(line.pk), now)
        _need(reason)
        of, row = known(kind, line, scope)
        if not drawn:
            require_typed(of)
        now_is = present(kind, scope, row)
        whole = _sound(of, row, {**now_is, **content})
        return _draft(of, line, scope, now_is, whole, source=source, actor=actor, now=now, reason=reason)


def again(version_id: int, *, actor: User, now: datetime, reason: str) -> Version:
    """A draft of what was in force once: the way back is reviewed like any other."""
    with _finding(version_id, "version.again", actor=actor, now=now, reason=reason) as version:
        require(actor, Right.CONFIGURE, version.line, now)
        _need(reason)
        if version.effective_from is None:
            raise Conflict("never_in_force", "It never was in force.", standing(version))
        of, row = known(version.kind, version.line, version.scope)
        whole, now_is = _sound(of, row, held(of, row, version)), present(version.kind, version.scope, row)
        told: dict[str, Any] = {"source": Source.PAGE, "actor": actor, "now": now, "reason": reason}
        return _draft(of, version.line, version.scope, now_is, whole, **told)


def _draft(
    of: Kind,
    line: Line,
    scope: int,
    now_is: Mapping[str, Any],
    whole: Mapping[str, Any],
    *,
    source: str,
    actor: User,
    now: datetime,
    reason: str,
) -> Version:
    """Of a whole and sound content; the first one puts on record what it rests on."""
    if content_hash(whole) == content_hash(now_is):
        raise Conflict("nothing_changed", "This is what is in force already.")
    told = {"source": source, "base": _on_record(of, line, scope, now_is, now), "reason": reason.strip()[:400]}
    return begin(of.key, scope, whole, line=line, actor=actor, now=now, **told)


def _on_record(of: Kind, line: Line, scope: int, now_is: Mapping[str, Any], now: datetime) -> Version | None:
    """The version in force; where what is usual can itself change, it is put on record as one."""
    found = active(of.key, scope)
    if found is None and of.on_record and now_is:
        return install(of.key, line, scope, now_is, actor=SYSTEM, now=now)
    return found


def standing_decision(
    kind: str,
    line: Line,
    scope: int,
    content: Mapping[str, Any],
    *,
    approved_by: User,
    approved_at: datetime,
    actor: str,
    now: datetime,
    reason: str,
) -> Version:
    """Put in force what somebody has approved beforehand, as a plan. Inside an audited transaction."""
    of, row = known(kind, line, scope)
    now_is = present(kind, scope, row)
    told: dict[str, Any] = {"state": State.APPROVED, "source": Source.TRAINING, "reason": reason[:400]}
    told |= {"approved_by": approved_by, "approved_at": approved_at}
    whole, base = _sound(of, row, {**now_is, **content}), _on_record(of, line, scope, now_is, now)
    version = begin(kind, scope, whole, line=line, actor=actor, now=now, base=base, **told)
    activate(version, actor=actor, now=now, reason=reason)
    return version


def edit(version_id: int, content: Mapping[str, Any], *, seen: str, actor: User, now: datetime, reason: str) -> Version:
    """Change a draft of one's own; ``seen`` is the sha256 it had. From then on it rests on what is in force now."""
    with _finding(version_id, "version.edit", actor=actor, now=now, reason=reason) as version:
        require(actor, Right.CONFIGURE, version.line, now)
        _need(reason)
        _require_seen(version, seen)
        if version.author_id not in (None, actor.pk):
            raise NoPermission("not_your_draft", "Only its author changes a draft; make one of your own.")
        of, row = known(version.kind, version.line, version.scope)
        require_typed(of)
        whole = _sound(of, row, {**version.content, **content})
        move(
            version, Verb.EDIT, actor=actor, now=now, reason=reason, content=whole, sha256=content_hash(whole),
            author=actor, base=active(version.kind, version.scope),
        )  # fmt: skip
    return version


def submit(version_id: int, *, actor: User, now: datetime, reason: str = "") -> Version:
    """Have it looked at by somebody else. From here on its content is what it is."""
    with _finding(version_id, "version.submit", actor=actor, now=now, reason=reason) as version:
        require(actor, Right.CONFIGURE, version.line, now)
        move(version, Verb.SUBMIT, actor=actor, now=now, reason=reason)
    return version


def discard(version_id: int, *, actor: User, now: datetime, reason: str = "") -> Version:
    """A draft that nobody wants; it stays to be read."""
    with _finding(version_id, "version.discard", actor=actor, now=now, reason=reason) as version:
        require(actor, Right.CONFIGURE, version.line, now)
        move(version, Verb.DISCARD, actor=actor, now=now, reason=reason)
    return version


# --- review -----------------------------------------------------------------------------------------------------------
def rework(version_id: int, *, actor: User, now: datetime, reason: str) -> Version:
    """Back to a draft: by whoever may review it, or by its author, who takes it back."""
    with _finding(version_id, "version.rework", actor=actor, now=now, reason=reason) as version:
        if not may_rework(version, actor, now):
            raise NoPermission("no_permission", f"{actor.get_username()} may not send {version.kind} back.")
        _need(reason)
        move(version, Verb.REWORK, actor=actor, now=now, reason=reason, approved_by=None, approved_at=None)
    return version


def reject(version_id: int, *, actor: User, now: datetime, reason: str) -> Version:
    with _finding(version_id, "version.reject", actor=actor, now=now, reason=reason) as version:
        _require_reviewer(version, actor, now)
        _need(reason)
        move(version, Verb.REJECT, actor=actor, now=now, reason=reason)
    return version


def approve(
    version_id: int, *, seen: str, by: Hand, now: datetime, reason: str = "", then: When | None = None
) -> Version:
    """Sign that it may come into force; with ``then`` the same signature puts it there or says when.

    ``seen`` is the sha256 of what the reviewer looked at.
    """
    with _finding(version_id, "version.approve", actor=by.user, now=now, reason=reason) as version:
        _require_another(version, by.user, now)
        _require_seen(version, seen)
        _require_base(version)
        of, row = known(version.kind, version.line, version.scope)
        _sound(of, row, version.content)
        _sign(version, "approve_version", then, by=by, now=now, reason=reason)
        move(version, Verb.APPROVE, actor=by.user, now=now, reason=reason, approved_by=by.user, approved_at=now)
        if then is not None:
            _put(version, then, actor=by.user, now=now, reason=reason)
    return version


def put_in_force(
    version_id: int, *, seen: str, by: Hand, now: datetime, reason: str = "", when: When = "now"
) -> Version:
    """Sign that what was approved comes into force: now, with the next roll, or at a time."""
    with _finding(version_id, "version.put_in_force", actor=by.user, now=now, reason=reason) as version:
        _require_another(version, by.user, now)
        _require_seen(version, seen)
        _require_base(version)
        _sign(version, "put_in_force_version", when, by=by, now=now, reason=reason)
        _put(version, when, actor=by.user, now=now, reason=reason)
    return version


def recall(version_id: int, *, actor: User, now: datetime, reason: str) -> Version:
    """It was to come into force and shall not, for now."""
    with _finding(version_id, "version.recall", actor=actor, now=now, reason=reason) as version:
        _require_reviewer(version, actor, now)
        _need(reason)
        move(version, Verb.RECALL, actor=actor, now=now, reason=reason, **UNSCHEDULED)
    return version


def retire(version_id: int, *, actor: User, now: datetime, reason: str) -> Version:
    """What is in force no more is kept for reading only."""
    with _finding(version_id, "version.retire", actor=actor, now=now, reason=reason) as version:
        _require_reviewer(version, actor, now)
        _need(reason)
        move(version, Verb.RETIRE, actor=actor, now=now, reason=reason)
    return version


UNSCHEDULED: dict[str, Any] = {"waits_for": "", "scheduled_at": None, "due_at": None}


def _put(version: Version, when: When, *, actor: Actor, now: datetime, reason: str) -> None:
    if when == "now":
        activate(version, actor=actor, now=now, reason=reason)
        return
    if isinstance(when, datetime) and when <= now:
        raise Invalid("not_ahead", "What is to come into force at a time needs a time to come.")
    told: dict[str, Any] = {"scheduled_at": now, "waits_for": "time", "due_at": when}
    if when == "lot":
        told |= {"waits_for": "lot", "due_at": None}
    move(version, Verb.SCHEDULE, actor=actor, now=now, reason=reason, told={"when": when}, **told)


# --- what time does ---------------------------------------------------------------------------------------------------
def activate_due(now: datetime) -> None:
    """Put in force what has waited long enough; what rests on something no longer in force goes back to approved."""
    for version in Version.objects.filter(state=State.SCHEDULED).select_related("line"):
        if _is_due(version, now):
            with suppress(Conflict), audit.atomic():  # recalled in this very moment
                lock(version.line_id)
                _activate_due(Version.objects.get(pk=version.pk), now)


def _activate_due(version: Version, now: datetime) -> None:
    try:
        _require_base(version)
    except Conflict as changed:
        move(version, Verb.RECALL, actor=SYSTEM, now=now, reason=changed.code, told=changed.difference, **UNSCHEDULED)
    else:
        activate(version, actor=SYSTEM, now=now)


def _is_due(version: Version, now: datetime) -> bool:
    """A lot begins with a roll of the first machine of the line."""
    if version.due_at is not None:
        return version.due_at <= now
    first = version.line.equipment.order_by("position").first()
    began = Roll.objects.filter(equipment=first, started_at__gt=version.scheduled_at, started_at__lte=now)
    return first is not None and began.exists()


# --- what holds -------------------------------------------------------------------------------------------------------
def install(
    kind: str, line: Line, scope: int, content: Mapping[str, Any], *, actor: Actor, now: datetime, reason: str = ""
) -> Version:
    """What a line is set up with is in force at once, unsigned; only as long as no version of the scope ever was."""
    with audit.atomic():
        lock(line.pk)
        if Version.objects.filter(kind=kind, scope=scope, effective_from__isnull=False).exists():
            raise Conflict("in_force", "A version of it is in force: draft another.")
        return _begin_in_force(kind, line, scope, content, actor=actor, now=now, reason=reason)


def _begin_in_force(
    kind: str, line: Line, scope: int, content: Mapping[str, Any], *, actor: Actor, now: datetime, reason: str = ""
) -> Version:
    told = {"state": State.ACTIVE, "source": Source.INSTALL, "effective_from": now, "reason": reason[:400]}
    return begin(kind, scope, content, line=line, actor=actor, now=now, **told)


def file(kind: str, line: Line, scope: int, content: Mapping[str, Any], *, actor: Actor, now: datetime) -> bool:
    """Put what a plant file says before a reviewer; False as long as no version of the scope was ever reviewed.

    Until then the file itself is what holds, and a draft that rests on what it said before is looked at again.
    """
    lock(line.pk)
    present, ever = active(kind, scope), Version.objects.filter(kind=kind, scope=scope, effective_from__isnull=False)
    if not ever.filter(approved_by__isnull=False).exists():
        if present is not None:
            move(present, Verb.SUPERSEDE, actor=actor, now=now, effective_to=now)
            _begin_in_force(kind, line, scope, content, actor=actor, now=now)
        return False
    if present is None or present.sha256 != content_hash(content):
        told: dict[str, Any] = {"state": State.IN_REVIEW, "source": Source.FILE, "base": present}
        begin(kind, scope, content, line=line, actor=actor, now=now, **told)
    return True


def filed(kind: str, scope: int) -> dict[str, Any] | None:
    """What the plant file said last, where that was put on record."""
    said = Version.objects.filter(kind=kind, scope=scope, source__in=(Source.FILE, Source.INSTALL)).order_by("-number")
    return said.values_list("content", flat=True).first()


def active(kind: str, scope: int) -> Version | None:
    return Version.objects.filter(kind=kind, scope=scope, state=State.ACTIVE).first()


def present(kind: str, scope: int, row: Any) -> dict[str, Any]:
    """The whole content that holds now; ``row`` is what it is of."""
    version = active(kind, scope)
    stored: dict[str, Any] = version.content if version else {}
    return {**KINDS[kind].usual(row), **stored}


def held(of: Kind, row: Any, version: Version | None) -> dict[str, Any]:
    """The whole content that held while ``version`` was in force: what was no setting yet had its usual value."""
    if version is None:
        return of.usual(row)
    return version.content if of.on_record else {**of.usual(row), **version.content}


def held_at(kind: str, line: Line, scope: int, when: datetime) -> tuple[Version | None, dict[str, Any]]:
    """What was in force at a moment, and its content: empty where it was put on record only after that."""
    of, row = known(kind, line, scope)
    found = at(kind, scope, when)
    later = Version.objects.filter(kind=kind, scope=scope, effective_from__gt=when)
    unknown = found is None and of.on_record and later.exists()
    return found, {} if unknown else held(of, row, found)


def at(kind: str, scope: int, when: datetime) -> Version | None:
    """The version that was in force at a moment."""
    rows = Version.objects.filter(kind=kind, scope=scope, effective_from__lte=when)
    return rows.exclude(effective_to__lte=when).order_by("-effective_from").first()


def difference(version: Version) -> list[Difference]:
    """What it sets otherwise than what it was drafted from, and what is wrong with it now."""
    of, row = known(version.kind, version.line, version.scope)
    old = held(of, row, version.base)
    return core.difference(of.shown(old), of.shown(version.content), of.faults(row, version.content))


# --- refusals ---------------------------------------------------------------------------------------------------------
@contextmanager
def _finding(version_id: int, action: str, *, actor: User, now: datetime, reason: str) -> Iterator[Version]:
    """The version, with its line locked, for one verb of a person; a refusal is recorded."""
    line_id = Version.objects.filter(pk=version_id).values_list("line_id", flat=True).first()
    with audit.attempt(actor=actor, action=action, obj=("version", version_id), line=line_id, now=now, reason=reason):
        if line_id is None:
            raise NotFound("not_found", "There is no such version.")
        require(actor, Right.VIEW, lock(line_id), now)
        yield Version.objects.select_related("line__area__site", "approved_by", "base").get(pk=version_id)


def known(kind: str, line: Line, scope: int) -> tuple[Kind, Any]:
    """The kind, and the row of the line that a content of it is of."""
    of = KINDS.get(kind)
    row = of.scope_of(line, scope) if of else None
    if of is None or row is None:
        raise NotFound("not_found", "The line has nothing of that kind.")
    return of, row


def require_typed(of: Kind) -> None:
    if of.drawn:
        raise Invalid("drawn", "It is drawn from what was measured, never typed: draw another.")


def _sound(of: Kind, row: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    if found := of.faults(row, content):
        raise faulty(found)
    return of.whole(row, content)


def faulty(found: list[Fault]) -> Invalid:
    """All that is wrong, not the first of it."""
    told = {"faults": [fault.as_json() for fault in found]}
    words = "; ".join(str(fault.than) if fault.code == "text" else f"{fault.path}: {fault.code}" for fault in found)
    return Invalid("not_valid", words, told)


def _need(reason: str) -> None:
    if not reason.strip():
        raise Invalid("reason_needed", "A version is changed for a reason: give it.")


def may_review(version: Version, user: User, now: datetime) -> bool:
    """Whether the person may send it back, or take it out of a schedule: what is not signed."""
    held = roles(user, version.line, now)
    if KINDS[version.kind].by_supervisor:
        return Role.SUPERVISOR in held
    return any(Right.REVIEW in RIGHTS.get(role, ()) for role in held)


def may_rework(version: Version, user: User, now: datetime) -> bool:
    return version.author_id == user.pk or may_review(version, user, now)


def may_sign(version: Version, user: User, now: datetime) -> bool:
    return version.author_id != user.pk and may_review(version, user, now)


def _require_seen(version: Version, seen: str) -> None:
    """It may have been reworked since, and stand in the same state with another content."""
    if version.sha256 != seen:
        raise overtaken(version)


def _require_reviewer(version: Version, user: User, now: datetime) -> None:
    if not may_review(version, user, now):
        raise NoPermission("no_permission", f"{user.get_username()} may not review {version.kind} of this line.")


def _require_another(version: Version, user: User, now: datetime) -> None:
    """Whoever wrote it decides nothing about it."""
    _require_reviewer(version, user, now)
    if version.author_id == user.pk:
        raise NoPermission("own_version", "Author and approver are different people, always.")


def _require_base(version: Version) -> None:
    present = active(version.kind, version.scope)
    if version.base_id != (present and present.pk):
        seen, is_ = (row and str(row) for row in (version.base, present))
        raise Conflict(
            "base_changed", "What it was drafted from is no longer in force.", {"version": {"seen": seen, "is": is_}}
        )


def _sign(version: Version, meaning: str, when: When | None, *, by: Hand, now: datetime, reason: str) -> None:
    """What is signed is the content, and from when it is to hold."""
    content: dict[str, Any] = {name: getattr(version, name) for name in ("kind", "scope", "number", "sha256")}
    content["when"] = when.isoformat() if isinstance(when, datetime) else when
    signing.sign(version, by=by, meaning=meaning, content=content, now=now, line=version.line_id, reason=reason)
