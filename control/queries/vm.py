"""How good the predictions were on what was measured after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from django.db import connection

from control.core.types import FloatArray, MeasuredBy, Quality
from control.models import Estimator, Line, Measurement, VersionState


@dataclass(frozen=True, slots=True)
class Error:
    """One stream: mean absolute and root mean square error of ``n`` predictions, each made before its value was known.

    They are those shown when the metre was at the die. Beside them the errors of the mean of what was measured up to
    the end of training, and of the last value measured. ``coverage`` is the share of values inside the interval that
    was shown, ``vouched`` that of predictions the model stood by. ``kind`` is the main model's; ``closed`` says which
    loops it may not drive, and why.
    """

    stream: str
    kind: str
    n: int
    mae: float
    rmse: float
    mae_of_mean: float
    rmse_of_mean: float
    mae_of_last: float
    rmse_of_last: float
    coverage: float
    vouched: float
    closed: Mapping[str, str]


SHOWN = """
SELECT m.value, p.value, p.low, p.high, p.quality
FROM control_point m JOIN control_point p ON p.stream_id = m.stream_id AND p.at = m.at AND p.by = %s
WHERE m.stream_id = %s AND m.by = %s AND m.quality = %s AND m.at > %s AND m.value IS NOT NULL AND p.value IS NOT NULL
ORDER BY m.at, m.seq
"""


def errors(line: Line) -> list[Error]:
    """Every stream of a line with an estimator in force and values measured since."""
    active = Estimator.objects.filter(stream__lane__equipment__line=line, state=VersionState.ACTIVE)
    rows = active.select_related("stream__lane", "stream__characteristic").order_by("stream_id")
    return [found for row in rows if (found := _error(row)) is not None]


def _error(estimator: Estimator) -> Error | None:
    stream = estimator.stream
    real = {"stream": stream, "by": MeasuredBy.GAUGE, "quality": Quality.GOOD, "value__isnull": False}
    with connection.cursor() as cursor:
        good = [MeasuredBy.PREDICTION, stream.pk, MeasuredBy.GAUGE, Quality.GOOD, estimator.trained_to]
        cursor.execute(SHOWN, good)
        told = np.array(cursor.fetchall(), np.float64).reshape(-1, 5)
    before = Measurement.objects.filter(
        equipment=stream.lane.equipment_id, at__gte=estimator.trained_from, at__lte=estimator.trained_to, **real
    )
    known = np.array(list(before.order_by("at", "sequence").values_list("value", flat=True)), np.float64)
    if not len(told) or not len(known):
        return None
    value, predicted, low, high, quality = told.T
    error = value - predicted
    of_mean = value - known.mean()
    of_last = np.diff(value, prepend=known[-1])
    return Error(
        stream=stream.key,
        kind=estimator.content["main"]["kind"],
        n=len(value),
        mae=_mae(error),
        rmse=_rmse(error),
        mae_of_mean=_mae(of_mean),
        rmse_of_mean=_rmse(of_mean),
        mae_of_last=_mae(of_last),
        rmse_of_last=_rmse(of_last),
        coverage=float(np.mean((value >= low) & (value <= high))),
        vouched=float(np.mean(quality == Quality.GOOD)),
        closed={loop: gate["told"] for loop, gate in estimator.metrics.get("gates", {}).items() if gate["told"]},
    )


def _mae(error: FloatArray) -> float:
    return float(np.mean(np.abs(error)))


def _rmse(error: FloatArray) -> float:
    return float(np.sqrt(np.mean(error**2)))
