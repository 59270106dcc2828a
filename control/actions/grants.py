"""Roles are given and ended here alone: signed by an administrator of all they reach, and by nobody to himself.

Whoever made an account, or set its password, knows the password: he gives it no role that does more than look. So one
person alone puts nobody in place who decides; a superuser, who has the whole installation, is the exception.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from control.actions import audit
from control.actions.authority import LOOKING, RIGHTS, Right, Scope, may_over, valid
from control.actions.errors import Conflict, Invalid, NoPermission
from control.actions.signing import Hand, sign
from control.models import Area, AuditEntry, Grant, Line, Site

KNOWING = ("user.add", "user.password")  # whoever did this to an account knows its password


def give(
    to: User,
    role: str,
    scope: Scope,
    *,
    by: Hand,
    now: datetime,
    reason: str,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> Grant:
    """Give a role on a site, an area or a line, from now or later on; never for a time that has passed."""
    begins = max(valid_from or now, now)
    where = _where(scope)
    with audit.attempt(actor=by.user, action="grant.give", obj=to, now=now, reason=reason, line=where.get("line")):
        _require(by, to, scope, now, reason)
        if role not in Grant.Role.values:
            raise Invalid("no_role", f"{role!r} is not a role.")
        if valid_to is not None and valid_to <= begins:
            raise Invalid("ends_before", "A role ends after it begins.")
        if acts(role) and not by.user.is_superuser and _knows_the_password(by.user, to):
            raise NoPermission("knows_password", "Whoever made an account or set its password gives it no such role.")
        grant = Grant.objects.create(user=to, role=role, valid_from=begins, valid_to=valid_to, **where)
        _record("give", grant, None, by=by, now=now, reason=reason)
    return grant


def end(grant: Grant, *, by: Hand, now: datetime, reason: str, at: datetime | None = None) -> Grant:
    """End a role now, or at an instant before it would end by itself."""
    ends, scope = max(at or now, now), scope_of(grant)
    target, line = grant.user, _where(scope).get("line")
    with audit.attempt(actor=by.user, action="grant.end", obj=target, now=now, reason=reason, line=line):
        _require(by, None, scope, now, reason)
        row = Grant.objects.select_for_update(of=("self",)).get(pk=grant.pk)
        if row.valid_to is not None and row.valid_to <= ends:
            raise Conflict("already_ended", "This role has ended, or ends before that.", {"valid_to": row.valid_to})
        old, row.valid_to = told(row), ends
        row.save(update_fields=["valid_to"])
        _record("end", row, old, by=by, now=now, reason=reason)
    return row


def administered(person: User, now: datetime) -> QuerySet[Grant]:
    """The roles, ended ones too, on what a person gives roles on."""
    if person.is_superuser:
        return Grant.objects.all()
    own = valid(person, now).filter(role__in=[role for role, rights in RIGHTS.items() if Right.GRANT in rights])
    sites, areas, lines = (own.filter(**{f"{kind}__isnull": False}).values(kind) for kind in ("site", "area", "line"))
    of_sites = Q(site__in=sites) | Q(area__site__in=sites) | Q(line__area__site__in=sites)
    return Grant.objects.filter(of_sites | Q(area__in=areas) | Q(line__area__in=areas) | Q(line__in=lines))


def acts(role: str) -> bool:
    """Whether a role does more than look."""
    return not RIGHTS[role] <= LOOKING


def may_set_password(keeper: User, of: User, now: datetime) -> bool:
    """Not one's own, which asks for the old one; and of somebody who acts only a superuser."""
    if keeper.pk == of.pk:
        return False
    held = Grant.objects.filter(user=of).exclude(valid_to__lte=now).values_list("role", flat=True)
    return keeper.is_superuser or not any(acts(role) for role in held)


def scope_of(grant: Grant) -> Scope:
    scope = grant.site or grant.area or grant.line
    assert scope is not None, "the database demands exactly one"
    return scope


def told(grant: Grant) -> dict[str, Any]:
    fields = ("user_id", "role", "site_id", "area_id", "line_id", "valid_from", "valid_to")
    return {field: getattr(grant, field) for field in fields}


def require_giver(by: Hand, scope: Scope, now: datetime) -> None:
    if not (by.user.is_superuser or may_over(by.user, Right.GRANT, scope, now)):
        raise NoPermission("no_permission", f"{by.user.get_username()} gives no roles on {scope.key}.")


def _require(by: Hand, to: User | None, scope: Scope, now: datetime, reason: str) -> None:
    require_giver(by, scope, now)
    if to is not None and to.pk == by.user.pk:
        raise NoPermission("own_role", "Nobody gives a role to himself.")
    if not reason.strip():
        raise Invalid("reason_needed", "Giving or ending a role needs a reason.")


def _knows_the_password(giver: User, of: User) -> bool:
    rows = AuditEntry.objects.filter(object_type="user", object_id=str(of.pk), action__in=KNOWING)
    return rows.filter(actor=giver).exists()


def _record(verb: str, grant: Grant, old: dict[str, Any] | None, *, by: Hand, now: datetime, reason: str) -> None:
    new, line = told(grant), grant.line
    content = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in new.items()}
    sign(grant, by=by, meaning=f"{verb}_role", content=content, now=now, line=line, reason=reason)
    audit.record(actor=by.user, action=f"grant.{verb}", obj=grant, now=now, old=old, new=new, reason=reason, line=line)


def _where(scope: Scope) -> dict[str, Any]:
    kinds: dict[type, str] = {Site: "site", Area: "area", Line: "line"}
    return {kinds[type(scope)]: scope}
