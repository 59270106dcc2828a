"""Signing at a screen: is this the password, before the form that wants it is sent; and the same without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from control.actions.errors import Refused
from dashboards import hands, permissions, wording

CODES = ("signature_needed", "wrong_password", "locked_out")  # what a password can mend
ASKED = ("csrfmiddlewaretoken", "signer", "password", "reason")  # what the page asks for itself


@sensitive_post_parameters("password")
@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Whether the one who is named gave his password; of the one who is signed in it is remembered for a while."""
    try:
        hands.check(request, request.POST.get("signer", ""), request.POST.get("password", ""))
    except Refused as refusal:
        words = wording.refused_signature(refusal.code, refusal.difference)
        return JsonResponse({"code": refusal.code, "words": words}, status=refusal.status)
    return HttpResponse(status=204)


def page(request: HttpRequest, status: int, answer: Mapping[str, Any], back: str) -> HttpResponse:
    """The form that was sent, once more, with the password it wants beside it."""
    difference, form = answer.get("difference") or {}, request.POST
    context = {
        "lines": permissions.lines(request),
        "words": wording.refused_signature(answer["code"], difference),
        "meaning": wording.meaning(difference.get("meaning") or form.get("meaning", "")),
        "code": difference.get("meaning") or form.get("meaning", ""),
        "kept": [(name, value) for name in form if name not in (*ASKED, "meaning") for value in form.getlist(name)],
        "signer": form.get("signer") or request.user.get_username(),
        "reason": form.get("reason", ""),
        "back": back,
    }
    return render(request, "sign/page.html", context, status=status)
