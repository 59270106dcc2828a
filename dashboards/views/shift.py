"""One shift hands the line over to the next: what happened, notes, and the signatures of both sides."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from control.actions import figures, shifts
from control.actions.authority import Right
from control.actions.idempotency import Answered
from control.models import Handover, Line
from control.queries import handover as queries
from control.queries import live
from dashboards import hands, permissions, shift_report, wording
from dashboards import shifts as doors
from dashboards.gate import asks_for
from dashboards.views import refusals

LISTED = 12


@login_required
@require_safe
def page(request: HttpRequest, key: str) -> HttpResponse:
    line = permissions.found(permissions.lines(request), key=key)
    return render(request, "shift/page.html", {"lines": permissions.lines(request), **_now(request, line)})


@login_required
@require_safe
def page_now(request: HttpRequest, key: str) -> HttpResponse:
    """The part of the page that moves."""
    return render(request, "shift/_now.html", _now(request, permissions.found(permissions.lines(request), key=key)))


@login_required
@require_POST
@asks_for(Right.HAND_OVER, "shift_id")
def note(request: HttpRequest, pk: int) -> HttpResponse:
    text = request.POST.get("text", "")
    return _done(request, pk, lambda user, key, row: doors.note(user, key, row, text))


@sensitive_post_parameters("password")
@login_required
@require_POST
@asks_for(Right.HAND_OVER, "shift_id")
def give(request: HttpRequest, pk: int) -> HttpResponse:
    return _done(request, pk, lambda user, key, row: doors.give(user, key, row, hands.of_form(request)))


@sensitive_post_parameters("password")
@login_required
@require_POST
@asks_for(Right.HAND_OVER, "shift_id")
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    return _done(request, pk, lambda user, key, row: doors.accept(user, key, row, hands.of_form(request)))


def _now(request: HttpRequest, line: Line) -> dict[str, Any]:
    follow, now = live.following([line]), permissions.now()
    rows = list(queries.handovers([line.pk])[:LISTED])
    chosen = request.GET.get("shift", "")
    shift = _chosen(line, rows, chosen)
    hands_over = permissions.may(request, Right.HAND_OVER, line)
    context = {"line": line, "zone": line.time_zone, "follow": follow, "shifts": rows, "chosen": chosen, "shift": shift}
    if shift is None:
        return context
    return context | _of(shift, now) | (_may(request, shift, now) if hands_over else {})


def _of(shift: Handover, now: datetime) -> dict[str, Any]:
    notes = list(shift.notes.select_related("by"))
    within = timedelta(seconds=figures.of(shift.line_id).accept_within_s)
    stands = f"{shift.pk}:{shift.report is None}:{shift.given_by_id}:{shift.accepted_by_id}:{len(notes)}"
    return {
        "report": shift_report.shown(shifts.report(shift, now), shift.line),
        "notes": notes,
        "late_at": shift.ends_at + within,
        "late": shift.accepted_by is None and now >= shift.ends_at + within,
        "key": uuid.uuid4().hex,
        "content": f"{stands}:{live.audit_head()}" if shift.report is None else stands,
    }


def _may(request: HttpRequest, shift: Handover, now: datetime) -> dict[str, Any]:
    early = timedelta(seconds=figures.of(shift.line_id).accept_within_s)
    return {
        "may_give": shift.given_by is None and now >= shift.ends_at - early,
        "may_accept": shift.given_by is not None and shift.accepted_by is None,
        "is_giver": shift.given_by_id == request.user.pk,
        "may_note": shift.accepted_by is None,
        "give_means": wording.meaning(shifts.GIVE),
        "accept_means": wording.meaning(shifts.ACCEPT),
    }


def _chosen(line: Line, rows: list[Handover], chosen: str) -> Handover | None:
    """The one asked for; else the last that ended, as long as nobody has accepted it; else the one that runs."""
    if chosen.isascii() and chosen.isdigit() and len(chosen) < 18:
        return permissions.found(queries.handovers([line.pk]), pk=int(chosen))
    ended = next((row for row in rows if row.report is not None), None)
    running = next((row for row in rows if row.report is None), None)
    return ended if running is None or (ended and ended.accepted_by is None) else running


def _done(request: HttpRequest, pk: int, act: Callable[[User, str, Handover], Answered]) -> HttpResponse:
    row = permissions.found(queries.handovers(permissions.line_ids(request)), pk=pk)
    back = f"{reverse('shift', args=[row.line.key])}?shift={row.pk}"
    return refusals.answered(request, lambda user, key: act(user, key, row), back)
