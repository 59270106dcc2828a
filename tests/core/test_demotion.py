"""What takes a loop out of automatic mode, from facts and figures alone."""

from __future__ import annotations

from typing import Any

import pytest

from control.core.demotion import Cause, Facts, Trigger, causes, worst
from control.core.figures import Figures
from control.core.modes import Mode

FIGURES = Figures()
WITHIN: list[tuple[dict[str, Any], dict[str, Any], Trigger]] = [  # just allowed, just too much
    ({"bad_scans": 2}, {"bad_scans": 3}, Trigger.BAD_INPUT),
    ({"silent_scans": 2.0}, {"silent_scans": 2.1}, Trigger.STALE),
    ({"out_of_spec": 1}, {"out_of_spec": 2}, Trigger.OUT_OF_SPEC),
    ({"vm_error_sigmas": 3.0}, {"vm_error_sigmas": 3.01}, Trigger.VM_ERROR),
    ({"same_way": 2}, {"same_way": 3}, Trigger.SAME_WAY),
    ({"unheard_s": 10.0}, {"unheard_s": 10.1}, Trigger.HEARTBEAT),
    ({}, {"not_reliable": "RI"}, Trigger.NOT_RELIABLE),
    ({}, {"unlike_training": "GSI"}, Trigger.UNLIKE_TRAINING),
    ({}, {"coverage": "loading/1-top"}, Trigger.COVERAGE),
    ({}, {"identity": "thickness/1"}, Trigger.IDENTITY),
    ({}, {"clamped": "pump_top:high"}, Trigger.CLAMPED),
    ({}, {"line_stop": "line_stopped"}, Trigger.LINE_STOP),
    ({}, {"splice": "splice"}, Trigger.SPLICE),
    ({}, {"recipe": "product_change"}, Trigger.RECIPE),
    ({}, {"lot": "batch_change"}, Trigger.LOT),
    ({}, {"hand_move": "pump_top"}, Trigger.HAND_MOVE),
    ({}, {"held": "HOLD"}, Trigger.HOLD),
]


def test_where_all_is_well_nothing_is_found():
    assert causes(Facts(), FIGURES) == ()
    assert worst(()) is None


@pytest.mark.parametrize(("allowed", "too_much", "trigger"), WITHIN, ids=[str(row[2]) for row in WITHIN])
def test_each_fact_is_a_cause_beyond_its_figure_and_not_before(allowed, too_much, trigger):
    assert causes(Facts(**allowed), FIGURES) == ()
    assert [cause.trigger for cause in causes(Facts(**too_much), FIGURES)] == [trigger]
    assert trigger.to is Mode.SUPERVISED


@pytest.mark.parametrize("fact", ["bad_scans", "silent_scans"])
def test_ten_scans_without_good_data_bring_a_loop_down_to_shadow(fact):
    assert worst(causes(Facts(**{fact: 10}), FIGURES)).trigger.to is Mode.SUPERVISED
    assert worst(causes(Facts(**{fact: 11}), FIGURES)) == Cause(Trigger.VERY_STALE, "11 scans")
    assert Trigger.VERY_STALE.to is Mode.SHADOW


def test_of_several_causes_the_one_that_goes_furthest_down_counts():
    found = causes(Facts(out_of_spec=4, silent_scans=12, hand_move="pump_top"), FIGURES)
    assert [cause.trigger for cause in found] == ["stale", "very_stale", "out_of_spec", "hand_move"]
    assert worst(found).trigger is Trigger.VERY_STALE


def test_only_silence_is_over_by_itself():
    assert [trigger for trigger in Trigger if trigger.passes] == [Trigger.VERY_STALE]


def test_a_line_may_have_other_figures():
    patient = Figures(stale_scans=5, heartbeat_s=30.0)
    assert causes(Facts(silent_scans=5, unheard_s=30.0), patient) == ()
