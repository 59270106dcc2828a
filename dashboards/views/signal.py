"""A signal is answered: why it came, and what was done."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from control.actions import signals
from control.actions.errors import Refused
from control.queries import lane as queries
from dashboards import permissions
from dashboards.views import refusals


@login_required
@require_POST
def close(request: HttpRequest, pk: int) -> HttpResponse:
    signal = permissions.found(queries.visible_signals(permissions.line_ids(request)), pk=pk)
    cause = permissions.found(queries.causes(), key=request.POST.get("cause", ""))
    back = reverse("lane", args=[signal.stream.lane_id]) + "#signals"
    told = {"cause": cause, "action_taken": request.POST.get("action_taken", "")}
    try:
        signals.close(signal, **told, actor=permissions.person(request), now=permissions.now())
    except Refused as refusal:
        return refusals.shown(request, refusal, back=back)
    return redirect(back)
