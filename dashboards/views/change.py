"""One change: what it would do, why, what guards it, and the decision."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from control.actions import authority, deciding
from control.actions.authority import LADDER, Right
from control.actions.errors import Refused
from control.actions.idempotency import Answered
from control.actions.signing import signatures
from control.core.lifecycle import UNDECIDED, State
from control.core.modes import Mode
from control.models import AuditEntry, Change
from control.queries import changes as queries
from control.queries import live
from dashboards import decisions, hands, parts, permissions, revisions, wording
from dashboards.gate import asks_for
from dashboards.names import Names
from dashboards.views import effects, hindsights, refusals
from dashboards.views.guardrails import Guard, guardrails
from dashboards.views.outlooks import cards

ALIKE = 5
FOUND = {"was_done": True, "was_not_done": False}  # at the machine, of a write nobody knows the outcome of
MAY = {  # who may press a button
    **dict.fromkeys(("approve", "reject", "ask_supervisor"), Right.DECIDE),
    **dict.fromkeys(("edit", "undo"), Right.PROPOSE),
    **dict.fromkeys(FOUND, Right.RESOLVE),
    "withdraw": deciding.may_withdraw,
}


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
@asks_for(MAY, "change_id", "reject")
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """One of the buttons, on the version that was on the page; from there to the change that came of it."""
    change, form = _found(request, pk), request.POST
    act, named = VERBS.get(form.get("verb", ""), _reject), Names(change.line_id).of_machine(change.loop.equipment)
    try:
        done = act(request, change, form.get("key", ""), _seen(form.get("version", "")))
    except Refused as refusal:
        return refusals.shown(request, refusal, back=request.path.replace("decide/", ""), named=named)
    if done.status != 200:
        back = form.get("back") or f"/changes/{pk}/"
        return refusals.page(request, done.status, done.answer, back=back, named=named)
    return redirect("change", done.answer["id"])


def _seen(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _text(request: HttpRequest) -> str:
    return request.POST.get("text", "")[:400]


def _approve(request: HttpRequest, change: Change, key: str, version: int) -> Answered:
    part, reason = request.POST.get("part", ""), request.POST.get("reason", "")[:400]
    told = {"version": version, "reason": reason, "parts": [_seen(part)] if part else None}
    return decisions.approve(permissions.person(request), key, change.pk, by=hands.of_form(request), **told)


def _reject(request: HttpRequest, change: Change, key: str, version: int) -> Answered:
    told = {"code": request.POST.get("code", ""), "text": _text(request)}
    return decisions.reject(permissions.person(request), key, change.pk, version=version, **told)


def _ask(request: HttpRequest, change: Change, key: str, version: int) -> Answered:
    return decisions.ask_supervisor(
        permissions.person(request), key, change.pk, version=version, reason=_text(request)
    )  # fmt: skip


def _withdraw(request: HttpRequest, change: Change, key: str, version: int) -> Answered:
    return decisions.withdraw(permissions.person(request), key, change.pk, version=version, reason=_text(request))


def _edit(request: HttpRequest, change: Change, key: str, version: int) -> Answered:
    told = {"values": revisions.values(change, request.POST.dict()), "reason": _text(request)}
    return decisions.edit(permissions.person(request), key, change.pk, version=version, **told)


def _undo(request: HttpRequest, change: Change, key: str, _version: int) -> Answered:
    return decisions.undo(permissions.person(request), key, change.pk, reason=_text(request))


def _resolve(request: HttpRequest, change: Change, key: str, version: int) -> Answered:
    told = {"applied": FOUND[request.POST["verb"]], "reason": _text(request)}
    return decisions.resolve(permissions.person(request), key, change.pk, version=version, **told)


VERBS = {
    "approve": _approve,
    "ask_supervisor": _ask,
    "withdraw": _withdraw,
    "edit": _edit,
    "undo": _undo,
    **dict.fromkeys(FOUND, _resolve),
}


def _found(request: HttpRequest, pk: int) -> Change:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=pk)


def _now(request: HttpRequest, change: Change) -> dict[str, Any]:
    undecided = change.state in UNDECIDED
    guards, card = guardrails(change, permissions.now()), cards([change])[0]
    split = parts.parts(change) if undecided else []
    offered = revisions.offered(request, change)
    decides = undecided and permissions.may(request, Right.DECIDE, change.line)
    return {
        "change": change,
        "card": card,
        "parts": split,
        "parts_alone": parts.rows(card) if split else [],
        "left_out": parts.left_out(change),
        "constraints": [wording.constraint(one, card.signal) for one in change.evidence.get("constraints", ())],
        "hindsight": hindsights.told(card),
        "advised": undecided and not Mode(change.loop.actual_mode).writes,
        "zone": change.line.time_zone,
        "undecided": undecided,
        "may_decide": decides,
        "may_resolve": change.state == State.UNCONFIRMED and permissions.may(request, Right.RESOLVE, change.line),
        "may_ask": decides and change.state != "pending_supervisor",
        **(_signing(request, change) if decides else {}),
        "signatures": signatures(change).select_related("screen_of"),
        "guards": guards,
        "effect": effects.told(change),
        "content": _content(change, guards, offered),
        "alike": cards(queries.alike(change)[:ALIKE]),
        "history": _history(change),
        "reasons": queries.reasons(),
        "key": uuid.uuid4().hex,
        **offered,
    }


def _content(change: Change, guards: list[Guard], offered: dict[str, Any]) -> str:
    """What a fragment is drawn anew for; a half-filled form is left alone as long as this stays."""
    passed = "".join(str(int(guard.passed)) for guard in guards)
    others = ".".join(str(pk) for _words, pk in offered["links"])
    later = f"{offered['undo_until'] is not None}:{change.hindsight is not None}:{change.loop.actual_mode}"
    return f"{change.pk}:{change.version}:{passed}:{others}:{later}"


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
