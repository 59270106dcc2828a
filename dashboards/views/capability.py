"""What a lane was capable of in the window its charts show."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from control.actions.authority import Right
from control.models import Lane
from control.queries import lane as lane_queries
from control.queries import limits as queries
from control.queries import overview
from dashboards import permissions
from dashboards.instants import instant

USUAL, LEAST, MOST = timedelta(minutes=30), timedelta(minutes=1), timedelta(hours=24)


@login_required
@require_safe
def part(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the lane's page, asked for once that is shown and again when the window moves."""
    lane = permissions.found(lane_queries.visible_lanes(permissions.line_ids(request)), pk=pk)
    return render(request, "lane/_capability.html", _shown(request, lane))


def _shown(request: HttpRequest, lane: Lane) -> dict[str, Any]:
    """Every stream of the lane with its capability, None where too little was measured."""
    line, window = lane.equipment.line, _window(request, lane)
    streams = list(lane_queries.streams_of(lane))
    measured = [stream for stream in streams if not stream.characteristic.counted]
    found = {one.stream.pk: one for one in queries.capable(lane, measured, overview.active_recipe(line), *window)}
    return {
        "lane": lane,
        "zone": line.time_zone,
        "window": window,
        "capabilities": [(stream, found.get(stream.pk)) for stream in streams],
        "may_audit_line": permissions.may(request, Right.AUDIT, line),
    }


def _window(request: HttpRequest, lane: Lane) -> tuple[datetime, datetime]:
    """The one the address names, as the charts read it, or its last 24 h; else the last half hour of what there is."""
    start, end = instant(request.GET.get("from", "")), instant(request.GET.get("to", ""))
    if start and end and start < end:
        return max(start, end - MOST), end
    now, newest, told = permissions.now(), lane_queries.newest_at(lane), request.GET.get("span", "")
    end = min(newest + LEAST, now) if newest else now
    span = timedelta(seconds=int(told)) if told.isascii() and told.isdigit() and len(told) < 7 else USUAL
    return end - min(MOST, max(LEAST, span)), end
