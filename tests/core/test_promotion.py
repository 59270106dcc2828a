"""What automatic mode asks for: every condition by itself, with its figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from control.core.figures import Figures
from control.core.promotion import Condition, Standing, conditions, unmet

PROVEN = Standing(
    supervised_days=14.0, decisions=50, accepted=0.85, effective=0.8, vm_hours=24.0, bad_inputs=0, recipes=1,
    unheard_s=10.0, priority_1=0, holds=0, calm_s=1800.0,
)  # fmt: skip
SHORT: list[tuple[Condition, str, Any]] = [
    (Condition.SUPERVISED_DAYS, "supervised_days", 13.9),
    (Condition.DECISIONS, "decisions", 49),
    (Condition.ACCEPTED, "accepted", 0.84),
    (Condition.EFFECTIVE, "effective", 0.79),
    (Condition.VM_ERROR, "vm_hours", 23.9),
    (Condition.INPUTS_GOOD, "bad_inputs", 1),
    (Condition.RECIPE, "recipes", 0),
    (Condition.HANDSHAKE, "unheard_s", 10.1),
    (Condition.NO_PRIORITY_1, "priority_1", 1),
    (Condition.NOT_HELD, "holds", 1),
    (Condition.CALM, "calm_s", 1799.0),
]


def test_a_loop_that_has_shown_enough_wants_nothing_more():
    assert unmet(conditions(PROVEN, Figures())) == ()


@pytest.mark.parametrize(("condition", "what", "value"), SHORT, ids=[row[0].value for row in SHORT])
def test_each_condition_is_named_with_what_there_is_and_what_is_needed(condition, what, value):
    missing = unmet(conditions(replace(PROVEN, **{what: value}), Figures()))
    assert [(one.condition, one.has) for one in missing] == [(condition, value)]


def test_every_condition_is_told_in_order_met_or_not():
    assert [one.condition for one in conditions(PROVEN, Figures())] == list(Condition)


def test_a_line_may_ask_for_more():
    strict = Figures(decisions=100)
    assert [(one.condition, one.needed) for one in unmet(conditions(PROVEN, strict))] == [(Condition.DECISIONS, 100)]
