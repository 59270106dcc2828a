"""How good the predictions were on what was measured after training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.types import FloatArray, MeasuredBy, Quality
from control.models import Estimator, Line, Measurement, Point, VersionState


@dataclass(frozen=True, slots=True)
class Error:
    """One stream: mean absolute and root mean square error of ``n`` predictions, each made before its value was known.

    Beside them those of the mean of what was measured up to the end of training, and of the last value measured.
    ``coverage`` is the share of values inside the 90 % interval.
    """

    stream: str
    n: int
    mae: float
    rmse: float
    mae_of_mean: float
    rmse_of_mean: float
    mae_of_last: float
    rmse_of_last: float
    coverage: float


def errors(line: Line) -> list[Error]:
    """Every stream of a line with an estimator in force and values measured since."""
    active = Estimator.objects.filter(stream__lane__equipment__line=line, state=VersionState.ACTIVE)
    rows = active.select_related("stream__lane", "stream__characteristic").order_by("stream_id")
    return [found for row in rows if (found := _error(row)) is not None]


def _error(estimator: Estimator) -> Error | None:
    stream = estimator.stream
    real = {"stream": stream, "by": MeasuredBy.GAUGE, "quality": Quality.GOOD, "value__isnull": False}
    points = Point.objects.filter(
        equipment=stream.lane.equipment_id, at__gt=estimator.trained_to, predicted__isnull=False, **real
    )
    told = np.array(list(points.order_by("at", "seq").values_list("value", "predicted")), np.float64).reshape(-1, 2)
    before = Measurement.objects.filter(
        equipment=stream.lane.equipment_id, at__gte=estimator.trained_from, at__lte=estimator.trained_to, **real
    )
    known = np.array(list(before.order_by("at", "sequence").values_list("value", flat=True)), np.float64)
    if not len(told) or not len(known):
        return None
    value, error = told[:, 0], told[:, 0] - told[:, 1]
    of_mean = value - known.mean()
    of_last = np.diff(value, prepend=known[-1])
    return Error(
        stream=stream.key,
        n=len(value),
        mae=_mae(error),
        rmse=_rmse(error),
        mae_of_mean=_mae(of_mean),
        rmse_of_mean=_rmse(of_mean),
        mae_of_last=_mae(of_last),
        rmse_of_last=_rmse(of_last),
        coverage=float(np.mean(np.abs(error) <= estimator.content["half_width"])),
    )


def _mae(error: FloatArray) -> float:
    return float(np.mean(np.abs(error)))


def _rmse(error: FloatArray) -> float:
    return float(np.sqrt(np.mean(error**2)))
