"""HOLD: one tap for anyone on the line; a supervisor signs to end it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from control.actions import loops
from control.actions.errors import Refused
from dashboards import permissions
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
    line, person = permissions.found(permissions.lines(request), key=key), permissions.person(request)
    if not person.check_password(request.POST.get("password", "")):
        messages.error(request, _("The password is not right; HOLD goes on."))
        return redirect("line", key)
    try:
        loops.release(line, actor=person, now=permissions.now(), reason=request.POST.get("reason", ""))
    except Refused as refusal:
        return shown(request, refusal)
    return redirect("line", key)
