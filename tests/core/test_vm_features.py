"""Window features by cumulative sums say what a plain loop over the window says."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.types import Trace
from control.core.vm.features import windows


def trace_of(values, at_s=None, web_m=None, roll=None):
    values = np.asarray(values, float)
    n = len(values)
    at_s = np.arange(n, dtype=float) if at_s is None else np.asarray(at_s, float)
    web_m = at_s.copy() if web_m is None else np.asarray(web_m, float)
    roll = np.ones(n, np.int64) if roll is None else np.asarray(roll, np.int64)
    return Trace(at_s, roll, web_m, values, np.zeros(values.shape, np.int64))


def test_mean_std_and_slope_are_those_of_a_plain_loop_with_gaps_and_jitter():
    rng = np.random.default_rng(5)
    at_s = 1.7e9 + np.cumsum(rng.uniform(0.5, 1.5, 300))
    values = 1000 + rng.normal(0, 1, (300, 4)).cumsum(axis=0)
    values[rng.random(values.shape) < 0.1] = np.nan
    trace = trace_of(values, at_s)
    rows = np.arange(40, 300)
    seen = windows(trace, rows, np.arange(4), 30.0)
    for k, row in enumerate(rows):
        inside = (at_s > at_s[row] - 30.0) & (at_s <= at_s[row])
        for tag in range(4):
            valid = inside & np.isfinite(values[:, tag])
            x, t = values[valid, tag], at_s[valid] - at_s[0]
            assert seen.mean[k, tag] == pytest.approx(x.mean(), rel=1e-9)
            assert seen.std[k, tag] == pytest.approx(x.std(), abs=1e-6)
            assert seen.slope[k, tag] == pytest.approx(np.polyfit(t - t.mean(), x, 1)[0], abs=1e-7)


def test_one_window_is_the_same_alone_and_among_thousands():
    rng = np.random.default_rng(6)
    trace = trace_of(50 + rng.normal(0, 1, (5_000, 3)))
    many = windows(trace, np.arange(100, 5_000), np.arange(3), 60.0)
    one = windows(trace, np.array([4_321]), np.arange(3), 60.0)
    assert np.allclose(many.matrix[4_221], one.matrix[0], rtol=1e-9, atol=1e-9)


def plain(trace, row, tag, window_s):
    """Mean, standard deviation and slope of one window, from its values alone."""
    inside = (trace.at_s > trace.at_s[row] - window_s) & (trace.at_s <= trace.at_s[row])
    inside &= np.isfinite(trace.values[:, tag])
    x, t = trace.values[inside, tag], trace.at_s[inside] - trace.at_s[row]
    off, since = x - x.mean(), t - t.mean()
    return x.mean(), np.sqrt(np.mean(off**2)), (since @ off) / (since @ since)


def test_a_hole_in_one_tag_changes_nothing_for_the_others():
    rng = np.random.default_rng(7)
    values = np.array([20.0, 1500.0, 0.3]) + rng.normal(0, 1, (400, 3))
    holed = values.copy()
    holed[100:140, 1] = np.nan
    rows = np.arange(30, 400)
    whole, other = (windows(trace_of(v, 1.7e9 + np.arange(400.0)), rows, np.arange(3), 30.0) for v in (values, holed))
    for name in ("mean", "std", "slope"):
        before, after = getattr(whole, name), getattr(other, name)
        assert np.allclose(after[:, [0, 2]], before[:, [0, 2]], rtol=1e-9, atol=1e-9)
        untouched = (rows < 100) | (rows >= 170)
        assert np.allclose(after[untouched, 1], before[untouched, 1], rtol=1e-9, atol=1e-9)
        assert not np.allclose(after[~untouched, 1], before[~untouched, 1], rtol=1e-9, equal_nan=True)


@pytest.mark.parametrize("missing", [0.0, 0.05], ids=["complete", "with holes"])
@pytest.mark.parametrize("offset", [0.0, 1e6], ids=["near zero", "far from zero"])
def test_neither_the_epoch_nor_a_large_offset_costs_digits_however_many_windows(missing, offset):
    rng = np.random.default_rng(8)
    at_s = 1.8e9 + np.arange(20_000.0)
    values = offset + rng.normal(0, 1, (20_000, 2))
    values[rng.random(values.shape) < missing] = np.nan
    trace, rows = trace_of(values, at_s), np.arange(30, 20_000)
    seen = windows(trace, rows, np.arange(2), 30.0)
    for row in (30, 31, 1229, 1230, 1231, 11_111, 19_999):
        for tag in range(2):
            found = [kind[row - 30, tag] for kind in (seen.mean, seen.std, seen.slope)]
            assert found == pytest.approx(plain(trace, row, tag, 30.0), rel=1e-9, abs=1e-9)


def test_deviation_and_slope_are_given_for_the_tags_they_are_asked_of():
    rng = np.random.default_rng(9)
    values = rng.normal(0, 1, (200, 4))
    values[150, 2] = np.nan
    rows, varied = np.arange(50, 200), np.array([1, 3])
    every = windows(trace_of(values), rows, np.arange(4), 20.0)
    some = windows(trace_of(values), rows, np.arange(4), 20.0, varied)
    assert np.array_equal(some.mean, every.mean)
    assert np.allclose(some.std, every.std[:, varied], rtol=1e-12)
    assert np.allclose(some.slope, every.slope[:, varied], rtol=1e-12)
    assert windows(trace_of(values), rows, np.arange(4), 20.0, np.empty(0, np.int64)).matrix.shape == (150, 4)


def test_no_rows_have_no_features():
    seen = windows(trace_of(np.ones((9, 2))), np.empty(0, np.int64), np.arange(2), 5.0)
    assert seen.matrix.shape == (0, 6)
    assert len(seen.running) == len(seen.covered) == 0


def test_a_tag_that_stands_still_has_no_deviation_at_all():
    seen = windows(trace_of(np.full((400, 1), 1234.567)), np.array([399]), np.array([0]), 60.0)
    assert seen.std[0, 0] == 0.0


def test_a_tag_missing_throughout_the_window_has_no_features():
    values = np.ones((50, 2))
    values[20:, 1] = np.nan
    seen = windows(trace_of(values), np.array([49]), np.arange(2), 10.0)
    assert np.isfinite(seen.mean[0, 0])
    assert np.isnan([seen.mean[0, 1], seen.std[0, 1], seen.slope[0, 1]]).all()


def test_a_window_in_which_the_line_stood_is_told_from_one_in_which_it_ran():
    web_m = np.concatenate([np.arange(20.0), np.full(5, 19.0), np.arange(20.0, 60.0)])
    seen = windows(trace_of(np.ones((65, 1)), web_m=web_m), np.array([18, 22, 30, 60]), np.array([0]), 10.0)
    assert list(seen.running) == [True, False, False, True]


def test_a_roll_change_is_not_a_stop():
    trace = trace_of(np.ones((6, 1)), web_m=[50, 51, 52, 0.0, 1.0, 2.0], roll=[1, 1, 1, 2, 2, 2])
    assert windows(trace, np.array([5]), np.array([0]), 10.0).running[0]


def test_a_window_mostly_before_the_trace_is_not_covered():
    seen = windows(trace_of(np.ones((40, 1))), np.array([5, 15, 26, 27, 39]), np.array([0]), 30.0)
    assert list(seen.covered) == [False, False, False, True, True]


def test_a_window_of_a_machine_read_seldom_is_covered_where_the_record_goes_on_before_it():
    at_s = np.array([0.0, 10, 20, 30, 40, 200, 210, 215, 220])
    seen = windows(trace_of(np.ones((9, 1)), at_s), np.array([2, 4, 6, 7, 8]), np.array([0]), 30.0)
    assert list(seen.covered) == [False, True, False, False, False]
