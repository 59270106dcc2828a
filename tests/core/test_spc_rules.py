"""The four Western Electric rules and the trend, with the conventions they are used under here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.machine import WECO
from control.core.spc.rules import judge
from control.core.types import Rule

ALL = WECO | Rule.TREND


def flagged(z, rule):
    bits, _ = judge(np.array(z, float), rule)
    return list(np.flatnonzero(bits & int(rule)))


def test_a_point_on_the_line_belongs_to_the_inner_zone():
    assert flagged([3.0, -3.0], Rule.BEYOND_3_SIGMA) == []
    assert flagged([3.0001, -3.0001], Rule.BEYOND_3_SIGMA) == [0, 1]
    assert flagged([2.0, 2.0, 2.0], Rule.TWO_OF_THREE) == []
    assert flagged([1.0] * 6, Rule.FOUR_OF_FIVE) == []


def test_two_of_three_flags_the_last_of_its_window_and_only_beyond_the_zone_itself():
    assert flagged([2.5, 0.0, 2.5], Rule.TWO_OF_THREE) == [2]
    assert flagged([2.5, 2.5, 0.0], Rule.TWO_OF_THREE) == [1]
    assert flagged([2.5, 0.0, -2.5], Rule.TWO_OF_THREE) == []


def test_four_of_five_flags_the_last_of_its_window_and_only_beyond_the_zone_itself():
    assert flagged([1.5, 1.5, 0.0, 1.5, 1.5], Rule.FOUR_OF_FIVE) == [4]
    assert flagged([-1.5, -1.5, -1.5, -1.5, 0.0], Rule.FOUR_OF_FIVE) == [3]


def test_a_run_is_eight_on_one_side_and_a_point_on_the_mean_breaks_it():
    assert flagged([0.1] * 8, Rule.RUN_ONE_SIDE) == [7]
    assert flagged([-0.1] * 9, Rule.RUN_ONE_SIDE) == [7, 8]
    assert flagged([0.1] * 7 + [0.0] + [0.1] * 7, Rule.RUN_ONE_SIDE) == []


def test_a_trend_is_six_points_each_beyond_the_one_before():
    assert flagged([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], Rule.TREND) == [5]
    assert flagged([0.5, 0.4, 0.3, 0.2, 0.1, 0.0], Rule.TREND) == [5]
    assert flagged([0.0, 0.1, 0.2, 0.2, 0.3, 0.4], Rule.TREND) == []


@given(st.lists(st.floats(-4, 4).map(lambda v: round(v * 2) / 2), max_size=60), st.data())
@settings(max_examples=200, deadline=None)
def test_point_by_point_and_all_at_once_give_the_same_verdicts(z, data):
    whole, last = judge(np.array(z, float), ALL)
    bits, recent = [], ()
    while len(bits) < len(z):
        step = data.draw(st.integers(1, 5))
        part, recent = judge(np.array(z[len(bits) : len(bits) + step], float), ALL, recent)
        bits.extend(part)
    assert bits == list(whole)
    assert recent == last


@pytest.mark.parametrize(("rules", "length"), [(Rule.BEYOND_3_SIGMA, 370.4), (WECO, 91.75)])
def test_the_mean_run_length_in_control_is_that_of_the_literature(rules, length):
    rng = np.random.default_rng(20)
    lengths = []
    for _ in range(4_000):
        bits, _ = judge(rng.standard_normal(int(12 * length)), rules)
        hit = np.flatnonzero(bits)
        lengths.append(hit[0] + 1 if len(hit) else len(bits))
    assert np.mean(lengths) == pytest.approx(length, rel=0.05)
