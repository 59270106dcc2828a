"""When a machine is off its recipe: always away, always to the same side, while the web ran."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.recipe_drift import Difference, off

NAN = float("nan")


def is_off(*values: float, expected: float = 60.0, deadband: float = 0.1, moving: bool = True) -> bool:
    scans = np.array(values)[:, None]
    ran = np.full(len(values), moving)
    tolerance = Difference(expected, expected, deadband).tolerance
    return bool(off(scans, np.array([expected]), np.array([tolerance]), ran)[0])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((61.0, 61.0, 61.0), True),
        ((59.0, 58.0, 57.0), True),
        ((61.0, 60.05, 61.0), False),  # it was back
        ((61.0, 59.0, 61.0), False),  # on both sides: noise
        ((60.1, 60.1, 60.1), False),  # the deadband itself is no difference
        ((61.0, NAN, 61.0), True),
        ((NAN, NAN, 61.0), False),  # one good value says nothing
        ((NAN, NAN, NAN), False),
        ((61.0,), False),
        ((), False),
    ],
)
def test_what_is_away_all_the_time_and_to_one_side_is_off(values, found):
    assert is_off(*values) is found


def test_while_the_web_stands_nothing_is_off():
    assert not is_off(0.0, 0.0, 0.0, moving=False)


@pytest.mark.parametrize("expected", [60.0, -3.25, 0.1])
def test_single_precision_is_no_difference_where_there_is_no_deadband(expected):
    assert not Difference(expected, float(np.float32(expected)), 0.0).away
    assert Difference(expected, expected + 0.001, 0.0).away


@given(st.floats(-1e3, 1e3), st.floats(0.0, 5.0), st.lists(st.floats(-10.0, 10.0), min_size=2, max_size=20))
@settings(max_examples=60)
def test_several_parameters_are_judged_each_for_itself(expected, deadband, shifts):
    values = expected + np.array(shifts)
    both = np.stack([values, np.full(len(values), expected)], axis=1)
    tolerance = Difference(expected, expected, deadband).tolerance
    found = off(both, np.array([expected] * 2), np.array([tolerance] * 2), np.ones(len(values), bool))
    assert not found[1]
    assert found[0] == is_off(*values, expected=expected, deadband=deadband)


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [(60.0, 61.0, True), (60.0, 61.1, True), (60.0, 61.5, False), (60.5, 61.0, False), (60.0, 59.0, False)],
)
def test_a_difference_is_the_same_one_while_it_changes_by_little(expected, found, same):
    assert Difference(60.0, 61.0, 0.02).same(expected, found) is same
