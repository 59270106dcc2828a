"""Versions of a line: what is in force, drafts, reviews with what would change, and when it comes into force."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from control.actions import imports, versions
from control.actions.authority import Right
from control.actions.errors import Invalid
from control.actions.idempotency import Answered
from control.actions.kinds import ESTIMATORS, KINDS, LIMITS, LOOP
from control.actions.signing import signatures
from control.core.versions import TRANSITIONS, State, Verb
from control.models import Line, Version
from control.queries import versions as queries
from dashboards import hands, permissions, version_doors, version_form, version_words, wording
from dashboards.instants import instant
from dashboards.uploads import read
from dashboards.views import drafts, refusals

NEWEST = 50


@login_required
@require_safe
def page(request: HttpRequest, key: str) -> HttpResponse:
    """Everything versioned of a line: what holds, what waits for somebody, what was."""
    line = _line(request, key)
    active = queries.in_force(line)
    return render(request, "versions/page.html", _shared(request, line) | {
        "kinds": [(kind, version_words.kind(kind), active.get((kind, line.pk))) for kind in version_form.FORMS],
        "loops": [(loop, active.get((LOOP.key, loop.pk))) for loop in queries.loops(line)],
        "streams": [(stream, active.get((LIMITS.key, stream.pk))) for stream in queries.streams(line)],
        "machines": [(one, active.get((ESTIMATORS.key, one.pk))) for one in queries.predicted(line)],
        "waiting": _listed(queries.waiting(line)),
        "versions": _listed(queries.of_line(line)[:NEWEST]),
    })  # fmt: skip


@login_required
@require_safe
def one(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "versions/one.html", _review(request, _found(request, pk)))


@login_required
@require_safe
def form(request: HttpRequest, key: str, kind: str) -> HttpResponse:
    """A new draft, from what is in force."""
    return render(request, "versions/form.html", _form(request, _line(request, key), _table(kind)))


@login_required
@require_safe
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """A draft once more; of a loop on the page of the loop."""
    version = _found(request, pk)
    if version.kind == LOOP.key:
        return redirect(f"{reverse('loop', args=[version.scope])}?draft={version.pk}")
    return render(request, "versions/form.html", _form(request, version.line, _table(version.kind), version))


@login_required
@require_POST
def draft(request: HttpRequest, key: str, kind: str) -> HttpResponse:
    line, asked = _line(request, key), version_form.asked(_table(kind), request.POST)
    return _drafted(request, _form(request, line, kind), lambda told: version_doors.draft(
        told["user"], told["key"], kind, line, line.pk, asked, reason=told["reason"], source=Version.Source.PAGE
    ))  # fmt: skip


@login_required
@require_POST
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    version = _found(request, pk)
    asked, seen = version_form.asked(_table(version.kind), request.POST), request.POST.get("seen", "")
    return _drafted(request, _form(request, version.line, version.kind, version), lambda told: version_doors.edit(
        told["user"], told["key"], pk, asked, seen=seen, reason=told["reason"]
    ))  # fmt: skip


@login_required
@require_POST
def bring(request: HttpRequest, key: str, kind: str) -> HttpResponse:
    line, file = _line(request, key), request.FILES.get("file")

    def act(told: Mapping[str, Any]) -> Answered:
        media = version_doors.media(file.name if file else "")
        data = read(file)
        return version_doors.bring(
            told["user"], told["key"], kind, line, line.pk, data, media, reason=told["reason"]
        )  # fmt: skip

    return _drafted(request, _form(request, line, _table(kind)), act)


@sensitive_post_parameters("password")
@login_required
@require_POST
def decide(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    version = _found(request, pk)
    if verb not in version_doors.PLAIN and verb not in version_doors.SIGNED:
        raise Http404("no such verb")
    back = reverse("version", args=[pk])
    if verb == "again":  # leads to the draft
        back = f"{reverse('versions', args=[version.line.key])}#waiting"
    return refusals.answered(request, lambda user, key: _decided(request, user, key, version, verb), back)


@login_required
@require_safe
def download(request: HttpRequest, pk: int, media: str) -> HttpResponse:
    """The content as a file that can be brought in again."""
    version = _found(request, pk)
    if media not in ("json", "csv"):
        raise Http404("no such file")
    if media == "json":
        answer = HttpResponse(json.dumps(version.content, indent=1, ensure_ascii=False), "application/json")
    else:
        out = io.StringIO()
        rows = imports.exported(version.content)
        csv.writer(out).writerows([imports.HEADER, *rows])
        answer = HttpResponse(out.getvalue(), "text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{version.kind}-v{version.number}.{media}"'
    return answer


def _decided(request: HttpRequest, user: User, key: str, version: Version, verb: str) -> Answered:
    sent = request.POST
    reason = sent.get("reason", "")[:400]
    if verb in version_doors.PLAIN:
        return version_doors.decide(user, key, version.pk, verb, reason=reason)
    when = version_doors.when(sent.get("when", ""), instant(sent.get("at", ""), version.line.time_zone))
    told: dict[str, Any] = {"by": hands.of_form(request), "seen": sent.get("seen", ""), "reason": reason}
    if verb == "approve":
        return version_doors.approve(user, key, version.pk, then=when, **told)
    if when is None:
        raise Invalid("no_when", "Say when: now, with the next roll, or at which time.")
    return version_doors.put_in_force(user, key, version.pk, when=when, **told)


def _drafted(request: HttpRequest, context: dict[str, Any], act: Any) -> HttpResponse:
    """To the draft, or back to the form with everything that is wrong and as it was typed."""
    sent = request.POST
    told = {"user": permissions.person(request), "key": sent.get("key", ""), "reason": sent.get("reason", "")[:400]}
    back = f"/lines/{context['line'].key}/versions/"
    return drafts.kept(
        request,
        lambda: act(told),
        back=back,
        again=lambda *faults: _typed_again(request, context, told["reason"], *faults),
    )


def _typed_again(
    request: HttpRequest, context: dict[str, Any], reason: str, faults: Sequence[Mapping[str, Any]], status: int
) -> HttpResponse:
    sent = request.POST
    typed = {field.name: sent[field.name] for field in context["fields"] if field.name in sent}
    values = {field.name: field.value for field in context["fields"]} | typed
    present = {field.name: field.present for field in context["fields"]}
    again = {
        "faults": [version_words.fault(fault, context["named"]) for fault in faults],
        "wrong": {fault["path"] for fault in faults},
        "fields": version_form.fields(context["kind"], context["line"], present, values),
        "reason": reason,
    }
    return render(request, "versions/form.html", context | again, status=status)


def _listed(rows: Iterable[Version]) -> list[tuple[Version, str]]:
    """Versions, and what each is of."""
    versions = list(rows)
    subjects = queries.subjects(versions)
    return [(row, subjects.get((row.kind, row.scope), "")) for row in versions]


def _shared(request: HttpRequest, line: Line) -> dict[str, Any]:
    return {
        "lines": permissions.lines(request),
        "line": line,
        "zone": line.time_zone,
        "may_configure": permissions.may(request, Right.CONFIGURE, line),
        "may_audit": permissions.may(request, Right.AUDIT, line),
        "key": uuid.uuid4().hex,
    }


def _form(request: HttpRequest, line: Line, kind: str, version: Version | None = None) -> dict[str, Any]:
    present = versions.present(kind, line.pk, line)
    return _shared(request, line) | {
        "kind": kind,
        "title": version_words.kind(kind),
        "version": version,
        "reason": version.reason if version else "",
        "named": version_form.named(kind, line, line.pk),
        "fields": version_form.fields(kind, line, present, version.content if version else present),
    }


def _review(request: HttpRequest, version: Version) -> dict[str, Any]:
    rows = versions.difference(version)
    named = version_form.named(version.kind, version.line, version.scope)
    return _shared(request, version.line) | {
        "version": version,
        "title": version_words.kind(version.kind),
        "drawn": KINDS[version.kind].drawn,
        "subject": versions.known(version.kind, version.line, version.scope)[1],
        "rows": [_row(row, version, named) for row in rows],
        "verbs": _verbs(request, version),
        "plain": [(verb, words) for verb, words in version_words.VERBS.items()],
        "signs": {verb: wording.meaning(f"{verb}_version") for verb in version_doors.SIGNED},
        "signs_alone": versions.may_sign(version, permissions.person(request), permissions.now()),
        "signatures": signatures(version).select_related("screen_of"),
        "history": [(entry, wording.why(entry.reason, entry.new, {})) for entry in queries.history(version)],
    }


def _row(row: Any, version: Version, named: version_words.Named) -> dict[str, Any]:
    old, new = (version_form.compared(version.kind, version.line, row.path, told) for told in (row.old, row.new))
    return {
        "words": version_words.path(row.path, named),
        "old": old,
        "new": new,
        "change": row.change,
        "percent": row.percent,
        "faults": [version_words.fault(fault.as_json(), named) for fault in row.faults],
    }


def _verbs(request: HttpRequest, version: Version) -> set[str]:
    """What somebody at this screen may do about it; what is signed may be signed by another who comes to it."""
    possible = {str(verb) for state, verb in TRANSITIONS if state == State(version.state)}
    if Verb.ACTIVATE in possible and version.state == State.APPROVED:
        possible.add("put_in_force")
    if version.state == State.SUPERSEDED:
        possible.add("again")
    author, me = version.author_id, request.user.pk
    allowed: set[str] = set()
    if permissions.may(request, Right.CONFIGURE, version.line):
        allowed |= {"submit", "discard", "again", *version_doors.SIGNED}
        allowed |= {"edit"} if author in (None, me) and version.kind in (LOOP.key, *version_form.FORMS) else set()
    if versions.may_review(version, permissions.person(request), permissions.now()):
        allowed |= {"rework", "reject", "recall", "retire", *version_doors.SIGNED}
    if author == me:
        allowed.add("rework")
    return possible & allowed


def _line(request: HttpRequest, key: str) -> Line:
    return permissions.found(permissions.lines(request), key=key)


def _found(request: HttpRequest, pk: int) -> Version:
    return permissions.found(queries.visible(permissions.line_ids(request)), pk=pk)


def _table(kind: str) -> str:
    if kind not in version_form.FORMS:
        raise Http404("no such kind")
    return kind
