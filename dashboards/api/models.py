"""Prediction models from elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, File, Form, Router, Schema, Status
from ninja.files import UploadedFile

from control.actions import outside_models
from control.actions.authority import Right
from control.models import Equipment
from control.plantvalues import NO_ZERO
from dashboards import permissions, uploads, version_doors
from dashboards.api.changes import Key, answer
from dashboards.api.schemas import Failure
from dashboards.api.versions import DECIDED
from dashboards.gate import needs

router = Router(tags=["models"])
REFUSALS = {401: Failure, 403: Failure, 404: Failure, 409: Failure, 422: Failure}


class TrainingRunOut(Schema):
    id: int
    state: str
    asked_at: datetime


class SubmitIn(Schema, extra="forbid"):
    reason: str = Field(min_length=1, max_length=400, pattern=NO_ZERO)


@router.post("/equipment/{equipment_id}/models", response={202: TrainingRunOut, **REFUSALS})
@needs(Right.CONFIGURE)
def bring(
    request: HttpRequest,
    equipment_id: int,
    model: File[UploadedFile],
    declaration: File[UploadedFile],
    reason: Form[str],
) -> Any:
    """Try an ONNX file with its declaration (TOML): it is checked at once, then compared by a training run. Once it has
    passed, an engineer submits it for review."""
    mine = Equipment.objects.filter(line__in=permissions.line_ids(request)).select_related("line__area__site")
    machine = permissions.found(mine, pk=equipment_id)
    run = outside_models.bring(
        machine, uploads.read(model), uploads.read(declaration), actor=permissions.person(request),
        now=permissions.now(), reason=reason[:400],
    )  # fmt: skip
    return Status(202, {"id": run.pk, "state": run.state, "asked_at": run.asked_at})


@router.post("/equipment/{equipment_id}/models/submit", response=DECIDED)
@needs(Right.CONFIGURE)
def submit(request: HttpRequest, equipment_id: int, asked: SubmitIn, key: str = Key) -> HttpResponse:
    """Put the newest estimators that passed before a reviewer: a version of kind ``estimators``."""
    mine = Equipment.objects.filter(line__in=permissions.line_ids(request)).select_related("line__area__site")
    machine = permissions.found(mine, pk=equipment_id)
    return answer(version_doors.submit_models(permissions.person(request), key, machine, reason=asked.reason))
