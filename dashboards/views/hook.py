"""The addresses outside that a line tells of its changes: an engineer's."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from control.actions import webhooks
from control.actions.authority import Right, require
from control.actions.errors import Refused
from control.models import Line, Webhook
from control.queries import hooks as queries
from dashboards import hooks as doors
from dashboards import permissions
from dashboards.gate import asks_for
from dashboards.views import refusals


@login_required
@require_safe
def page(request: HttpRequest, key: str) -> HttpResponse:
    line = permissions.found(permissions.lines(request), key=key)
    try:
        require(permissions.person(request), Right.CONFIGURE, line, permissions.now())
    except Refused as refusal:
        return refusals.shown(request, refusal, back=reverse("line", args=[line.key]))
    return render(request, "hooks/page.html", _context(request, line))


@never_cache
@login_required
@require_POST
@asks_for(Right.CONFIGURE, "line")
def make(request: HttpRequest, key: str) -> HttpResponse:
    """The answer shows the secret, this once."""
    line, form = permissions.found(permissions.lines(request), key=key), request.POST
    asked = form.get("url", "").strip(), form.getlist("action"), form.get("reason", "")[:400]
    try:
        hook, secret = doors.make(permissions.person(request), line, *asked)
    except Refused as refusal:
        return refusals.shown(request, refusal, back=reverse("hooks", args=[line.key]))
    return render(request, "hooks/page.html", _context(request, line) | {"made": hook, "secret": secret})


@login_required
@require_POST
@asks_for(Right.CONFIGURE, "hook_id")
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    hook, reason = _found(request, pk), request.POST.get("reason", "")[:400]
    back = reverse("hooks", args=[hook.line.key])
    return refusals.answered(request, lambda user, key: doors.stop(user, key, hook, reason), back)


@login_required
@require_POST
@asks_for(Right.CONFIGURE, "hook_id")
def try_again(request: HttpRequest, pk: int) -> HttpResponse:
    hook = _found(request, pk)
    back = reverse("hooks", args=[hook.line.key])
    return refusals.answered(request, lambda user, key: doors.try_again(user, key, hook), back)


def _found(request: HttpRequest, pk: int) -> Webhook:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=pk)


def _context(request: HttpRequest, line: Line) -> dict[str, Any]:
    return {
        "lines": permissions.lines(request),
        "line": line,
        "zone": line.time_zone,
        "hooks": queries.visible([line.pk]),
        "actions": webhooks.ACTIONS,
        "hosts": webhooks.hosts(),
        "key": uuid.uuid4().hex,
    }
