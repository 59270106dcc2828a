"""Who may do what on a line at a moment: roles given by site, area or line, between two dates. Deny by default.

Being a superuser of Django gives no right on a line.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, Q, QuerySet

from control.actions.errors import NoPermission
from control.models import Area, Grant, Line, Site

Role = Grant.Role
Person = User | AnonymousUser
Scope = Site | Area | Line  # what a role is given on
LADDER: tuple[str, ...] = (Role.OPERATOR, Role.SUPERVISOR)  # who approves changes, lowest first
NOBODY = "nobody"  # what no one on the ladder may approve


class Right(StrEnum):
    """What a person can ask for on a line."""

    VIEW = "view"
    VIEW_SHADOW = "view_shadow"
    PROPOSE = "propose"
    DECIDE = "decide"
    HOLD = "hold"
    RELEASE = "release"
    SET_MODE = "set_mode"
    RESOLVE = "resolve"
    ANSWER_SIGNAL = "answer_signal"
    RECORD_EVENT = "record_event"
    HAND_OVER = "hand_over"
    CONFIGURE = "configure"
    REVIEW = "review"
    AUDIT = "audit"
    GRANT = "grant"


_R = Right
LOOKING = frozenset({_R.VIEW, _R.VIEW_SHADOW, _R.AUDIT})
_OPERATOR = frozenset({_R.VIEW, _R.PROPOSE, _R.DECIDE, _R.HOLD, _R.ANSWER_SIGNAL, _R.RECORD_EVENT, _R.HAND_OVER})
RIGHTS: dict[str, frozenset[Right]] = {
    Role.VIEWER: frozenset({_R.VIEW}),
    Role.OPERATOR: _OPERATOR,
    Role.SUPERVISOR: _OPERATOR | {_R.VIEW_SHADOW, _R.RELEASE, _R.SET_MODE, _R.RESOLVE, _R.REVIEW, _R.AUDIT},
    Role.ENGINEER: frozenset(
        {_R.VIEW, _R.VIEW_SHADOW, _R.HOLD, _R.ANSWER_SIGNAL, _R.RECORD_EVENT, _R.CONFIGURE, _R.REVIEW, _R.AUDIT}
    ),
    Role.ADMIN: frozenset({_R.VIEW, _R.AUDIT, _R.GRANT}),
    Role.AUDITOR: frozenset({_R.VIEW, _R.VIEW_SHADOW, _R.AUDIT}),
}


def roles(user: Person, line: Line, now: datetime) -> frozenset[str]:
    """The roles a person has on a line at ``now``, read from the database at this moment."""
    return frozenset(valid(user, now).filter(_covers(line)).values_list("role", flat=True))


def may(user: Person, right: Right, line: Line, now: datetime) -> bool:
    return any(right in RIGHTS.get(role, ()) for role in roles(user, line, now))


def require(user: Person, right: Right, line: Line, now: datetime) -> frozenset[str]:
    """The person's roles on the line; refused if none of them gives the right."""
    held = roles(user, line, now)
    if not any(right in RIGHTS.get(role, ()) for role in held):
        raise NoPermission("no_permission", f"{user.get_username()} may not {right} on {line.key}.")
    return held


def may_over(user: Person, right: Right, scope: Scope, now: datetime) -> bool:
    """Whether a role that reaches over the whole of a site, an area or a line gives the right."""
    held = valid(user, now).filter(_over(scope)).values_list("role", flat=True)
    return any(right in RIGHTS.get(role, ()) for role in held)


def held(user: Person, now: datetime) -> frozenset[tuple[int, str]]:
    """Every role a person has, as (line, role): in one question, for it is asked of every socket."""
    rows = valid(user, now)
    own = rows.filter(line__isnull=False).values_list("line_id", "role")
    of_areas = rows.filter(area__lines__isnull=False).values_list("area__lines", "role")
    of_sites = rows.filter(site__areas__lines__isnull=False).values_list("site__areas__lines", "role")
    return frozenset(own.union(of_areas, of_sites))


def peopled(line: Line, now: datetime) -> bool:
    """Whether anybody has a role on the line."""
    return _in_force(now).filter(_covers(line)).exists()


def require_at_site(user: Person, right: Right, site: Site, now: datetime) -> None:
    """Refused unless one of the person's roles on the whole site gives the right."""
    if not may_over(user, right, site, now):
        raise NoPermission("no_permission", f"{user.get_username()} may not {right} on all of {site.key}.")


def visible_lines(user: Person, now: datetime) -> QuerySet[Line]:
    """The lines a person may look at."""
    seeing = [role for role, rights in RIGHTS.items() if Right.VIEW in rights]
    scope = Q(line=OuterRef("pk")) | Q(area=OuterRef("area")) | Q(site=OuterRef("area__site"))
    return Line.objects.filter(Exists(valid(user, now).filter(scope, role__in=seeing)))


def decides(held: frozenset[str], needs: str) -> bool:
    """Whether someone with these roles may approve what needs that role or a lower one."""
    return needs in LADDER and any(role in held for role in LADDER[LADDER.index(needs) :])


def valid(user: Person, now: datetime) -> QuerySet[Grant]:
    """The roles that hold at ``now``; a disabled account has none."""
    return _in_force(now).filter(user_id=user.pk or 0, user__is_active=True)


def _in_force(now: datetime) -> QuerySet[Grant]:
    return Grant.objects.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=now), valid_from__lte=now)


def _covers(line: Line) -> Q:
    return Q(line=line) | Q(area=line.area_id) | Q(site=line.area.site_id)


def _over(scope: Scope) -> Q:
    if isinstance(scope, Line):
        return _covers(scope)
    return Q(area=scope) | Q(site=scope.site_id) if isinstance(scope, Area) else Q(site=scope)
