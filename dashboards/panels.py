"""The small chart under a lane's own: a statistic with its own lines, for a browser and as rows of a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from ninja import Schema

from control.actions import retracing
from control.core.retrace import Series, thinned
from control.core.types import FloatArray
from control.models import Lane, Stream
from control.queries.points import rule_names, utc
from dashboards import wording
from dashboards.instants import aware

MOST = 1800  # points of a series, violations beside
LONGEST = timedelta(days=31)
UNITLESS = frozenset({"t2", "mewma"})
COLUMNS = ("stream", "statistic", "at", "plant_time", "value", "lower", "centre", "upper", "rules")


class SeriesOut(Schema):
    """All lists are as long: a point each. ``at`` is epoch milliseconds, when the foil was made."""

    key: str
    name: str
    at: list[int]
    value: list[float]
    lower: list[float | None]
    centre: list[float | None]
    upper: list[float | None]
    rules: list[list[str]]


class StreamPanel(Schema):
    id: int
    name: str
    unit: str
    decimals: int
    series: list[SeriesOut]


class Panel(Schema):
    panel: str
    name: str
    streams: list[StreamPanel]


def panel(lane: Lane, kind: str, start: datetime, end: datetime) -> Panel:
    """The statistic of every stream that has such a chart, thinned so that no violation and no step is lost."""
    start, end = aware(start), aware(end)
    drawn = retracing.drawn(lane, kind, max(start, end - LONGEST), end)
    streams = [_stream(one.stream, kind, [thinned(series, MOST) for series in one.series]) for one in drawn]
    return Panel(panel=kind, name=str(wording.PANELS[kind]), streams=streams)


def _stream(stream: Stream, kind: str, series: list[Series]) -> StreamPanel:
    about = stream.characteristic
    unit, decimals = ("", 1) if kind in UNITLESS else (about.unit, about.decimals + 1)
    return StreamPanel(
        id=stream.pk, name=str(about), unit=unit, decimals=decimals, series=[_series(one) for one in series]
    )


def _series(drawn: Series) -> SeriesOut:
    return SeriesOut(
        key=drawn.key,
        name=str(wording.STATISTICS[drawn.key]),
        at=np.rint(1000.0 * drawn.at_s).astype(np.int64).tolist(),
        value=drawn.value.tolist(),
        lower=_known(drawn.lower),
        centre=_known(drawn.centre),
        upper=_known(drawn.upper),
        rules=[rule_names(bits) if bits else [] for bits in drawn.rules.tolist()],
    )


def _known(line: FloatArray) -> list[float | None]:
    return [value if value == value else None for value in line.tolist()]


def rows(lane: Lane, kind: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Every point, with the time in UTC and as the plant's clock showed it."""
    here = ZoneInfo(lane.equipment.line.time_zone)
    for one in retracing.drawn(lane, kind, start, end):
        for told in map(_series, one.series):
            columns = zip(told.at, told.value, told.lower, told.centre, told.upper, told.rules, strict=True)
            for at_ms, value, lower, centre, upper, rules in columns:
                at = datetime.fromtimestamp(at_ms / 1000.0, UTC)
                yield {
                    "stream": one.stream.key, "statistic": told.key, "at": utc(at),
                    "plant_time": at.astimezone(here).isoformat(timespec="milliseconds"), "value": value,
                    "lower": lower, "centre": centre, "upper": upper, "rules": " ".join(rules),
                }  # fmt: skip
