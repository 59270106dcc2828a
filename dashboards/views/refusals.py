"""A refusal as a page: what was not done, why, and what differs from what the person saw."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from psycopg_pool import PoolTimeout

from control.actions.errors import Refused
from control.actions.idempotency import Answered
from dashboards import permissions, wording
from dashboards.views import sign

RETRY_S = 5


Named = Callable[[str], str]


def shown(request: HttpRequest, refusal: Refused, back: str = "/", named: Named = str) -> HttpResponse:
    return page(request, refusal.status, refusal.as_json(), back, named)


def page(
    request: HttpRequest, status: int, answer: Mapping[str, Any], back: str = "/", named: Named = str
) -> HttpResponse:
    """``named`` knows what the things are called that the difference names by their keys."""
    code = answer.get("code", "")
    if code in sign.CODES:
        return sign.page(request, status, answer, back)
    context = {
        "lines": permissions.lines(request),
        "words": wording.refusal(code) or answer.get("detail", ""),
        "code": code,
        "difference": wording.differences(answer.get("difference") or {}, named),
        "back": back,
    }
    return render(request, "refused.html", context, status=status)


def answered(request: HttpRequest, act: Callable[[User, str], Answered], back: str) -> HttpResponse:
    """What a form leads to: ``act`` with the person and the form's key, then ``back``; or why it was not done."""
    try:
        done = act(permissions.person(request), request.POST.get("key", ""))
    except Refused as refusal:
        return shown(request, refusal, back)
    return redirect(back) if done.status == 200 else page(request, done.status, done.answer, back)


def failed(request: HttpRequest) -> HttpResponse:
    """What nobody caught. A database that is away is said as that: come back, nothing was done."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError | PoolTimeout)
    status, code = (503, "database_away") if away else (500, "failed")
    headers = {"Retry-After": str(RETRY_S)} if away else {}
    if request.path.startswith("/api/"):
        detail = "The database is away; nothing was done." if away else "This failed; nothing was done."
        return JsonResponse({"code": code, "detail": detail, "difference": {}}, status=status, headers=headers)
    return HttpResponse(render_to_string(f"{status}.html"), status=status, headers=headers)  # asks no database
