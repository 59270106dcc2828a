"""The line overview: all lanes in their normal band, and what waits for a person."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from control.actions import attention
from control.actions.authority import Right
from control.actions.holds import LEAVING
from control.models import Equipment, Hold, Line, ProcessEvent, Roll
from control.queries import live, process_events, signals
from control.queries import overview as queries
from control.queries.overview import StreamNow
from dashboards import permissions, wording
from dashboards.figures import Bar, Risk, bar, risk, worst
from dashboards.names import Names

SIGNALS = 12  # the newest that fit beside the lanes
EVENTS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One stream on the page."""

    now: StreamNow
    bar: Bar | None
    risk: Risk


@dataclass(frozen=True, slots=True)
class Group:
    """The streams of one characteristic and side of one machine."""

    title: str
    unit: str
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Machine:
    equipment: Equipment
    roll: Roll | None
    received: Any
    groups: list[Group]
    speed: float | None

    @property
    def rows(self) -> list[Row]:
        return [row for group in self.groups for row in group.rows]


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The first line a person may see."""
    line = permissions.lines(request).first()
    return _page(request, line) if line else render(request, "nothing.html", {"lines": []}, status=200)


@login_required
@require_safe
def line(request: HttpRequest, key: str) -> HttpResponse:
    return _page(request, permissions.found(permissions.lines(request), key=key))


@login_required
@require_safe
def line_now(request: HttpRequest, key: str) -> HttpResponse:
    """The part of the page that moves."""
    return render(request, "overview/_now.html", _now(permissions.found(permissions.lines(request), key=key)))


@login_required
@require_safe
def line_hold(request: HttpRequest, key: str) -> HttpResponse:
    """The head of the page: the HOLD button, or who holds the line and how to end it."""
    found = permissions.found(permissions.lines(request), key=key)
    return render(request, "overview/_hold.html", {"line": found, "zone": found.time_zone, **held_over(request, found)})


def _page(request: HttpRequest, line: Line) -> HttpResponse:
    shared = {"lines": permissions.lines(request), "follow_holds": live.following([line])}
    return render(
        request, "overview/page.html", shared | _now(line) | held_over(request, line) | _telling(request, line)
    )


def _telling(request: HttpRequest, line: Line) -> dict[str, Any]:
    """What the form needs in which a person tells of an event."""
    return {
        "may_tell": permissions.may(request, Right.RECORD_EVENT, line),
        "may_configure": permissions.may(request, Right.CONFIGURE, line),
        "kinds": ProcessEvent.Kind.choices,
        "sides": ProcessEvent.Side.choices,
        "key": uuid.uuid4().hex,
    }


def held_over(request: HttpRequest, line: Line) -> dict[str, Any]:
    holds, site = list(queries.open_holds(line)), line.area.site
    return {
        "holds": holds,
        "line_held": any(hold.loop_id is None for hold in holds),
        "site_held": any(hold.site_id is not None for hold in holds),
        "held": " ".join(f"{hold.pk}{hold.reason[:1]}" for hold in holds),  # while it stays, so does a half-filled form
        "may_hold": permissions.may(request, Right.HOLD, line),
        "may_hold_site": permissions.may_at_site(request, Right.HOLD, site),
        "releasable": releasable(request, line, holds),
        "leaving": wording.meaning(LEAVING),
        "key": uuid.uuid4().hex,
    }


def releasable(request: HttpRequest, line: Line, holds: Sequence[Hold]) -> list[Hold]:
    """Those of some HOLDs over a line that the person may end."""
    here = permissions.may(request, Right.RELEASE, line)
    everywhere = permissions.may_at_site(request, Right.RELEASE, line.area.site)
    return [hold for hold in holds if (everywhere if hold.site_id else here)]


def _now(line: Line) -> dict[str, Any]:
    equipment = list(queries.equipment_of(line))
    follow = live.following([line], equipment)
    recipe = queries.active_recipe(line)
    machines = _machines(equipment, queries.streams_now(equipment, recipe))
    now = permissions.now()
    board, names = signals.board(line, now), Names(line.pk)
    speeds = {machine.equipment.pk: machine.speed for machine in machines}
    return {
        "follow": follow,
        "line": line,
        "zone": line.time_zone,
        "recipe": recipe,
        "machines": machines,
        "worst": worst([row.risk for machine in machines for row in machine.rows]),
        "loops": queries.loops_of(line),
        "changes": [(change, speeds.get(change.loop.equipment_id)) for change in queries.open_changes([line.pk])],
        "signals": board.calling[:SIGNALS],
        "signals_open": len(board.calling),
        "quiet": len(board.waiting) + len(board.shelved),
        "rate": attention.rate(line.pk, now),
        "events": [
            (row, names.event_note(row.equipment_id, row.note)) for row in process_events.of_line(line)[:EVENTS]
        ],
    }


def _machines(equipment: list[Equipment], streams: list[StreamNow]) -> list[Machine]:
    rolls, received = queries.rolls_now(equipment), queries.last_received(equipment)
    by_machine = {key: list(rows) for key, rows in groupby(streams, lambda now: now.stream.lane.equipment_id)}
    return [
        Machine(
            machine, rolls.get(machine.pk), received.get(machine.pk), _groups(by_machine.get(machine.pk, [])),
            queries.web_speed(machine),
        )
        for machine in equipment
    ]  # fmt: skip


def _groups(streams: list[StreamNow]) -> list[Group]:
    def place(now: StreamNow) -> tuple[int, str]:
        return now.stream.characteristic_id, now.stream.lane.side

    groups = []
    for (_, side), rows in groupby(streams, place):
        members = [Row(now, bar(now), risk(now)) for now in rows]
        first = members[0].now.stream
        title = str(first.characteristic)
        if side != "both":
            title = f"{title}, {first.lane.get_side_display()}"
        groups.append(Group(title, first.characteristic.unit, members))
    return groups
