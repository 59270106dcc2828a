"""What a form that makes or changes a draft leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from control.actions.errors import Refused
from control.actions.idempotency import Answered
from dashboards.views import refusals

Again = Callable[[Sequence[Mapping[str, Any]], int], HttpResponse]  # the faults, and with which status


def kept(request: HttpRequest, act: Callable[[], Answered], *, back: str, again: Again, said: str = "") -> HttpResponse:
    """To the draft, with what is ``said`` of it; ``again`` to the form with all its faults; or why it was refused."""
    try:
        done = act()
    except Refused as refusal:
        return refusals.shown(request, refusal, back=back)
    if done.status == 200:
        if said:
            messages.success(request, said)
        return redirect("version", done.answer["id"])
    found = (done.answer.get("difference") or {}).get("faults")
    return again(found, done.status) if found else refusals.page(request, done.status, done.answer, back=back)
