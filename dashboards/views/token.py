"""A person's own tokens for scripts: made with the password, shown once, revoked."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from control.actions import tokens
from control.actions.errors import Refused
from dashboards import hands, permissions, wording
from dashboards import tokens as doors
from dashboards.views import refusals

USUAL_DAYS = 90


@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "tokens/page.html", _context(request))


@sensitive_post_parameters("password")
@never_cache
@login_required
@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """The answer shows the secret, this once."""
    form = request.POST
    days = form.get("days", "")
    told = {"days": int(days) if days.isascii() and days.isdigit() and len(days) < 6 else 0, "acts": "acts" in form}
    try:
        by = hands.of_form(request)
        row, secret = tokens.make(form.get("name", ""), **told, by=by, now=permissions.now())
    except Refused as refusal:
        return refusals.shown(request, refusal, back=reverse("tokens"))
    return render(request, "tokens/page.html", _context(request) | {"made": row, "secret": secret})


@login_required
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    row = permissions.found(tokens.of(permissions.person(request)), pk=pk)
    return refusals.answered(request, lambda user, key: doors.revoke(user, key, row), reverse("tokens"))


def _context(request: HttpRequest) -> dict[str, Any]:
    return {
        "lines": permissions.lines(request),
        "tokens": tokens.of(permissions.person(request)),
        "now": permissions.now(),
        "means": wording.meaning(tokens.MAKE),
        "days": USUAL_DAYS,
        "longest": tokens.LONGEST.days,
        "key": uuid.uuid4().hex,
    }
