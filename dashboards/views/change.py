"""One change: what it would do, why, what guards it, and the decision."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from control.actions import authority
from control.actions.authority import LADDER, Right
from control.actions.errors import Refused
from control.actions.idempotency import Answered
from control.actions.signing import signatures
from control.core.lifecycle import UNDECIDED, State
from control.models import AuditEntry, Change
from control.queries import changes as queries
from control.queries import live
from dashboards import decisions, hands, permissions, wording
from dashboards.views import effects, refusals
from dashboards.views.guardrails import guardrails
from dashboards.views.outlooks import cards

ALIKE = 5
FOUND = {"was_done": True, "was_not_done": False}  # at the machine, of a write nobody knows the outcome of


@login_required
@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    shared: dict[str, Any] = {"lines": permissions.lines(request)}
    shared["follow"] = live.following(shared["lines"])
    return render(request, "change/page.html", shared | _now(request, _found(request, pk)))


@login_required
@require_safe
def page_now(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "change/_now.html", _now(request, _found(request, pk)))


@sensitive_post_parameters("password")
@login_required
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """One of the three buttons, on the version that was on the page."""
    change, form = _found(request, pk), request.POST
    try:
        done = _decided(request, change.pk)
    except Refused as refusal:
        return refusals.shown(request, refusal, back=request.path.replace("decide/", ""))
    if done.status != 200:
        return refusals.page(request, done.status, done.answer, back=form.get("back") or f"/changes/{pk}/")
    return redirect("change", pk)


def _decided(request: HttpRequest, pk: int) -> Answered:
    form, person = request.POST, permissions.person(request)
    key, version = form.get("key", ""), form.get("version", "")
    seen = int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 0
    text = form.get("text", "")[:400]
    if form.get("verb") == "approve":
        reason = form.get("reason", "")[:400]
        return decisions.approve(person, key, pk, by=hands.of_form(request), version=seen, reason=reason)
    if form.get("verb") == "ask_supervisor":
        return decisions.ask_supervisor(person, key, pk, version=seen, reason=text)
    if form.get("verb") in FOUND:
        return decisions.resolve(person, key, pk, version=seen, applied=FOUND[form["verb"]], reason=text)
    return decisions.reject(person, key, pk, version=seen, code=form.get("code", ""), text=text)


def _found(request: HttpRequest, pk: int) -> Change:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=pk)


def _now(request: HttpRequest, change: Change) -> dict[str, Any]:
    undecided = change.state in UNDECIDED
    guards = guardrails(change, permissions.now())
    decides = undecided and permissions.may(request, Right.DECIDE, change.line)
    return {
        "change": change,
        "card": cards([change])[0],
        "zone": change.line.time_zone,
        "undecided": undecided,
        "may_decide": decides,
        "may_resolve": change.state == State.UNCONFIRMED and permissions.may(request, Right.RESOLVE, change.line),
        "may_ask": decides and change.state != "pending_supervisor",
        **(_signing(request, change) if decides else {}),
        "signatures": signatures(change).select_related("screen_of"),
        "guards": guards,
        "effect": effects.told(change),
        "content": f"{change.pk}:{change.version}:{''.join(str(int(guard.passed)) for guard in guards)}",
        "alike": cards(queries.alike(change)[:ALIKE]),
        "history": _history(change),
        "reasons": queries.reasons(),
        "key": uuid.uuid4().hex,
    }


def _signing(request: HttpRequest, change: Change) -> dict[str, Any]:
    """What an approval would mean, where it takes a password, and whether the one at the screen may sign it himself."""
    own = change.author_id is not None and change.author_id == request.user.pk
    beyond, held = change.needs != LADDER[0], authority.roles(request.user, change.line, permissions.now())
    alone = not own and authority.decides(held, change.needs)
    needed = beyond or not alone
    meaning = wording.meaning("approve_beyond" if beyond else "approve")
    return {"signs": meaning if needed else "", "signs_alone": alone}


def _history(change: Change) -> list[tuple[AuditEntry, str]]:
    """What was recorded of the change, each row with its reason in words."""
    names = {reason.key: str(reason) for reason in queries.all_reasons()}
    return [(entry, wording.why(entry.reason, entry.new, names)) for entry in queries.history(change)]
