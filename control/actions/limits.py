"""Phase I: control limits of every stream from a stretch of its metrology, versioned and in force from a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db.models import Max

from control.actions import audit, machines
from control.actions.audit import Actor
from control.core.machine import WECO
from control.core.spc.limits import phase_one
from control.core.types import BoolArray, FloatArray, MeasuredBy, Quality, Rule
from control.models import Equipment, Limits, Measurement, Stream, VersionState

AUTOCORRELATED = 0.3  # lag-1 correlation above which moving ranges understate sigma and runs mean little
WILD = 5.0  # robust sigma from the median: a wild reading, not the process
OF_FAST_DATA = Rule.BEYOND_3_SIGMA
EWMA_WEIGHT, EWMA_WIDTH = 0.2, 2.962  # in-control run length about 500


@dataclass(frozen=True, slots=True)
class Drawn:
    """Streams that have new limits, and why the others have none."""

    streams: list[str]
    refused: Mapping[str, str]


def draw(
    equipment: Equipment, *, since: datetime, until: datetime, actor: Actor, now: datetime, reason: str = ""
) -> Drawn:
    """Find mean and sigma of each stream in ``[since, until)`` and put them in force from ``now``."""
    done, refused = [], {}
    with audit.atomic():
        for stream in machines.streams_of(equipment):
            try:
                _draw(stream, since, until, now)
                done.append(stream.key)
            except ValueError as why:
                refused[stream.key] = str(why)
        told = {"drawn": done, "refused": refused, "from": since, "to": until}
        audit.record(
            actor=actor, action="limits.draw", obj=equipment, now=now, new=told, reason=reason, line=equipment.line_id
        )
    return Drawn(done, refused)


def _draw(stream: Stream, since: datetime, until: datetime, now: datetime) -> None:
    rows = Measurement.objects.filter(
        equipment=stream.lane.equipment_id, stream=stream, at__gte=since, at__lt=until,
        by=MeasuredBy.GAUGE, quality=Quality.GOOD, value__isnull=False,
    )  # fmt: skip
    told = list(rows.order_by("at").values_list("at", "value"))
    at_s = np.array([at.timestamp() for at, _ in told])
    values = np.array([value for _, value in told], np.float64)
    wild = _wild(values)
    found = phase_one(values, at_s, excluded=wild)
    fast = found.lag_1 > AUTOCORRELATED
    if fast:
        found = phase_one(values, at_s, method="standard_deviation", excluded=wild)
    common: dict[str, Any] = {
        "mean": found.mean,
        "sigma": found.sigma,
        "n": found.n,
        "method": found.method,
        "window_from": datetime.fromtimestamp(found.from_s, UTC),
        "window_to": datetime.fromtimestamp(found.to_s, UTC),
    }
    more = {"excluded": found.excluded, "lag_1": round(found.lag_1, 3)}
    rules = OF_FAST_DATA if fast else WECO
    _activate(stream, Limits.Chart.INDIVIDUALS, {**common, "rules": rules, "parameters": more}, now)
    if not fast:
        more |= {"weight": EWMA_WEIGHT, "width": EWMA_WIDTH}
        _activate(stream, Limits.Chart.EWMA, {**common, "rules": Rule.EWMA, "parameters": more}, now)


def _wild(values: FloatArray) -> BoolArray:
    if not len(values):
        return np.zeros(0, bool)
    off = np.abs(values - np.median(values))
    return np.asarray(off > WILD * 1.4826 * np.median(off))


def _activate(stream: Stream, chart: str, facts: dict[str, Any], now: datetime) -> None:
    last = stream.limits.filter(chart=chart).aggregate(last=Max("number"))["last"] or 0
    stream.limits.filter(chart=chart, state=VersionState.ACTIVE).update(state=VersionState.SUPERSEDED, effective_to=now)
    Limits.objects.create(
        stream=stream, chart=chart, number=last + 1, state=VersionState.ACTIVE, effective_from=now, **facts
    )
