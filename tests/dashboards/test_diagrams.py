"""The three drawings of a window of values."""

from __future__ import annotations

import re

import numpy as np
import pytest

from control.core.spc.capability import Specification
from control.core.spc.diagnostics import autocorrelation
from dashboards.diagrams import HIGH, MOST_DRAWN, WIDE, WIDER, correlogram, histogram, run_chart

LINES = {"ucl": 20.3, "mean": 20.0, "lcl": 19.7, "lsl": float("nan"), "usl": 25.0}


def values(n: int) -> np.ndarray:
    return np.random.default_rng(1).normal(20.0, 0.1, n)


def chart(value: np.ndarray, stage: np.ndarray | None = None, kept: np.ndarray | None = None):
    n = len(value)
    stage = np.zeros(n, int) if stage is None else stage
    kept = np.ones(n, bool) if kept is None else kept
    return run_chart(np.arange(n) * 5.0, value, stage, kept, kept & (value > 20.3), LINES, 2)


def test_a_line_goes_through_the_values_and_lines_that_are_far_away_are_not_drawn() -> None:
    drawn = chart(values(100))
    places = np.array([[float(one) for one in pair.split()] for pair in re.findall(r"[ML]([\d. ]+)", drawn.path)])
    assert places.shape == (100, 2)
    assert (places[0, 0], places[-1, 0]) == (0.0, WIDER)
    assert places[:, 1].min() > 0
    assert places[:, 1].max() < HIGH
    assert {line.kind for line in drawn.lines} == {"ucl", "mean", "lcl"}


def test_the_line_is_broken_where_a_stage_ends_and_leaves_out_what_is_left_out() -> None:
    kept = np.ones(30, bool)
    kept[5] = False
    drawn = chart(values(30), np.repeat([0, 1, 2], 10), kept)
    assert (drawn.path.count("M"), drawn.path.count("L")) == (3, 26)
    assert [spot.kind for spot in drawn.spots].count("left-out") == 1


def test_thinning_keeps_the_extremes() -> None:
    many = values(20_000)
    many[777] = 21.0
    drawn = chart(many)
    heights = [float(pair.split()[1]) for pair in re.findall(r"[ML]([\d. ]+)", drawn.path)]
    assert len(heights) <= MOST_DRAWN
    assert min(heights) == pytest.approx(min(spot.y for spot in drawn.spots), abs=0.1)


def test_the_bars_of_a_histogram_hold_every_value() -> None:
    drawn = histogram(values(900), Specification(19.6, 20.0, 25.0), LINES, 2)
    tall = max(drawn.bars, key=lambda bar: bar.height)
    assert sum(bar.height for bar in drawn.bars) / tall.height < len(drawn.bars)
    assert all(bar.y + bar.height == pytest.approx(HIGH, abs=0.2) for bar in drawn.bars)
    assert tall.x == pytest.approx(WIDE / 2, rel=0.2)
    assert {line.kind for line in drawn.lines} == {"ucl", "mean", "lcl"}


def test_a_correlogram_stands_on_zero_and_shows_what_could_be_chance() -> None:
    found = autocorrelation(np.sin(np.arange(400) / 5.0) + values(400))
    drawn = correlogram(found)
    assert len(drawn.bars) == len(found.value) - 1
    assert drawn.high < drawn.zero < drawn.low
    assert drawn.bars[0].y + drawn.bars[0].height == pytest.approx(drawn.zero, abs=0.2)
    assert any(bar.y == drawn.zero for bar in drawn.bars)
