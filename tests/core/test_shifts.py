"""Shifts begin by the clock on the wall, also in the nights in which it is changed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.shifts import Shifts

ZONES = ("Asia/Seoul", "Europe/Warsaw", "America/New_York", "Australia/Lord_Howe", "UTC")
WARSAW = Shifts("Europe/Warsaw", 6.0, 3)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "begun", "ends", "hours"),
    [
        ("2026-11-21T12:00", "2026-11-21T05:00", "2026-11-21T13:00", 8),  # winter, UTC+1
        ("2026-07-01T12:00", "2026-07-01T12:00", "2026-07-01T20:00", 8),  # summer, UTC+2: exactly at a beginning
        ("2026-03-29T00:30", "2026-03-28T21:00", "2026-03-29T04:00", 7),  # clocks go forward, 02:00 to 03:00
        ("2026-10-25T00:30", "2026-10-24T20:00", "2026-10-25T05:00", 9),  # clocks go back, 03:00 to 02:00
    ],
)
def test_a_shift_is_as_long_as_the_night_makes_it(at: str, begun: str, ends: str, hours: int) -> None:
    start, end = WARSAW.begun(utc(at)), WARSAW.next(utc(at))
    assert (start, end) == (utc(begun), utc(ends))
    assert end - start == timedelta(hours=hours)


def test_a_beginning_that_the_clock_leaves_out_comes_an_hour_later_and_one_it_shows_twice_is_the_first() -> None:
    at_half_past_two = Shifts("Europe/Warsaw", 2.5, 1)
    assert at_half_past_two.begun(utc("2026-03-29T12:00")) == utc("2026-03-29T01:30")
    assert at_half_past_two.begun(utc("2026-10-25T12:00")) == utc("2026-10-25T00:30")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 95).map(lambda quarter: quarter / 4),
    st.integers(1, 4),
    st.integers(1_577_836_800, 2_051_222_400).map(lambda at_s: datetime.fromtimestamp(at_s, UTC)),
)
def test_every_instant_is_in_one_shift(zone: str, first_h: float, a_day: int, at: datetime) -> None:
    shifts = Shifts(zone, first_h, a_day)
    start, end = shifts.begun(at), shifts.next(at)
    assert start <= at < end
    assert shifts.begun(end) == end
    assert shifts.next(start) == end
    assert abs((end - start) - timedelta(hours=24 / a_day)) <= timedelta(hours=1)
