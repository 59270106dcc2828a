"""What the charts of a lane drew in a time range, retraced from its points and the limits of then. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from control.actions import machines
from control.core import retrace
from control.core.machine import ChartConfig
from control.core.retrace import Past, Series
from control.core.together import Line
from control.core.types import FloatArray, IntArray, Rule
from control.epoch import instant
from control.models import Lane, Limits, Stream
from control.queries import judged
from control.queries import lane as lanes
from control.queries import limits as limit_queries
from control.queries.judged import Judged

Chart = Limits.Chart
KINDS: dict[str, str] = {  # which panel draws the chart
    Chart.EWMA: "ewma",
    Chart.CUSUM: "cusum",
    Chart.RESIDUAL: "error",
    Chart.T2: "t2",
    Chart.MEWMA: "mewma",
    **dict.fromkeys((Chart.MEAN_RANGE, Chart.MEAN_DEVIATION, Chart.THREE_WAY), "mean"),
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the panel shows of one stream."""

    stream: Stream
    series: list[Series]


def panels(lane: Lane) -> dict[str, set[int]]:
    """Which panels show something of a lane's streams (ids) under the limits in force, or did under earlier ones."""
    rows = Limits.objects.filter(stream__lane=lane, effective_from__isnull=False)
    found: dict[str, set[int]] = {}
    for stream, chart, rules in rows.values_list("stream_id", "chart", "rules").distinct():
        for key in _panels(chart, rules):
            found.setdefault(key, set()).add(stream)
    return {key: found[key] for key in retrace.PANELS if key in found}


def _panels(chart: str, rules: int) -> list[str]:
    found = [KINDS[chart]] if chart in KINDS else []
    if rules & Rule.SPREAD:
        found.append("spread")
    if rules & Rule.MOVING_RANGE and chart != Chart.RESIDUAL:
        found.append("mr")
    return found


def drawn(lane: Lane, panel: str, start: datetime, end: datetime) -> list[Drawn]:
    """Every stream of a lane that had such a chart, from the first point of the range to its last."""
    streams = list(lanes.streams_of(lane))
    versions = judged.versions(streams, end)
    found = []
    for stream in streams:
        told = versions.get(stream.pk, [])
        if not any(panel in _panels(row.chart, row.rules) for rows in told for row in rows):
            continue
        past, others = _past(stream, told, start, end)
        series = [one.since(start.timestamp()) for one in retrace.PANELS[panel](past, others)]
        found.append(Drawn(stream, [one for one in series if len(one.at_s)]))
    return found


def _past(
    stream: Stream, versions: Sequence[Sequence[Limits]], start: datetime, end: datetime
) -> tuple[Past, Mapping[str, Line]]:
    """The stream's values since its charts last began anew, and those of the lanes it is held beside."""
    boundaries = judged.boundaries(stream, end)
    begun = max([one.at_s for one in boundaries if one.at_s <= start.timestamp()], default=-np.inf)
    since = start - judged.REACH
    since = max(since, instant(begun)) if np.isfinite(begun) else since
    beside = _beside(stream, versions)
    told = judged.values([stream.pk, *(one.pk for one in beside)], since, end)
    charts, chart = _charts(stream, versions, told[stream.pk].known_s)
    own, stage = told[stream.pk], _stages(told[stream.pk], boundaries)
    kept = stage == np.maximum.accumulate(stage)
    own = own.at(kept)
    past = Past(
        at_s=own.at_s, value=own.value, error=own.error, rules=own.rules, chart=chart[kept], stage=stage[kept],
        charts=charts, before=_left_out(stream, versions, begun, since),
    )  # fmt: skip
    return past, {one.key: Line(told[one.pk].at_s, told[one.pk].value) for one in beside}


def _left_out(stream: Stream, versions: Sequence[Sequence[Limits]], begun_s: float, since: datetime) -> int:
    """How many values of the stage and version that was in force then were judged before ``since``."""
    in_force = [at.timestamp() for rows in versions if (at := rows[0].effective_from)]
    known = max([begun_s, *(at for at in in_force if at <= since.timestamp())])
    return judged.counted(stream, instant(known), since) if np.isfinite(known) else 0


def _stages(own: Judged, boundaries: Iterable[judged.Boundary]) -> IntArray:
    stage = np.zeros(len(own.at_s), np.int64)
    for one in boundaries:
        stage += (own.at_s >= one.at_s) & (own.known_s >= one.told_s)
    return stage


def _beside(stream: Stream, versions: Sequence[Sequence[Limits]]) -> list[Stream]:
    keys = {key for rows in versions for row in rows for key in row.parameters.get("others", ())}
    if not keys:
        return []
    return [one for one in machines.streams_of(stream.lane.equipment) if one.key in keys]


def _charts(
    stream: Stream, versions: Sequence[Sequence[Limits]], known_s: FloatArray
) -> tuple[tuple[ChartConfig | None, ...], IntArray]:
    """The charts that were in force one after the other, and which of them judged each value (n,)."""
    charts: list[ChartConfig | None] = [None]
    begins: list[float] = []
    for rows, until in zip(versions, [*versions[1:], None], strict=True):
        told = {row.chart: row for row in rows}
        for at, target in _targets(stream, rows[0], until[0].effective_from if until else None):
            begins.append(at)
            charts.append(machines.chart_config(told, target))
    return tuple(charts), np.asarray(np.searchsorted(np.array(begins), known_s, "left"), np.int64)


def _targets(stream: Stream, row: Limits, until: datetime | None) -> list[tuple[float, float | None]]:
    """When a version, or a recipe under it, came into force, and what that recipe wants of the stream."""
    begun = row.effective_from
    if begun is None:
        return []
    begins = [begun]
    if "nominal" in row.parameters:
        begins += limit_queries.recipes_begun(stream, begun, until or datetime.max.replace(tzinfo=begun.tzinfo))
    at_s = np.array([at.timestamp() for at in begins])
    wanted = limit_queries.targets(stream, at_s)
    return [(at, None if np.isnan(one) else one) for at, one in zip(at_s.tolist(), wanted.tolist(), strict=True)]
