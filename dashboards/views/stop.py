"""HOLD: one tap for anyone on the line; a supervisor signs to end it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from control.actions import loops
from control.actions.errors import Refused
from dashboards import hands, permissions
from dashboards.views.refusals import shown


@login_required
@require_POST
def hold(request: HttpRequest, key: str) -> HttpResponse:
    line = permissions.found(permissions.lines(request), key=key)
    try:
        loops.hold(line, actor=permissions.person(request), now=permissions.now())
    except Refused as refusal:
        return shown(request, refusal)
    return redirect("line", key)


@sensitive_post_parameters("password")
@login_required
@require_POST
def release(request: HttpRequest, key: str) -> HttpResponse:
    line = permissions.found(permissions.lines(request), key=key)
    try:
        by, reason = hands.of_form(request), request.POST.get("reason", "")
        loops.release(line, by=by, now=permissions.now(), reason=reason)
    except Refused as refusal:
        return shown(request, refusal, back=reverse("line", args=[key]))
    return redirect("line", key)
