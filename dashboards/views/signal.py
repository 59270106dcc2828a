"""The signals of a line: seen, put aside for a time, and answered with why they came and what was done."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from control.actions import attention, figures, signals
from control.actions.authority import Right
from control.actions.errors import Refused
from control.actions.idempotency import Answered
from control.models import Line, Signal
from control.queries import lane, live
from control.queries import signals as queries
from dashboards import permissions
from dashboards import signals as doors
from dashboards.gate import asks_for
from dashboards.views import refusals


@login_required
@require_safe
def page(request: HttpRequest, key: str) -> HttpResponse:
    line = permissions.found(permissions.lines(request), key=key)
    return render(request, "signals/page.html", {"lines": permissions.lines(request), **_now(request, line)})


@login_required
@require_safe
def page_now(request: HttpRequest, key: str) -> HttpResponse:
    """The part of the page that moves."""
    return render(request, "signals/_now.html", _now(request, permissions.found(permissions.lines(request), key=key)))


@login_required
@require_POST
@asks_for(Right.ANSWER_SIGNAL, "line")
def acknowledge(request: HttpRequest, key: str) -> HttpResponse:
    """Those that were ticked."""
    line = permissions.found(permissions.lines(request), key=key)
    ids = [int(text) for text in request.POST.getlist("signal") if text.isascii() and text.isdigit() and len(text) < 18]

    def act(user: User, key: str) -> Answered:
        done = doors.acknowledge(user, key, line, ids)
        if done.status == 200:
            n = done.answer["acknowledged"]
            told = ngettext("%(n)d signal acknowledged.", "%(n)d signals acknowledged.", n)
            messages.success(request, told % {"n": n})
        return done

    return refusals.answered(request, act, reverse("signals", args=[line.key]))


@login_required
@require_POST
@asks_for(Right.ANSWER_SIGNAL, "signal_id")
def shelve(request: HttpRequest, pk: int) -> HttpResponse:
    row, form = _found(request, pk), request.POST
    text = form.get("minutes", "")
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    reason, back = form.get("reason", "")[:400], reverse("signals", args=[row.line.key])
    return refusals.answered(request, lambda user, key: doors.shelve(user, key, row, minutes, reason), back)


@login_required
@require_POST
@asks_for(Right.ANSWER_SIGNAL, "signal_id")
def unshelve(request: HttpRequest, pk: int) -> HttpResponse:
    row = _found(request, pk)
    back = reverse("signals", args=[row.line.key])
    return refusals.answered(request, lambda user, key: doors.unshelve(user, key, row), back)


@login_required
@require_POST
@asks_for(Right.ANSWER_SIGNAL, "signal_id")
def close(request: HttpRequest, pk: int) -> HttpResponse:
    signal = _found(request, pk)
    back = reverse("signals", args=[signal.line.key])
    if signal.stream:
        back = reverse("lane", args=[signal.stream.lane_id]) + "#signals"
    by: dict[str, Any] = {"actor": permissions.person(request), "now": permissions.now()}
    try:
        cause, action = doors.codes(request.POST.get("cause", ""), request.POST.get("action", ""))
        words = request.POST.get("action_taken", "")
        signals.close(signal, cause=cause, action=action, action_taken=words, **by)
    except Refused as refusal:
        return refusals.shown(request, refusal, back=back)
    return redirect(back)


def _found(request: HttpRequest, pk: int) -> Signal:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=pk)


def _now(request: HttpRequest, line: Line) -> dict[str, Any]:
    follow, now = live.following([line]), permissions.now()
    board = queries.board(line, now)
    shown = [*board.calling, *board.waiting, *board.shelved]
    return {
        "line": line,
        "zone": line.time_zone,
        "follow": follow,
        "board": board,
        "rate": attention.rate(line.pk, now),
        "causes": lane.causes(),
        "actions": lane.actions(),
        "may_answer": permissions.may(request, Right.ANSWER_SIGNAL, line),
        "longest_min": int(figures.of(line.pk).shelve_longest_s // 60),
        "key": uuid.uuid4().hex,
        "content": " ".join(
            f"{one.pk}:{one.last_seq}:{one.acknowledged_at is None}:{one.shelved_until}" for one in shown
        ),
    }
