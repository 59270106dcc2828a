"""Where a stream lies in its bar, and what its next half hour is called."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from control.models import Limits
from control.queries.overview import Predicted, StreamNow, trend
from dashboards.figures import Risk, bar, risk, worst
from dashboards.frames import offsets

AT = datetime(2026, 11, 21, tzinfo=UTC)
LIMITS = Limits(mean=20.0, sigma=0.08)


def now(
    value: float | None = 20.0, *, half: float = 0.1, slope: float = 0.0, verdict: int = 0, quality: int = 0
) -> StreamNow:
    low, high = (None, None) if value is None else (value - half, value + half)
    said = Predicted(AT, AT, value, low, high, quality, verdict)
    return StreamNow(None, 19.4, 20.0, 20.6, LIMITS, said, None, slope)  # type: ignore[arg-type]


def test_the_bar_spans_the_specification_and_a_quarter_more() -> None:
    drawn = bar(now())
    assert drawn is not None
    assert (drawn.spec.x, drawn.spec.right, drawn.target, drawn.predicted) == (16.67, 83.33, 50.0, 50.0)


def test_a_value_beyond_the_drawing_stands_at_its_edge_and_is_marked() -> None:
    drawn = bar(now(25.0))
    assert (drawn.predicted, drawn.clipped) == (100.0, "high")


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (now(), Risk.NORMAL),
        (now(20.3), Risk.WATCH),
        (now(20.55), Risk.WATCH),
        (now(20.7), Risk.OUT),
        (now(slope=0.4 / 1800), Risk.WATCH),
        (now(slope=0.7 / 1800), Risk.OUT),
        (now(slope=-0.7 / 1800), Risk.OUT),
        (now(verdict=1), Risk.OUT),
        (now(verdict=2), Risk.UNSURE),
        (now(verdict=2, quality=1), Risk.UNSURE),
        (now(20.55, verdict=2), Risk.WATCH),
        (now(slope=0.4 / 1800, verdict=2), Risk.WATCH),
        (now(slope=0.7 / 1800, verdict=2), Risk.OUT),
        (now(None), Risk.UNKNOWN),
        (now(quality=2), Risk.UNKNOWN),
    ],
)
def test_the_risk_is_where_the_trend_leads_in_half_an_hour(stream: StreamNow, expected: Risk) -> None:
    assert risk(stream) is expected


def test_not_knowing_is_worse_than_normal_and_better_than_watch() -> None:
    assert worst([Risk.NORMAL, Risk.UNKNOWN]) is Risk.UNKNOWN
    assert worst([Risk.NORMAL, Risk.UNSURE]) is Risk.UNSURE
    assert worst([Risk.UNKNOWN, Risk.WATCH, Risk.NORMAL]) is Risk.WATCH
    assert worst([]) is Risk.UNKNOWN


@pytest.mark.parametrize("half", [0.7, 2.0])
def test_an_interval_past_a_limit_is_watched_however_it_is_trusted(half: float) -> None:
    assert risk(now(half=half, verdict=2)) is Risk.WATCH


def test_a_night_of_25_hours_has_two_offsets_and_the_hour_of_the_change() -> None:
    found = list(offsets("Europe/Warsaw", datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)))
    assert [(one.start.isoformat(), one.minutes, one.name) for one in found] == [
        ("2026-10-24T00:00:00+00:00", 120, "CEST"),
        ("2026-10-25T01:00:00+00:00", 60, "CET"),
    ]


def test_a_drift_is_a_trend() -> None:
    assert trend(20.0, 20.1, 20.2) == pytest.approx(0.1 / 400)


@pytest.mark.parametrize("thirds", [(20.0, 20.0, 19.8), (20.0, 19.8, 19.8), (20.0, 20.1, 20.0)])
def test_a_step_or_a_swing_is_no_trend(thirds: tuple[float, float, float]) -> None:
    assert trend(*thirds) == 0.0


def test_without_twenty_minutes_of_predictions_there_is_no_trend() -> None:
    assert trend(None, 20.0, 20.1) is None
