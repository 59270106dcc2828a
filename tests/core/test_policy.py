"""Whose word a move needs, and when a loop keeps silent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core.machine import Actuator, LoopConfig
from control.core.policy import (
    Asked,
    Authority,
    Level,
    Reason,
    Situation,
    level_needed,
    level_needed_together,
    silence,
)

AUTHORITY = Authority()


def asked(percent, **changes):
    return replace(
        Asked(from_value=60.0, to_value=60.0 * (1 + percent / 100), set_point=60.0, low=20, high=100), **changes
    )


@pytest.mark.parametrize(
    ("percent", "level"),
    [
        (0.5, Level.AUTO),
        (-0.5, Level.AUTO),
        (0.51, Level.OPERATOR),
        (1.0, Level.OPERATOR),
        (1.01, Level.SUPERVISOR),
        (3.0, Level.SUPERVISOR),
        (3.01, Level.ENGINEER),
        (70.0, Level.NOBODY),
    ],
)
def test_authority_goes_by_the_size_of_the_move(percent, level):
    assert level_needed(asked(percent), AUTHORITY).level is level


@pytest.mark.parametrize(
    ("moved_percent", "level"),
    [(1.0, Level.AUTO), (1.1, Level.OPERATOR), (2.6, Level.SUPERVISOR), (4.6, Level.ENGINEER)],
)
def test_authority_is_cumulative_over_the_shift(moved_percent, level):
    needed = level_needed(asked(0.5, moved_in_shift=0.6 * moved_percent), AUTHORITY)
    assert needed.level is level
    if level is not Level.AUTO:
        assert needed.reason is Reason.SHIFT_SUM


def test_auto_gives_way_after_six_moves_an_hour_or_three_the_same_way():
    assert level_needed(asked(0.1, moves_in_hour=6), AUTHORITY).reason is Reason.MOVES_PER_HOUR
    assert level_needed(asked(0.1, same_way=3), AUTHORITY).reason is Reason.SAME_WAY
    assert level_needed(asked(0.1, same_way=3), AUTHORITY).level is Level.OPERATOR


def test_an_absolute_cap_is_taken_where_it_is_smaller():
    assert level_needed(asked(0.5, cap=0.2), AUTHORITY).level is Level.ENGINEER


def test_a_parameter_whose_set_point_is_zero_is_measured_by_its_span():
    bolt = Asked(from_value=0.0, to_value=1.0, set_point=0.0, low=-50, high=50)
    assert level_needed(bolt, AUTHORITY).move_percent == 1.0


def test_a_bundle_needs_what_its_most_demanding_move_needs():
    bundle = [level_needed(asked(percent), AUTHORITY) for percent in (0.1, 2.0, 0.7)]
    assert level_needed_together(bundle).level is Level.SUPERVISOR


LOOP = LoopConfig("l", ("loading/1",), (20.0,), (Actuator("pump", 20, 100, 1.5, 61.2),), ((0.33,),), 0.06, 60.0)
READY = Situation(
    ran_back_m=0.0,
    running=True,
    roll_is_new=False,
    inputs_known=True,
    modelled=True,
    good=True,
    familiar=True,
    agreed=True,
    since_move_m=61.0,
    since_move_s=61.0,
    window_s=30.0,
    settling=0.0,
)


def test_a_loop_that_may_speak_speaks():
    assert silence(LOOP, READY, np.array([0.07])) is None
    assert silence(LOOP, READY, np.array([-0.07])) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"running": False}, Reason.LINE_STOPPED),
        ({"roll_is_new": True}, Reason.NEW_ROLL),
        ({"inputs_known": False}, Reason.INPUT_MISSING),
        ({"modelled": False}, Reason.NO_ESTIMATOR),
        ({"measured": False}, Reason.NOT_YET_MEASURED),
        ({"good": False}, Reason.INPUT_DOUBTFUL),
        ({"familiar": False}, Reason.UNLIKE_TRAINING),
        ({"agreed": False}, Reason.NOT_RELIABLE),
        ({"since_move_m": 59.0}, Reason.DEAD_TIME),
        ({"since_move_s": 20.0}, Reason.DEAD_TIME),
        ({"settling": 0.11}, Reason.SETTLING),
    ],
)
def test_every_gate_silences_the_loop_with_its_own_reason(changes, reason):
    assert silence(LOOP, replace(READY, **changes), np.array([0.5])).reason is reason


def test_within_the_deadband_or_before_anything_was_seen_the_loop_is_silent():
    assert silence(LOOP, READY, np.array([0.06])).reason is Reason.IN_DEADBAND
    assert silence(LOOP, READY, np.array([np.nan])).reason is Reason.NOT_YET_SEEN
