"""HOLD: one tap for anyone on the line, on a loop, the line or its site; a supervisor signs to end it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from control.actions import loops
from control.actions.authority import Right
from control.actions.errors import Refused
from control.actions.holds import Scope
from control.actions.idempotency import Answered
from control.models import Hold
from control.queries import loops as queries
from control.queries import overview
from dashboards import hands, modes, permissions
from dashboards.gate import asks_for
from dashboards.views.refusals import answered, shown


@login_required
@require_POST
def hold(request: HttpRequest, key: str) -> HttpResponse:
    line = permissions.found(permissions.lines(request), key=key)
    return _hold(request, line, reverse("line", args=[key]))


@login_required
@require_POST
def hold_loop(request: HttpRequest, pk: int) -> HttpResponse:
    loop = permissions.found(queries.visible_loops(permissions.line_ids(request)), pk=pk)
    return _hold(request, loop, reverse("loop", args=[pk]))


@login_required
@require_POST
def hold_site(request: HttpRequest, key: str) -> HttpResponse:
    site = permissions.found(overview.sites(permissions.lines(request)), key=key)
    return _hold(request, site, reverse("home"))


@login_required
@require_POST
@asks_for(Right.HOLD, "hold_id")
def reason(request: HttpRequest, pk: int) -> HttpResponse:
    """Why it was stopped, said afterwards."""
    held = _found(request, pk)
    person, told = permissions.person(request), request.POST.get("reason", "")[:400]
    try:
        loops.hold_reason(held, told, actor=person, now=permissions.now())
    except Refused as refusal:
        return shown(request, refusal, back=_back(held))
    return redirect(_back(held))


@sensitive_post_parameters("password")
@login_required
@require_POST
@asks_for(Right.RELEASE, "hold_id")
def release(request: HttpRequest, pk: int) -> HttpResponse:
    held, told = _found(request, pk), request.POST.get("reason", "")[:400]

    def act(user: User, key: str) -> Answered:
        return modes.release(user, key, held, by=hands.of_form(request), reason=told)

    return answered(request, act, _back(held))


def _hold(request: HttpRequest, scope: Scope, back: str) -> HttpResponse:
    try:
        held = loops.hold(scope, actor=permissions.person(request), now=permissions.now())
    except Refused as refusal:
        return shown(request, refusal, back=back)
    if not held.settled:
        messages.warning(
            request, _("HOLD is on. Something that was under way has not ended yet: look whether it was written.")
        )
    return redirect(back)


def _found(request: HttpRequest, pk: int) -> Hold:
    return permissions.found(overview.visible_holds(permissions.lines(request)), pk=pk)


def _back(held: Hold) -> str:
    return reverse("line", args=[held.line.key]) if held.line else reverse("home")
