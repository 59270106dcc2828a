"""One lane: its live charts, their numbers as a table and a file, and its signals."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from control.actions import retracing
from control.actions.authority import Right
from control.models import Lane
from control.queries import lane as queries
from control.queries import live, points
from dashboards import panels, permissions, wording
from dashboards.cells import neutral
from dashboards.instants import instant

SIGNALS = 20
NO_PANEL = "none"
LONGEST_FILE = timedelta(days=31)
COLUMNS = (
    "seq", "stream", "by", "at", "plant_time", "known_at", "roll", "web_m", "value", "low", "high", "predicted",
    "quality", "verdict", "rules", "doubt", "n",
)  # fmt: skip


@login_required
@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    lane = _found(request, pk)
    siblings = Lane.objects.filter(equipment=lane.equipment).order_by("-side", "number")
    shared = {"lines": permissions.lines(request), "siblings": siblings}
    return render(request, "lane/page.html", shared | _panel(request, lane) | _context(request, lane))


@login_required
@require_safe
def signals(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "lane/_signals.html", _context(request, _found(request, pk)))


@login_required
@require_safe
def download(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Every point of a time range as CSV; times in UTC and as the plant's clock showed them."""
    lane = _found(request, pk)
    found = (COLUMNS, _points(lane, *_range(request)))
    return _file(f"{lane.equipment.line.key}-{lane.equipment.key}-{lane.key}.csv", *found)


@login_required
@require_safe
def panel_file(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Every point of the small chart in a time range as CSV."""
    lane, kind = _found(request, pk), request.GET.get("panel", "")
    start, end = _range(request)
    if kind not in wording.PANELS:
        raise Http404("there is no such chart")
    found = (panels.COLUMNS, panels.rows(lane, kind, start, end))
    return _file(f"{lane.equipment.line.key}-{lane.equipment.key}-{lane.key}-{kind}.csv", *found)


def _found(request: HttpRequest, pk: int) -> Lane:
    return permissions.found(queries.visible_lanes(permissions.line_ids(request)), pk=pk)


def _context(request: HttpRequest, lane: Lane) -> dict[str, Any]:
    line = lane.equipment.line
    follow = live.following([line])
    streams = list(queries.streams_of(lane))
    signals = list(queries.signals_of(lane)[:SIGNALS])
    told = [{"id": s.pk, "name": str(s.characteristic), "unit": s.characteristic.unit} for s in streams]
    return {
        "follow": follow,
        "lane": lane,
        "line": line,
        "zone": line.time_zone,
        "streams": streams,
        "streams_json": json.dumps(told),
        "signals": signals,
        "content": " ".join(f"{one.pk}:{one.last_seq}:{one.closed_at is None}" for one in signals),
        "causes": queries.causes(),
        "actions": queries.actions(),
        "may_answer": permissions.may(request, Right.ANSWER_SIGNAL, line),
    }


def _range(request: HttpRequest) -> tuple[datetime, datetime]:
    start, end = _instant(request, "from"), _instant(request, "to")
    if not timedelta(0) < end - start <= LONGEST_FILE:
        raise Http404("the range must be between nothing and 31 days")
    return start, end


def _panel(request: HttpRequest, lane: Lane) -> dict[str, Any]:
    """Which small chart the address asks for, and which there are: the first where it names none."""
    known = retracing.panels(lane)
    asked = request.GET.get("panel", "")
    chosen = asked if asked in known or asked == NO_PANEL else next(iter(known), NO_PANEL)
    links = [(key, wording.PANELS[key], _with_panel(request, key)) for key in known]
    return {
        "panel": chosen,
        "panel_name": wording.PANELS.get(chosen, ""),
        "panel_links": links,
        "no_panel": (NO_PANEL, _with_panel(request, NO_PANEL)),
        "panel_streams": known.get(chosen, set()),
    }


def _with_panel(request: HttpRequest, key: str) -> str:
    query = request.GET.copy()
    query["panel"] = key
    return f"?{query.urlencode()}"


def _instant(request: HttpRequest, name: str) -> datetime:
    at = instant(request.GET.get(name, ""))
    if at is None:
        raise Http404(f"{name} must be an instant with its offset")
    return at


class _Line:
    """What the csv writer writes to: it hands the line back."""

    def write(self, line: str) -> str:
        return line


def _file(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> StreamingHttpResponse:
    file = StreamingHttpResponse(_csv(columns, rows), content_type="text/csv; charset=utf-8")
    file["Content-Disposition"] = f'attachment; filename="{name}"'
    return file


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([neutral(row[name]) for name in columns])


def _points(lane: Lane, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    names = {stream.pk: stream.key for stream in queries.streams_of(lane)}
    for point in points.every(lane.pk, start, end, lane.equipment.line.time_zone):
        yield {**point, "stream": names[point["stream"]], "rules": " ".join(point["rules"])}
