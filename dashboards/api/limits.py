"""The control limits of a stream: every version, and a draft from a window, which is then reviewed like any other."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Field, Router, Schema

from control.actions.authority import Right, require
from control.actions.chart_choice import BASES, GROUP, Choice, Exclusion
from control.actions.errors import Invalid
from control.core.spc.limits import Method
from control.models import Limits, Stream, Version
from control.plantvalues import NO_ZERO
from control.queries import limits as queries
from control.queries import points
from dashboards import permissions, version_doors
from dashboards.api.changes import REFUSALS, Key
from dashboards.api.schemas import Failure, Instant
from dashboards.api.versions import DECIDED
from dashboards.forms import LONGEST_WINDOW
from dashboards.gate import needs

router = Router(tags=["limits"])


class LimitsOut(Schema):
    """One chart of a version of limits; rows with the same number were drafted and in force together."""

    version: int = Field(description="The version's id, for /versions/{version_id}")
    number: int
    chart: str
    state: str
    mean: float
    sigma: float
    n: int
    method: str
    window_from: datetime
    window_to: datetime
    excluded: list[dict[str, Any]] = Field(description="What was left out of the window, and why")
    rules: list[str]
    parameters: dict[str, Any]
    false_alarms_per_shift: float | None = Field(description="Foretold when it was drafted, for eight hours")
    reason: str
    created_at: datetime
    created_by: str | None
    approved_by: str | None
    effective_from: datetime | None
    effective_to: datetime | None


class LeftOutIn(Schema, extra="forbid"):
    start: Instant = Field(alias="from", description="Foil made from then on is left out")
    end: Instant = Field(alias="to", description="until then, both included")
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


class LimitsIn(Schema, extra="forbid"):
    start: Instant = Field(alias="from", description="With its offset from UTC")
    end: Instant = Field(alias="to")
    method: Method = "moving_range"
    charts: list[str] = Field(default_factory=list, max_length=10, description="Beside the single values")
    rule_set: str = Field("western_electric", max_length=40)
    lengths: dict[str, int] = Field(default_factory=dict, description="Of runs, where not as the set has them")
    figures: dict[str, float] = Field(default_factory=dict, description="Zones, EWMA and CUSUM, where not as usual")
    off: list[str] = Field(default_factory=list, max_length=8, description="Rules of the set that are not to hold")
    basis: str = Field(str(BASES[0]), max_length=40, description="What the rules look at")
    group: int = Field(GROUP, description="Values of a group")
    excluded: list[LeftOutIn] = Field(default_factory=list, max_length=200)
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


@router.get("/streams/{stream_id}/limits", response={200: list[LimitsOut], 403: Failure, **REFUSALS})
@needs(Right.AUDIT)
def stream_limits(request: HttpRequest, stream_id: int) -> Any:
    """Every version of a stream's limits, the newest first, for those who may audit its line."""
    stream = _found(request, stream_id)
    require(permissions.person(request), Right.AUDIT, stream.lane.equipment.line, permissions.now())
    return [_limits(version.stored, row) for version in queries.versions(stream) for row in version.rows]


@router.post("/streams/{stream_id}/limits", response=DECIDED)
@needs(Right.CONFIGURE)
def draw(request: HttpRequest, stream_id: int, asked: LimitsIn, key: str = Key) -> HttpResponse:
    """Draft what a window gives, with the false alarms it foretells. 422 ``no_limits``: it gives none.

    The draft goes on as every version does: ``/versions/{version_id}/submit``, and somebody else approves it.
    """
    stream, user = _found(request, stream_id), permissions.person(request)
    done = version_doors.draw(user, key, stream, _choice(asked), reason=asked.reason)
    headers = {"Idempotent-Replayed": "true"} if done.again else {}
    return JsonResponse(dict(done.answer), status=done.status, headers=headers)


def _choice(asked: LimitsIn) -> Choice:
    instants = [at for span in (asked, *asked.excluded) for at in (span.start, span.end)]
    if any(at.tzinfo is None for at in instants):
        raise Invalid("no_offset", "Give the instant with its offset from UTC.")
    if asked.end - asked.start > LONGEST_WINDOW:
        raise Invalid("no_limits", f"A window has at most {LONGEST_WINDOW.days} days.")
    left_out = tuple(Exclusion(one.start, one.end, one.reason) for one in asked.excluded)
    plain = {name: getattr(asked, name) for name in ("method", "rule_set", "lengths", "basis", "group", "figures")}
    try:
        return Choice(
            asked.start, asked.end, charts=tuple(asked.charts), excluded=left_out, off=tuple(asked.off), **plain
        )
    except ValueError as why:
        raise Invalid("no_limits", str(why)) from None


def _found(request: HttpRequest, stream_id: int) -> Stream:
    return permissions.found(queries.visible_streams(permissions.line_ids(request)), pk=stream_id)


def _limits(version: Version, row: Limits) -> dict[str, Any]:
    names = ("number", "chart", "state", "mean", "sigma", "n", "method", "window_from", "window_to", "excluded",
             "parameters", "reason", "created_at", "effective_from", "effective_to")  # fmt: skip
    return {name: getattr(row, name) for name in names} | {
        "version": version.pk,
        "rules": points.rule_names(row.rules),
        "false_alarms_per_shift": row.expected.get("per_shift"),
        "created_by": version.author.get_username() if version.author else None,
        "approved_by": version.approved_by.get_username() if version.approved_by else None,
    }
