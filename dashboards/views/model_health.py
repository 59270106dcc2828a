"""Model health: how good the predictions are, what is in force and what would take its place. An engineer decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from control.actions import model_kinds, outside_models, retraining
from control.actions.authority import Right
from control.actions.errors import Invalid, Refused
from control.models import Equipment, TrainingPlan, TrainingRun
from control.queries import live, overview
from control.queries import model_health as queries
from dashboards import hands, model_form, permissions, training_form, uploads
from dashboards.views import refusals

RUNS, ROLLS = 8, 3


@login_required
@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "models/page.html", _context(request, _found(request, pk)))


@login_required
@require_safe
def training(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "models/_training.html", _training(request, _found(request, pk)))


@sensitive_post_parameters("password")
@login_required
@require_POST
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    machine = _found(request, pk)

    def decide(told: dict[str, Any]) -> None:
        schedule = training_form.asked(request.POST.dict())
        retraining.plan(machine, schedule, reason=request.POST.get("reason", ""), by=hands.of_form(request), **told)

    return _done(request, machine, decide, _("The plan holds from now on."))


@login_required
@require_POST
def kinds(request: HttpRequest, pk: int) -> HttpResponse:
    machine, form = _found(request, pk), request.POST.dict()
    settings = model_form.asked(machine, queries.streams_of(machine), form)
    told = {"seen": form.get("seen", ""), "reason": form.get("reason", "")[:400]}
    try:
        model_kinds.choose_models(machine, settings, actor=permissions.person(request), now=permissions.now(), **told)
    except Invalid as refusal:
        if refusal.code != "not_models":
            return refusals.shown(request, refusal, back=_at(machine))
        kept = {"mistakes": str(refusal).split("; ")}
        return render(request, "models/page.html", _context(request, machine, form) | kept, status=refusal.status)
    except Refused as refusal:
        return refusals.shown(request, refusal, back=_at(machine))
    messages.success(request, _("The next training follows this choice."))
    return redirect(_at(machine))


@login_required
@require_POST
def bring(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an ONNX file with its declaration, and have it compared with what is in force."""
    machine = _found(request, pk)
    data, declaration = (uploads.read(request.FILES.get(name)) for name in ("model", "declaration"))
    reason = request.POST.get("reason", "")[:400]
    try:
        outside_models.bring(
            machine, data, declaration, actor=permissions.person(request), now=permissions.now(), reason=reason
        )
    except Invalid as refusal:
        if refusal.code != "not_a_model":
            return refusals.shown(request, refusal, back=_at(machine))
        kept = {"not_taken": str(refusal), "given": reason}
        return render(request, "models/page.html", _context(request, machine) | kept, status=refusal.status)
    except Refused as refusal:
        return refusals.shown(request, refusal, back=_at(machine))
    messages.success(request, _("The model is taken and will be compared with what is in force."))
    return redirect(_at(machine))


@login_required
@require_POST
def retrain(request: HttpRequest, pk: int) -> HttpResponse:
    machine = _found(request, pk)
    return _done(request, machine, lambda told: retraining.ask(machine, **told), _("Retraining has been asked for."))


@login_required
@require_POST
def decide(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    runs = TrainingRun.objects.filter(equipment__line__in=permissions.line_ids(request))
    run = permissions.found(runs.select_related("equipment__line__area__site"), pk=pk)
    reason = request.POST.get("reason", "")
    verbs: dict[str, Callable[[dict[str, Any]], object]] = {
        "cancel": lambda told: retraining.cancel(run, **told),
        "submit": lambda told: retraining.submit(run, reason=reason, **told),
        "decline": lambda told: retraining.decline(run, reason=reason, **told),
    }
    said = {
        "cancel": _("The run ends before its next step."),
        "submit": _("The new estimators wait for a reviewer."),
        "decline": _("The estimators in force stay."),
    }
    if verb not in verbs:
        raise Http404(verb)
    return _done(request, run.equipment, verbs[verb], said[verb])


def _done(request: HttpRequest, machine: Equipment, act: Callable[[dict[str, Any]], object], said: str) -> HttpResponse:
    try:
        act({"actor": permissions.person(request), "now": permissions.now()})
    except Refused as refusal:
        return refusals.shown(request, refusal, back=_at(machine))
    messages.success(request, said)
    return redirect(_at(machine))


def _at(machine: Equipment) -> str:
    return f"/models/{machine.pk}/"


def _found(request: HttpRequest, pk: int) -> Equipment:
    mine = Equipment.objects.filter(line__in=permissions.line_ids(request)).select_related("line__area__site")
    return permissions.found(mine, pk=pk)


def _context(request: HttpRequest, machine: Equipment, typed: Mapping[str, str] = {}) -> dict[str, Any]:
    """The whole page; ``typed``: a form that was refused."""
    health = queries.of(machine)
    streams = [one.stream for one in health]
    return _training(request, machine) | {
        "lines": permissions.lines(request),
        "siblings": overview.equipment_of(machine.line),
        "health": health,
        "asks": [one for one in health if one.trust and one.trust.asks_now],
        "values": list(queries.roll_values(machine)[: ROLLS * max(len(health), 1)]),
        "kinds": model_form.table(machine, streams, queries.kinds_in_force(machine), typed),
        "chosen": queries.chosen(machine),
        "typed": typed,
    }


def _training(request: HttpRequest, machine: Equipment) -> dict[str, Any]:
    """The part that changes by itself: it follows what is recorded on the line and, while a run works, the machine."""
    line = machine.line
    runs = list(queries.runs(machine)[:RUNS])
    under_way = next((run for run in runs if run.is_open), None)
    proposed = next((run for run in runs if run.state == TrainingRun.State.PROPOSED), None)
    return {
        "machine": machine,
        "line": line,
        "zone": line.time_zone,
        "follow": live.following([line], [machine] if under_way else []),
        "runs": runs,
        "under_way": under_way,
        "progress": under_way and queries.progress(under_way, permissions.now()),
        "proposed": proposed,
        "review": retraining.in_review(proposed) if proposed else None,
        "plan": TrainingPlan.objects.filter(pk=machine.pk).select_related("decided_by", "approved_by").first(),
        "choices": TrainingPlan.Then.choices,
        "may_configure": permissions.may(request, Right.CONFIGURE, line),
    }
