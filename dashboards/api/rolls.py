"""Both values of every roll: what was said at once, and what is said since it was measured."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from control.core.types import MeasuredBy
from control.models import Equipment, RollValue
from control.queries import model_health
from control.queries.points import KIND
from dashboards import permissions
from dashboards.api.schemas import Failure

router = Router(tags=["rolls"])


class RollValueOut(Schema):
    roll: int
    stream: int
    key: str = Field(description="Characteristic and lane, as loading/2-top")
    made_from: datetime
    made_to: datetime
    model: str = Field(description="Hash of the estimator in force when this was found")
    first: float = Field(description="Phase I: mean of what was predicted as the foil was made")
    first_low: float = Field(description="Lower end of the 90 % interval")
    first_high: float
    first_n: int
    by: str | None = Field(description="gauge or lab; null while nothing of the roll was measured")
    measured: float | None
    measured_n: int
    second: float | None = Field(description="Phase II: corrected by how far the measured metres were off")
    second_low: float | None
    second_high: float | None
    second_at: datetime | None = Field(description="When the newest value behind phase II became known")


@router.get("/equipment/{equipment_id}/rolls", response={200: list[RollValueOut], 401: Failure, 404: Failure})
def rolls(request: HttpRequest, equipment_id: int, limit: int = Query(200, ge=1, le=2000)) -> Any:
    """Both values of a machine's rolls, newest roll first."""
    mine = Equipment.objects.filter(line__in=permissions.line_ids(request))
    machine = permissions.found(mine, pk=equipment_id)
    return [_out(row) for row in model_health.roll_values(machine)[:limit]]


def _out(row: RollValue) -> dict[str, Any]:
    names = [name for name in RollValueOut.model_fields if name not in ("stream", "key", "by")]
    by = None if row.by is None else KIND[MeasuredBy(row.by)]
    return {name: getattr(row, name) for name in names} | {"stream": row.stream_id, "key": row.stream.key, "by": by}
