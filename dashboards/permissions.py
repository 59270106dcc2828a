"""What the person behind a request may see. What he may not see does not exist: 404, never 403."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

from control.actions import authority
from control.actions.authority import Right, Role
from control.models import ApiToken, Line, Site

M = TypeVar("M", bound=Model)


def now() -> datetime:
    return datetime.now(UTC)


def person(request: HttpRequest) -> User:
    """The signed-in user, the row itself: actions store it."""
    return User.objects.get(pk=request.user.pk)


def token(request: HttpRequest) -> ApiToken | None:
    """The token with which the person is here, if it is not a session."""
    found: ApiToken | None = getattr(request, "api_token", None)
    return found


def lines(request: HttpRequest) -> QuerySet[Line]:
    return authority.visible_lines(request.user, now()).select_related("area__site").order_by("id")


def line_ids(request: HttpRequest) -> list[int]:
    return list(lines(request).values_list("id", flat=True))


def may(request: HttpRequest, right: Right, line: Line) -> bool:
    return authority.may(request.user, right, line, now())


def may_at_site(request: HttpRequest, right: Right, site: Site) -> bool:
    """Whether one of the person's roles on the whole site gives the right."""
    return authority.may_over(request.user, right, site, now())


def may_somewhere(request: HttpRequest, right: Right) -> bool:
    """Whether any of the person's roles gives the right."""
    giving = [role for role, rights in authority.RIGHTS.items() if right in rights]
    return authority.valid(request.user, now()).filter(role__in=giving).exists()


def lines_with(request: HttpRequest, right: Right) -> list[Line]:
    """The lines on which the person has a right."""
    return [line for line in lines(request) if may(request, right, line)]


def audits(request: HttpRequest) -> bool:
    """Whether the person may look into the audit of any line."""
    return may_somewhere(request, Right.AUDIT)


def audits_all(request: HttpRequest) -> bool:
    """Whether also what concerns no single line, such as accounts and roles: who keeps or audits a whole site."""
    keeping = authority.valid(request.user, now()).filter(role__in=(Role.ADMIN, Role.AUDITOR))
    return keeping.filter(site__isnull=False).exists()


def found(rows: QuerySet[M], **which: Any) -> M:
    row = rows.filter(**which).first()
    if row is None:
        raise Http404("nothing of that name for you")
    return row
