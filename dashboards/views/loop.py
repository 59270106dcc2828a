"""One loop: what it moves and holds, how it is set and what that asks of people. An engineer sets it; others read."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from control.actions.authority import Right
from control.actions.errors import Invalid
from control.actions.idempotency import Answered
from control.actions.kinds import LOOP
from control.core.modes import Mode
from control.core.r2r import deadband
from control.models import Loop, Version
from control.plantvalues import SHIFT_S
from control.queries import loops as queries
from control.queries import overview
from control.queries import versions as version_queries
from dashboards import hands, loop_form, modes, permissions, version_doors, version_words, wording
from dashboards.gate import asks_for
from dashboards.names import Names
from dashboards.views import drafts, refusals
from dashboards.views.ladder import ladder

LONGEST_ID = 18  # digits
USUAL_WEIGHT = 0.1  # a second, where the estimator has no fixed one: only to smooth what is looked at


@login_required
@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "loop/page.html", _context(request, _found(request, pk)))


@login_required
@require_POST
@asks_for(Right.CONFIGURE, "loop_id")
def tune(request: HttpRequest, pk: int) -> HttpResponse:
    """To the draft, or back to the page with everything that is wrong and as it was typed."""
    loop, sent = _found(request, pk), request.POST
    loop.settings_number, draft = _seen(request, loop), _draft(request, loop)
    try:
        settings = loop_form.asked(loop, sent)
    except ValueError as why:
        return _again(request, pk, [str(why)])
    return drafts.kept(
        request,
        lambda: _kept(request, loop, draft, settings),
        back=_at(loop),
        again=lambda faults, _status: _again(request, pk, [version_words.fault(fault) for fault in faults]),
        said=_("This is a draft: give it to review, and it holds once somebody else has approved it."),
    )


def _kept(request: HttpRequest, loop: Loop, draft: Version | None, settings: dict[str, Any]) -> Answered:
    user, sent = permissions.person(request), request.POST
    key, reason = sent.get("key", ""), sent.get("reason", "")[:400]
    if draft is None:
        return version_doors.tune(user, key, loop, settings, reason=reason)
    return version_doors.edit(user, key, draft.pk, settings, seen=sent.get("seen", ""), reason=reason)


def _again(request: HttpRequest, pk: int, mistakes: list[str]) -> HttpResponse:
    kept = {"mistakes": mistakes, "typed": request.POST}
    return render(request, "loop/page.html", _context(request, _found(request, pk)) | kept, status=422)


@sensitive_post_parameters("password")
@login_required
@require_POST
@asks_for(Right.SET_MODE, "loop_id")
def mode(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a mode; into automatic mode with a signature."""
    loop, asked = _found(request, pk), request.POST.get("mode", "")
    reason = request.POST.get("reason", "")[:400]

    def act(user: User, key: str) -> Answered:
        if asked not in list(Mode):
            raise Invalid("unknown_choice", "There is no such mode.")
        return modes.request(user, key, loop, Mode(asked), by=hands.of_form(request), reason=reason)

    return refusals.answered(request, act, _at(loop))


def _found(request: HttpRequest, pk: int) -> Loop:
    return permissions.found(queries.visible_loops(permissions.line_ids(request)), pk=pk)


def _draft(request: HttpRequest, loop: Loop) -> Version | None:
    """The draft that is changed, if it is one: the page is then about its settings."""
    told = (request.POST or request.GET).get("draft", "")
    if not told.isdecimal() or len(told) > LONGEST_ID:
        return None
    rows = version_queries.visible([loop.equipment.line_id]).filter(kind=LOOP.key, scope=loop.pk)
    draft: Version = permissions.found(rows, pk=int(told))
    loop.settings = draft.content
    return draft


def _at(loop: Loop) -> str:
    return f"/loops/{loop.pk}/"


def _seen(request: HttpRequest, loop: Loop) -> int:
    """The version the engineer had before him."""
    text = request.POST.get("number", "")
    return int(text) if text.isdecimal() and len(text) < 9 else loop.settings_number


def _context(request: HttpRequest, loop: Loop) -> dict[str, Any]:
    draft = _draft(request, loop)
    line, streams, names = loop.equipment.line, queries.streams_of(loop), Names(loop.equipment.line_id)
    unit = next((stream.characteristic.unit for stream in streams.values()), "")
    return {
        "lines": permissions.lines(request),
        "line": line,
        "loop": loop,
        "draft": draft,
        "zone": line.time_zone,
        "unit": unit,
        "numbers": loop_form.numbers(loop.settings),
        "estimators": wording.ESTIMATORS.items(),
        "estimator": loop.settings.get("estimator", "ewma"),
        "tuned": [_row(entry) for entry in queries.tuned(loop)],
        "waiting": version_queries.waiting(line).filter(kind="loop", scope=loop.pk),
        "may_configure": permissions.may(request, Right.CONFIGURE, line),
        "record": _record(loop),
        "fed": [(names.fed(loop.equipment_id, one), one["gains"]) for one in loop.settings.get("feed_forward", ())],
        **ladder(request, loop),
        **loop_form.table(loop, streams, overview.active_recipe(line)),
        **_cost(loop),
    }


def _record(loop: Loop) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """What became of its recommendations: how many, and of how many it is known what they did or would have done."""
    fates = queries.record(loop, permissions.now() - queries.RECORDED)
    words = {str(key): str(said) for key, said in {**wording.STATES, **wording.HINDSIGHT, **wording.FATES}.items()}
    return [
        (words[fate.outcome], fate.number, [(words[key], n) for key, n in sorted(fate.verdicts.items())])
        for fate in fates
    ]


def _cost(loop: Loop) -> dict[str, Any]:
    """What the deadband asks of people, by how far the streams wander today, and by the noise it was chosen with."""
    weight = loop.settings.get("ewma_weight") or USUAL_WEIGHT
    wander = queries.wander(loop, min(weight / loop.equipment.cycle_s, 1.0), permissions.now())
    if wander is None:
        return {"wander": None}
    cost = deadband.approvals(loop.settings["deadband"], wander.noise, SHIFT_S / wander.decision_s)
    return {"wander": wander, "approvals": cost}


def _row(entry: Any) -> dict[str, Any]:
    old, new = entry.old or {}, entry.new or {}
    changed = [(wording.setting(name), old.get(name), new[name]) for name in new if name != "settings"]
    return {"entry": entry, "number": new.get("settings"), "changed": changed}
