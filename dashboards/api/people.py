"""Who is signed in and may what, passwords for signatures, and roles given and ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Router, Schema, Status

from control.actions import authority, grants
from control.actions.authority import Right, Scope
from control.models import Area, Grant, Line, Site
from control.plantvalues import NO_ZERO
from dashboards import hands, permissions
from dashboards.api.schemas import Failure, Instant, Signed
from dashboards.gate import needs

router = Router(tags=["people"])
REFUSALS = {401: Failure, 403: Failure, 404: Failure, 409: Failure, 422: Failure}
ON = "site:key, area:site/area or line:key"


class MeOut(Schema):
    username: str
    name: str
    roles: dict[str, list[str]] = Field(description="By the key of the line, as they are at this moment")


class GrantOut(Schema):
    id: int
    user: str
    role: str
    on: str = Field(description=ON)
    valid_from: datetime
    valid_to: datetime | None


class GrantIn(Signed, extra="forbid"):
    user: str = Field(max_length=150, pattern=NO_ZERO)
    role: Grant.Role
    on: str = Field(description=ON, max_length=150, pattern=NO_ZERO)
    valid_from: Instant | None = Field(None, description="Now, if it is not later")
    valid_to: Instant | None = None
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


class GrantEnd(Signed, extra="forbid"):
    at: Instant | None = Field(None, description="Now, if it is not later")
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


@router.post("/sign", response={204: None, 401: Failure, 403: Failure, 422: Failure})
def sign(request: HttpRequest, asked: Signed) -> HttpResponse:
    """Check a password; your own then signs for 300 s in this session."""
    hands.check(request, asked.signer, asked.password)
    return HttpResponse(status=204)


@router.get("/me", response={200: MeOut, 401: Failure})
def me(request: HttpRequest) -> Any:
    """Who you are here, and what you may be on which line."""
    person, keys = permissions.person(request), dict(Line.objects.values_list("pk", "key"))
    roles: dict[str, list[str]] = {}
    for line_id, role in sorted(authority.held(person, permissions.now())):
        roles.setdefault(keys[line_id], []).append(role)
    return {"username": person.get_username(), "name": person.get_full_name(), "roles": roles}


@router.get("/grants", response={200: list[GrantOut], 401: Failure})
def roles_given(request: HttpRequest) -> Any:
    """Roles on what you administer, ended ones too; the newest first."""
    return [_out(grant) for grant in _mine(request).order_by("-pk")]


@router.post("/grants", response={201: GrantOut, **REFUSALS})
@needs(Right.GRANT)
def give(request: HttpRequest, asked: GrantIn) -> Any:
    """Give a role; signed with your password, never to yourself."""
    scope, by, now = _scope(request, asked.on), _by(request, asked), permissions.now()
    to = User.objects.filter(is_active=True, username=asked.user).first()
    if to is None:
        grants.require_giver(by, scope, now)  # nobody else is told who has an account
        raise Http404("no such person")
    dates = {"valid_from": asked.valid_from, "valid_to": asked.valid_to}
    grant = grants.give(to, asked.role, scope, by=by, now=now, reason=asked.reason, **dates)
    return Status(201, _out(grant))


@router.post("/grants/{grant_id}/end", response={200: GrantOut, **REFUSALS})
@needs(Right.GRANT)
def end(request: HttpRequest, grant_id: int, asked: GrantEnd) -> Any:
    """End a role, now or later; signed with your password."""
    grant = permissions.found(_mine(request), pk=grant_id)
    by = _by(request, asked)
    return _out(grants.end(grant, by=by, now=permissions.now(), reason=asked.reason, at=asked.at))


def _by(request: HttpRequest, asked: Signed) -> hands.Hand:
    return hands.hand(request, asked.signer, asked.password)


def _mine(request: HttpRequest) -> QuerySet[Grant]:
    """The roles on what the person administers, to the last of them."""
    rows = grants.administered(permissions.person(request), permissions.now())
    return rows.select_related("user", "site", "area__site", "line__area")


def _scope(request: HttpRequest, told: str) -> Scope:
    kind, _sep, key = told.partition(":")
    if kind == "site":
        found: Scope | None = Site.objects.filter(key=key).first()
    elif kind == "area":
        site, _sep, area = key.partition("/")
        found = Area.objects.filter(site__key=site, key=area).first()
    else:
        found = Line.objects.select_related("area__site").filter(key=key).first() if kind == "line" else None
    person, now = permissions.person(request), permissions.now()
    if found is None or not (person.is_superuser or authority.may_over(person, Right.VIEW, found, now)):
        raise Http404("no such place for you")
    return found


def _out(grant: Grant) -> dict[str, Any]:
    scope = grants.scope_of(grant)
    on = f"area:{scope.site.key}/{scope.key}" if isinstance(scope, Area) else f"{scope._meta.model_name}:{scope.key}"
    plain = {name: getattr(grant, name) for name in ("id", "role", "valid_from", "valid_to")}
    return {**plain, "user": grant.user.get_username(), "on": on}
