"""Lines, lanes and the points of their charts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from control.actions.errors import Invalid
from control.models import Characteristic, Equipment, Lane, Line, Recipe
from control.queries import lane as lane_queries
from control.queries import live, overview, points
from dashboards import permissions
from dashboards.api.schemas import Failure, Instant, LaneOut, LineOut, PointsOut
from dashboards.frames import Frame, frame
from dashboards.panels import Panel, panel
from dashboards.wording import PANELS

MOST_POINTS = 5000
FROM, TO = Query(None, alias="from"), Query(None, alias="to")
FROM_NEEDED, TO_NEEDED = Query(..., alias="from"), Query(..., alias="to")
router = Router(tags=["plant"])
REFUSALS = {401: Failure, 404: Failure, 422: Failure}


@router.get("/lines", response={200: list[LineOut], **REFUSALS})
def lines(request: HttpRequest) -> Any:
    """The lines you may look at, with their machines."""
    return [_line(line) for line in permissions.lines(request)]


@router.get("/lanes", response={200: list[LaneOut], **REFUSALS})
def lanes(request: HttpRequest, line: str | None = None) -> Any:
    """The lanes of those lines (or of one), with what is charted of each."""
    mine = permissions.lines(request)
    rows = lane_queries.visible_lanes(mine.filter(key=line) if line else mine)
    recipes: dict[int, Recipe | None] = {one.pk: overview.active_recipe(one) for one in mine}
    return [_lane(lane, recipes[lane.equipment.line_id]) for lane in rows]


@router.get("/lanes/{lane_id}/points", response={200: PointsOut, **REFUSALS})
def lane_points(
    request: HttpRequest,
    lane_id: int,
    since: int | None = Query(None, ge=0, lt=2**63),
    limit: int = Query(1000, ge=1, le=MOST_POINTS),
    start: Instant | None = FROM,
    end: Instant | None = TO,
) -> Any:
    """Points after a sequence number, in order; or those made in a time range, thinned so that no violation is lost;
    or the newest ones."""
    if (start is None) != (end is None):
        raise Invalid("half_a_range", "Give both from and to, or neither.")
    lane = permissions.found(lane_queries.visible_lanes(permissions.line_ids(request)), pk=lane_id)
    head = points.head(lane.equipment_id)
    if since is not None:
        found = points.since(lane.equipment_id, since, until=head, limit=limit, lane_id=lane.pk)
        seq_to = found[-1]["seq"] if len(found) == limit else max(head, since)
    elif start and end:
        found, seq_to = points.in_range(lane.pk, start, end), head
    else:
        found, seq_to = points.newest(lane.equipment_id, until=head, limit=limit, reach=60_000, lane_id=lane.pk), head
    return {"epoch": live.epoch(), "head_seq": head, "seq_to": seq_to, "points": found}


@router.get("/lanes/{lane_id}/frame", response={200: Frame, **REFUSALS})
def lane_frame(
    request: HttpRequest,
    lane_id: int,
    start: Instant = FROM_NEEDED,
    end: Instant = TO_NEEDED,
) -> Any:
    """What surrounds a lane's points in a time range: specification, limits with their versions, events, plant time."""
    lane = permissions.found(lane_queries.visible_lanes(permissions.line_ids(request)), pk=lane_id)
    return frame(lane, start, end)


@router.get("/lanes/{lane_id}/panel", response={200: Panel, **REFUSALS})
def lane_panel(
    request: HttpRequest,
    lane_id: int,
    kind: str = Query(..., alias="panel", description="|".join(PANELS)),
    start: Instant = FROM_NEEDED,
    end: Instant = TO_NEEDED,
) -> Any:
    """What one kind of chart drew of a lane's streams in a time range: its statistic with its lines, point by point."""
    lane = permissions.found(lane_queries.visible_lanes(permissions.line_ids(request)), pk=lane_id)
    if kind not in PANELS:
        raise Invalid("no_such_chart", f"The charts are {', '.join(PANELS)}.")
    return panel(lane, kind, start, end)


def _line(line: Line) -> dict[str, Any]:
    machines = list(overview.equipment_of(line))
    received = overview.last_received(machines)
    heads = points.heads(machine.pk for machine in machines)
    recipe = overview.active_recipe(line)
    return {
        "id": line.pk, "key": line.key, "name": str(line), "site": line.area.site.key, "time_zone": line.time_zone,
        "recipe": str(recipe) if recipe else None,
        "equipment": [_machine(machine, heads.get(machine.pk, 0), received.get(machine.pk)) for machine in machines],
    }  # fmt: skip


def _machine(machine: Equipment, head: int, received: datetime | None) -> dict[str, Any]:
    return {
        "id": machine.pk, "key": machine.key, "name": str(machine), "head_seq": head, "last_received_at": received,
    }  # fmt: skip


def _lane(lane: Lane, recipe: Recipe | None) -> dict[str, Any]:
    streams = []
    for stream in lane_queries.streams_of(lane):
        spec = (recipe and recipe.stream_spec(lane.equipment.key, stream.key)) or {}
        about: Characteristic = stream.characteristic
        limits = {side: spec.get(side) for side in ("lower", "target", "upper")}
        told = {"characteristic": str(about), "unit": about.unit, "counted": about.counted, **limits}
        streams.append({"id": stream.pk, "key": stream.key, **told})
    return {
        "id": lane.pk, "line": lane.equipment.line.key, "equipment": lane.equipment.key, "number": lane.number,
        "side": lane.side, "streams": streams,
    }  # fmt: skip
