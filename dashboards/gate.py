"""Who may not do a thing hears just that, whatever he sent: 404 for what he may not see, 403 for what he may not do.

A request may be read before anybody looks for what it is about. So whenever the answer finds fault with what was sent,
it is asked first whether anything may be told of it at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial, wraps
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja.decorators import decorate_view

from control.actions import grants, tokens
from control.actions.authority import Right
from control.actions.errors import NoPermission, NotFound, Refused
from control.models import Equipment, Grant, Hold, Lane, Line, Loop, Site, Stream, TrainingRun
from control.queries import changes, handover, hooks, lane, limits, loops, overview, signals
from control.queries import versions as version_queries
from dashboards import permissions

FAULTY = (400, 413, 415, 422)
Lines = Iterable[int]
Run = Callable[..., HttpResponse]
May = Callable[[Any, User, datetime], bool]
Asked = Right | May | Mapping[str, Right | May]
SEEN: dict[str, Callable[[Lines], QuerySet[Any]]] = {  # what the number in an address names, on the lines one may see
    "line_id": lambda lines: Line.objects.filter(pk__in=lines),
    "equipment_id": lambda lines: Equipment.objects.filter(line__in=lines),
    "lane_id": lane.visible_lanes,
    "stream_id": limits.visible_streams,
    "loop_id": loops.visible_loops,
    "change_id": changes.visible,
    "version_id": version_queries.visible,
    "shift_id": handover.handovers,
    "signal_id": signals.visible,
    "hook_id": hooks.visible,
    "run_id": lambda lines: TrainingRun.objects.filter(equipment__line__in=lines),
    "hold_id": lambda lines: overview.visible_holds(Line.objects.filter(pk__in=lines)),
}


def needs(right: Asked) -> Callable[[Any], Any]:
    """Of an operation: the right that it asks for, at the least, over what its address names, or what else tells
    whether a person may do it; or that of each of its verbs."""
    return decorate_view(partial(guarded, right=right))


def guarded(run: Run, right: Asked = Right.VIEW) -> Run:
    @wraps(run)
    def gate(request: HttpRequest, **path: Any) -> HttpResponse:
        answer = run(request, **path)
        if answer.status_code not in FAULTY:
            return answer
        try:
            _admit(request, right, path)
        except Refused as refusal:
            return JsonResponse(refusal.as_json(), status=refusal.status)
        except Http404:
            return JsonResponse(not_found().as_json(), status=404)
        return answer

    return gate


def asks_for(right: Asked, named: str, verb: str = "") -> Callable[[Run], Run]:
    """Of the page of a form: the right it asks for over ``named``, which its address names by number or key; ``verb``
    is what is done where the form says none of those there are."""

    def decorated(run: Run) -> Run:
        @wraps(run)
        def gate(request: HttpRequest, **path: Any) -> HttpResponse:
            answer = run(request, **path)
            if answer.status_code not in FAULTY:
                return answer
            said = path.get("verb") or request.POST.get("verb", "")
            told = {"verb": said if isinstance(right, Mapping) and said in right else verb}
            try:
                _admit(request, right, told | {named: str(path.get("pk", path.get("key")))})
            except Refused as refusal:
                raise PermissionDenied(refusal.detail) from refusal
            return answer

        return gate

    return decorated


def not_found() -> NotFound:
    return NotFound("not_found", "There is nothing of that name for you.")


def _admit(request: HttpRequest, asked: Asked, path: dict[str, Any]) -> None:
    row = _named(request, path)  # or there is no such thing for that person
    may = asked.get(path["verb"], Right.VIEW) if isinstance(asked, Mapping) else asked
    person = permissions.person(request)
    if not (_has(request, may, row) if isinstance(may, Right) else row is None or may(row, person, permissions.now())):
        raise NoPermission("no_permission", f"{person.get_username()} may not do this here.")


def _named(request: HttpRequest, path: dict[str, Any]) -> Model | None:
    """What the address names; a word where a number should be names nothing, which the answer says already."""
    for name, told in path.items():
        if name == "line":
            return permissions.found(permissions.lines(request), key=told)
        if name == "key":
            return permissions.found(overview.sites(permissions.lines(request)), key=told)
        if name in SEEN and told.isdecimal():
            return permissions.found(SEEN[name](permissions.line_ids(request)), pk=told)
        if name == "grant_id" and told.isdecimal():
            return permissions.found(grants.administered(permissions.person(request), permissions.now()), pk=told)
        if name == "token_id" and told.isdecimal():
            return permissions.found(tokens.of(permissions.person(request)), pk=told)
    return None


def _has(request: HttpRequest, right: Right, row: Model | None) -> bool:
    if right == Right.VIEW:
        return True
    if row is None or isinstance(row, Grant):
        return permissions.may_somewhere(request, right) or (right == Right.GRANT and request.user.is_superuser)
    scope = _scope(row)
    if isinstance(scope, Site):
        return permissions.may_at_site(request, right, scope)
    return permissions.may(request, right, scope)


def _scope(row: Any) -> Any:
    """The line, or the site, on which the right is asked for."""
    match row:
        case Site() | Line():
            return row
        case Hold():
            return row.line or row.site
        case Lane() | Loop() | TrainingRun():
            return row.equipment.line
        case Stream():
            return row.lane.equipment.line
        case _:
            return row.line
