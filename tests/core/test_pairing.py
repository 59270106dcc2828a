"""Which setting made this metre: under changing speed, stops and roll changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.pairing import locate, moved_m, rows_at, travelled_m
from control.core.types import Trace


def trace_of(at_s, roll, web_m):
    n = len(at_s)
    return Trace(
        at_s=np.asarray(at_s, float),
        roll=np.asarray(roll, np.int64),
        web_m=np.asarray(web_m, float),
        values=np.zeros((n, 1)),
        quality=np.zeros((n, 1), np.int64),
    )


@st.composite
def runs(draw):
    """A line that changes speed, stops, and now and then starts a new roll."""
    speeds = draw(st.lists(st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0, 1.5]), min_size=4, max_size=60))
    changes = draw(st.sets(st.integers(2, max(len(speeds) - 2, 2)), max_size=3))
    roll, web = 7, draw(st.sampled_from([0.0, 12.5, 300.0]))
    rolls, webs = [roll], [web]
    for i, speed in enumerate(speeds):
        if i in changes:
            roll, web = roll + 1, 0.0
        else:
            web += speed
        rolls.append(roll)
        webs.append(web)
    return trace_of(np.arange(len(webs), dtype=float), rolls, webs)


@given(runs(), st.data())
@settings(max_examples=200, deadline=None)
def test_every_metre_in_the_trace_maps_to_the_first_snapshot_that_reached_it(trace, data):
    row = data.draw(st.integers(0, len(trace) - 1))
    found = rows_at(trace, trace.roll[[row]], trace.web_m[[row]])
    first = np.flatnonzero((trace.roll == trace.roll[row]) & (trace.web_m == trace.web_m[row]))[0]
    assert found.row[0] == first
    assert found.fraction[0] == 0.0


@given(runs(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_metre_between_two_snapshots_maps_between_them(trace, data):
    step = np.diff(trace.web_m)
    between = np.flatnonzero((step > 0) & (np.diff(trace.roll) == 0))
    if not len(between):
        return
    row = data.draw(st.sampled_from(list(between)))
    part = data.draw(st.floats(0.01, 0.99))
    metre = trace.web_m[row] + part * step[row]
    found = rows_at(trace, trace.roll[[row]], np.array([metre]))
    assert found.row[0] == row
    assert abs(found.fraction[0] - part) < 1e-6


@given(runs(), st.floats(0.0, 40.0), st.data())
@settings(max_examples=200, deadline=None)
def test_what_is_under_the_gauge_passed_the_die_one_gauge_distance_of_web_earlier(trace, distance, data):
    now = data.draw(st.integers(0, len(trace) - 1))
    roll, web_m = locate(trace, trace.at_s[[now]], distance)
    passed = rows_at(trace, roll, web_m)
    if passed.row[0] < 0:
        return
    step = np.nan_to_num(moved_m(trace))
    row, fraction = passed.row[0], passed.fraction[0]
    since = step[row + 1 : now + 1].sum() - fraction * (step[row + 1] if row + 1 < len(step) else 0.0)
    assert abs(since - distance) < 1e-6


def test_a_gauge_on_the_first_metres_of_a_roll_sees_the_end_of_the_one_before():
    trace = trace_of([0, 1, 2, 3], [1, 1, 2, 2], [98.0, 99.0, 1.0, 2.0])
    roll, web_m = locate(trace, np.array([3.0]), 4.0)
    assert (roll[0], web_m[0]) == (1, 97.0)
    roll, web_m = locate(trace, np.array([3.0]), 1.5)
    assert (roll[0], web_m[0]) == (2, 0.5)


def test_the_same_instant_names_the_same_piece_while_the_line_stands():
    trace = trace_of([0, 1, 2, 3], [1, 1, 1, 1], [70.0, 71.0, 71.0, 71.0])
    _, web_m = locate(trace, np.array([1.0, 2.0, 3.0]), 60.0)
    assert list(web_m) == [11.0, 11.0, 11.0]


def test_what_the_trace_does_not_tell_is_not_guessed():
    trace = trace_of([0, 1, 2], [4, 4, 4], [10.0, 11.0, 12.0])
    roll, web_m = locate(trace, np.array([-1.0, 3.0]), 0.0)
    assert list(roll) == [-1, -1]
    assert np.isnan(web_m).all()
    found = rows_at(trace, np.array([4, 4, 5, 4]), np.array([9.9, 12.1, 11.0, np.nan]))
    assert list(found.row) == [-1, -1, -1, -1]
    assert np.isnan(found.fraction).all()


def test_foil_made_during_a_hole_in_the_record_has_no_setting():
    trace = trace_of([0, 1, 500, 501], [1, 1, 1, 1], [0.0, 1.0, 500.0, 501.0])
    assert rows_at(trace, np.array([1]), np.array([250.0])).row[0] == -1
    assert rows_at(trace, np.array([1]), np.array([500.5])).row[0] == 2
    assert locate(trace, np.array([250.0]), 0.0)[0][0] == -1


def test_a_trembling_encoder_is_read_as_standing_still():
    trace = trace_of([0, 1, 2, 3], [1, 1, 1, 1], [5.0, 6.0, 5.9, 7.0])
    assert rows_at(trace, np.array([1]), np.array([6.0])).row[0] == 1
    assert rows_at(trace, np.array([1]), np.array([6.5])).row[0] == 2


def test_web_travelled_counts_over_a_roll_change_and_before_the_trace():
    trace = trace_of([10, 11, 12, 13], [1, 1, 2, 2], [98.0, 99.0, 1.0, 2.0])
    assert travelled_m(trace, 11.0) == 2.0
    assert travelled_m(trace, 10.0) == 3.0
    assert travelled_m(trace, 0.0) == 13.0


def test_an_empty_trace_tells_nothing():
    trace = trace_of([], [], [])
    assert locate(trace, np.array([1.0]), 1.0)[0][0] == -1
    assert rows_at(trace, np.array([1]), np.array([1.0])).row[0] == -1
    assert travelled_m(trace, 0.0) == 0.0
