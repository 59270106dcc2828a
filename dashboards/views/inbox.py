"""What waits for a decision, what is under way, and how the last ones ended."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from control.actions.authority import Right
from control.queries import changes as queries
from control.queries import live
from dashboards import decisions, permissions
from dashboards.views.outlooks import cards

ENDED = 30


@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    deciding = permissions.lines_with(request, Right.DECIDE)
    shared = {
        "lines": permissions.lines(request),
        "page": "inbox",
        "may_reject": bool(deciding),
        "reasons": queries.reasons(),
        "key": uuid.uuid4().hex,
    }
    return render(request, "inbox/page.html", shared | _now(request))


@login_required
@require_safe
def page_now(request: HttpRequest) -> HttpResponse:
    return render(request, "inbox/_now.html", _now(request))


@login_required
@require_POST
def reject(request: HttpRequest) -> HttpResponse:
    """Reject what was ticked, each by the version that was on the page; others stay as they are."""
    if not permissions.may_somewhere(request, Right.DECIDE):
        raise PermissionDenied
    form, mine = request.POST, queries.visible(permissions.line_ids(request))
    ticked = [told.partition(":") for told in form.getlist("change")]
    seen = {permissions.found(mine, pk=_whole(number)).pk: _whole(version) for number, _sep, version in ticked}
    said = {"code": form.get("code", ""), "text": form.get("text", "")}
    answers = decisions.reject_each(permissions.person(request), form.get("key", ""), seen, **said)
    done = sum(answer.status == 200 for answer in answers.values())
    kept = len(answers) - done
    if done:
        messages.success(request, ngettext("%(n)d change rejected.", "%(n)d changes rejected.", done) % {"n": done})
    if kept:
        refused = ngettext("%(n)d change was not rejected.", "%(n)d changes were not rejected.", kept)
        messages.error(request, refused % {"n": kept})
    return redirect("inbox")


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _now(request: HttpRequest) -> dict[str, Any]:
    lines = list(permissions.lines(request))
    ids, follow = [line.pk for line in lines], live.following(lines)
    waiting, under_way = cards(queries.waiting(ids)), cards(queries.under_way(ids))
    ended = cards(queries.ended(ids)[:ENDED])
    return {
        "follow": follow,
        "operators": [card for card in waiting if card.change.needs == "operator"],
        "supervisors": [card for card in waiting if card.change.needs != "operator"],
        "under_way": under_way,
        "ended": ended,
        "content": " ".join(f"{card.change.pk}:{card.change.version}" for card in (*waiting, *under_way, *ended)),
    }
