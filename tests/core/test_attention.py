"""People are called as often as they can attend to, whatever wants to call them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.attention import SHIFT_S, Budget

ONE = Budget(every_s=600.0, operators=1, burst=6)


def test_a_full_bucket_has_its_burst_and_each_call_takes_one() -> None:
    assert ONE.left([], 0.0) == 6.0
    assert ONE.left([0.0, 0.0], 0.0) == 4.0
    assert ONE.left([0.0] * 9, 0.0) == 0.0


def test_it_fills_so_slowly_that_a_shift_gets_its_share_and_no_more() -> None:
    assert ONE.of_a_shift == 48
    refill_s = SHIFT_S / (48 - 6)
    assert ONE.left([0.0] * 6, refill_s) == pytest.approx(1.0)
    assert ONE.left([0.0] * 6, SHIFT_S * 2) == 6.0


def test_two_operators_may_be_called_twice_as_often() -> None:
    two = Budget(600.0, 2, 6)
    assert (two.of_a_shift, two.capacity) == (2 * ONE.of_a_shift, 2 * ONE.capacity)


@settings(max_examples=50, deadline=None)
@given(st.floats(60.0, 3600.0), st.integers(1, 3), st.integers(1, 30), st.lists(st.floats(0.0, 900.0), max_size=300))
def test_no_eight_hours_ever_see_more_calls_than_their_budget(
    every_s: float, operators: int, burst: int, waits: list[float]
) -> None:
    budget, calls, now = Budget(every_s, operators, burst), [], 0.0
    for wait in waits:
        now += wait
        if budget.left(calls, now) >= 1.0:
            calls.append(now)
    within = [sum(end - SHIFT_S < at <= end for at in calls) for end in calls]
    assert max(within, default=0) <= budget.of_a_shift + 1e-6
