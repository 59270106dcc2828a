"""A refusal as a page: what was not done, why, and what differs from what the person saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from control.actions.errors import Refused
from dashboards import permissions, wording


def shown(request: HttpRequest, refusal: Refused, back: str = "/") -> HttpResponse:
    return page(request, refusal.status, refusal.as_json(), back)


def page(request: HttpRequest, status: int, answer: Mapping[str, Any], back: str = "/") -> HttpResponse:
    code = answer.get("code", "")
    context = {
        "lines": permissions.lines(request),
        "words": wording.refusal(code) or answer.get("detail", ""),
        "code": code,
        "difference": wording.differences(answer.get("difference") or {}),
        "back": back,
    }
    return render(request, "refused.html", context, status=status)
