"""The limits of one stream: their versions, what a window would give, and a draft, which is reviewed like any other.

Looking writes nothing; the figures of a draft are found anew when it is stored, never sent by the browser.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from control.actions import limits, phase_one
from control.actions.authority import Right, require
from control.actions.chart_choice import Choice
from control.actions.chart_rows import SEED
from control.actions.errors import Invalid, Refused
from control.actions.phase_one import Weighed
from control.core.spc import counts, run_length
from control.core.spc.capability import (
    MOVING_RANGE_EFFICIENCY,
    Capability,
    Specification,
    capability,
    of_percentiles,
)
from control.core.spc.rules import BEYOND, SETS
from control.core.types import Rule
from control.models import Limits, Stream
from control.queries import limits as queries
from control.queries import overview
from dashboards import diagrams, forms, limit_words, permissions, wording
from dashboards.gate import asks_for
from dashboards.views import refusals

USUAL_WINDOW, USUAL_OF_COUNTS = timedelta(hours=2), timedelta(days=7)  # a roll has but a few samples
SHIFTS = (0.5, 1.0, 2.0)  # sigma
SUSPECTS = 30  # values pointed out for a look, the farthest first


@dataclass(frozen=True, slots=True)
class Alarm:
    """One rule: signals foretold for a shift, its share of all, and how many the window itself would have raised."""

    words: str
    per_shift: float
    percent: float
    counted: int


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything the page shows of a choice."""

    weighed: Weighed
    lower: float
    upper: float
    sigmas: list[tuple[str, float, bool]]
    alike: bool
    run: diagrams.RunChart
    groups: diagrams.RunChart | None
    histogram: diagrams.Histogram | None
    correlogram: diagrams.Correlogram
    suspects: list[tuple[datetime, float]]
    alarms: list[Alarm]
    per_shift: float
    normal: Capability | None
    percentiles: Capability | None
    runs: list[tuple[str, list[float]]]
    shifts: tuple[float, ...] = SHIFTS


@login_required
@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    stream = _found(request, pk)
    line = stream.lane.equipment.line
    if not permissions.may(request, Right.AUDIT, line):
        raise PermissionDenied
    context: dict[str, Any] = {
        "lines": permissions.lines(request),
        "line": line,
        "stream": stream,
        "zone": line.time_zone,
        "versions": queries.versions(stream),
        "decimals": stream.characteristic.decimals,
        "finer": stream.characteristic.decimals + 2,
        "may_configure": permissions.may(request, Right.CONFIGURE, line),
        **_offered(stream.characteristic.counted),
        "key": uuid.uuid4().hex,
    }
    return render(request, "limits/page.html", context | _chosen(request, stream))


def _offered(counted: str) -> dict[str, Any]:
    """What can be chosen of a stream; ``counted`` says what is counted, "" of what is measured."""
    return {
        "methods": limit_words.METHODS.items(),
        "rule_sets": [(key, words) for key, words in limit_words.RULE_SETS.items()
                      if not counted or counts.fits(SETS[key].rules)],
        "charts": limit_words.MORE_CHARTS.items(),
        "bases": [(key, words) for key, words in limit_words.BASES.items()
                  if (counts.KINDS[key].of if key in counts.KINDS else "") == counted],
    }  # fmt: skip


@login_required
@require_POST
@asks_for(Right.CONFIGURE, "stream_id")
def draft(request: HttpRequest, pk: int) -> HttpResponse:
    stream, person = _found(request, pk), permissions.person(request)
    told = {"actor": person, "now": permissions.now(), "reason": request.POST.get("reason", "")[:400]}
    try:
        version = limits.draft(stream, _choice(request, stream), **told)
    except Refused as refusal:
        return refusals.shown(request, refusal, back=f"{_at(stream)}?{request.POST.get('asked', '')}")
    messages.success(request, _("Version %(n)d is stored as a draft; it judges nothing yet.") % {"n": version.number})
    return redirect(_at(stream))


def _found(request: HttpRequest, pk: int) -> Stream:
    return permissions.found(queries.visible_streams(permissions.line_ids(request)), pk=pk)


def _at(stream: Stream) -> str:
    return f"/streams/{stream.pk}/limits/"


def _choice(request: HttpRequest, stream: Stream) -> Choice:
    """What was chosen in the form that was sent; who may not choose is told that before anything else."""
    line, now = stream.lane.equipment.line, permissions.now()
    try:
        return forms.limits_choice(request.POST, line.time_zone)
    except ValueError as why:
        require(permissions.person(request), Right.CONFIGURE, line, now)
        raise Invalid("no_limits", str(why)) from None


def _chosen(request: HttpRequest, stream: Stream) -> dict[str, Any]:
    """The form and what it gives; where it gives nothing, why."""
    zone, newest = stream.lane.equipment.line.time_zone, queries.newest(stream)
    if newest is None:
        return {"why_not": _("Nothing has been measured on this stream yet.")}
    until = newest + timedelta(seconds=1)
    reach = USUAL_OF_COUNTS if stream.characteristic.counted else USUAL_WINDOW
    usual = phase_one.usual(stream, until - reach, until)
    try:
        choice = forms.limits_choice(request.GET, zone) if request.GET else usual
    except ValueError as why:
        return {"form": forms.limits_fields(usual, zone), "why_not": str(why)}
    told = {"form": forms.limits_fields(choice, zone), "asked": request.GET.urlencode()}
    try:
        return told | {"preview": _preview(stream, choice)}
    except ValueError as why:
        return told | {"why_not": limit_words.no_limits(str(why))}


def _preview(stream: Stream, choice: Choice) -> Preview:
    weighed = phase_one.weigh(stream, choice)
    window, kept, found = weighed.window, weighed.kept, weighed.limits
    counted = weighed.counted_as is not None
    row = weighed.rows[0]
    lower, upper = Limits.lines(row.chart, found.mean, found.sigma, row.reach)
    spec = queries.specification(stream, overview.active_recipe(stream.lane.equipment.line))
    lines = {"ucl": upper, "mean": found.mean, "lcl": lower}
    decimals, used = stream.characteristic.decimals, window.value[kept]
    alarms, total = _alarms(weighed)
    return Preview(
        weighed=weighed,
        lower=lower,
        upper=upper,
        sigmas=[(limit_words.method(name), sigma, name == found.method) for name, sigma in weighed.sigmas.items()],
        alike=weighed.autocorrelation.lag_1 > phase_one.AUTOCORRELATED,
        run=diagrams.run_chart(
            window.at_s, window.value, window.stage, kept, weighed.suspect,
            {**lines, "lsl": spec.lower, "usl": spec.upper}, decimals,
        ),
        groups=_groups(weighed, decimals + 1),
        histogram=None if counted else diagrams.histogram(used, spec, lines, decimals),
        correlogram=diagrams.correlogram(weighed.autocorrelation),
        suspects=_suspects(weighed),
        alarms=alarms,
        per_shift=total,
        normal=None if counted else _capability(weighed, spec),
        percentiles=None if counted else of_percentiles(used, spec, np.random.default_rng(SEED)),
        runs=[(words, lengths) for row in weighed.rows for words, lengths in _runs(row)],
    )  # fmt: skip


def _runs(row: Limits) -> Iterator[tuple[str, list[float]]]:
    """Run lengths of what a chart is designed by, in control and after each of the shifts."""
    told = row.parameters
    if row.chart == Limits.Chart.EWMA:
        yield str(row.get_chart_display()), [_ewma(told["weight"], told["width"], shift) for shift in (0.0, *SHIFTS)]
    elif row.chart == Limits.Chart.CUSUM:
        own = told["k"], told["h"], told["head_start"]
        yield str(row.get_chart_display()), [run_length.cusum(*own[:2], shift, own[2]) for shift in (0.0, *SHIFTS)]
    elif row.chart == Limits.Chart.INDIVIDUALS and Rule.BEYOND_3_SIGMA & row.rules:
        beyond = told.get("beyond", BEYOND.beyond)
        yield wording.rule(int(Rule.BEYOND_3_SIGMA)), [run_length.shewhart(beyond, shift) for shift in (0.0, *SHIFTS)]


@lru_cache(maxsize=256)
def _ewma(weight: float, width: float, shift: float) -> float:
    """The chain takes a tenth of a second."""
    return run_length.ewma(weight, width, shift)


def _groups(weighed: Weighed, decimals: int) -> diagrams.RunChart | None:
    """The means that the rules look at, between their own lines."""
    told = weighed.groups
    if told is None:
        return None
    chart, every = told.chart, np.ones(len(told.mean), np.bool_)
    reach = chart.rules.beyond * chart.sigma
    lines = {"ucl": chart.mean + reach, "mean": chart.mean, "lcl": chart.mean - reach}
    beyond = np.abs(told.mean - chart.mean) > reach
    return diagrams.run_chart(told.at_s, told.mean, told.stage, every, beyond, lines, decimals)


def _capability(weighed: Weighed, spec: Specification) -> Capability:
    used, found = weighed.window.value[weighed.kept], weighed.limits
    overall = float(used.std(ddof=1))
    worth = max(2.0, weighed.autocorrelation.effective_n)
    ranges = found.method in ("moving_range", "median_moving_range")
    within = worth * (MOVING_RANGE_EFFICIENCY if ranges else 1.0)
    return capability(found.mean, found.sigma, overall, worth, spec, within_n=within)


def _alarms(weighed: Weighed) -> tuple[list[Alarm], float]:
    """The rules of the choice, the loudest first, and their sum."""
    foretold: dict[int, float] = {}
    for row in weighed.rows:
        rules = Rule.RESIDUAL if row.chart == Limits.Chart.RESIDUAL else Rule(row.rules)
        for rule in rules:
            foretold[int(rule)] = foretold.get(int(rule), 0.0) + row.expected["by_rule"].get(str(int(rule)), 0.0)
    total = sum(foretold.values())
    alarms = [
        Alarm(wording.rule(bit), number, 100 * number / total if total else 0.0, weighed.counted.get(Rule(bit), 0))
        for bit, number in sorted(foretold.items(), key=lambda one: -one[1])
    ]
    return alarms, total


def _suspects(weighed: Weighed) -> list[tuple[datetime, float]]:
    window, far = weighed.window, np.flatnonzero(weighed.suspect)
    far = far[np.argsort(-np.abs(window.value[far] - weighed.limits.mean))][:SUSPECTS]
    return [(datetime.fromtimestamp(window.at_s[i], UTC), float(window.value[i])) for i in sorted(far.tolist())]
