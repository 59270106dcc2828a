"""A person tells of an event of the process from the line's page."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from control.actions.authority import Right
from control.actions.errors import Invalid, Refused
from control.actions.idempotency import Answered
from control.core.process_events import Kind
from control.models import Equipment, Line, ProcessEvent
from dashboards import permissions, process_events
from dashboards.gate import asks_for
from dashboards.views import refusals


@login_required
@require_POST
@asks_for(Right.RECORD_EVENT, "line")
def record(request: HttpRequest, key: str) -> HttpResponse:
    line = permissions.found(permissions.lines(request), key=key)
    try:
        done = _recorded(request, line)
    except Refused as refusal:
        return refusals.shown(request, refusal)
    if done.status != 200:
        return refusals.page(request, done.status, done.answer, back=f"/lines/{line.key}/")
    return redirect("line", key)


def _recorded(request: HttpRequest, line: Line) -> Answered:
    form = request.POST
    if form.get("kind") not in set(Kind) or form.get("side", "") not in ProcessEvent.Side.values:
        raise Invalid("no_kind", "Choose what happened, and on which side.")
    machine = None
    if form.get("equipment"):
        machine = permissions.found(Equipment.objects.filter(line=line), key=form["equipment"])
    return process_events.record(
        permissions.person(request), form.get("key", ""), line, Kind(form["kind"]),
        at=_at(form.get("minutes_ago", "")), when=f"{form.get('minutes_ago')} minutes ago", equipment=machine,
        side=form.get("side", ""), note=form.get("note", "")[:200],
    )  # fmt: skip


def _at(minutes_ago: str) -> datetime:
    if not (minutes_ago.isascii() and minutes_ago.isdigit() and len(minutes_ago) <= 4 and int(minutes_ago) <= 1440):
        raise Invalid("no_minutes", "Say how many minutes ago, up to a day.")
    return permissions.now() - timedelta(minutes=int(minutes_ago))
