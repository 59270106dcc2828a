"""Individuals and moving range."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.spc.individuals import judge, lines
from control.core.spc.rules import WESTERN_ELECTRIC, RuleSet
from control.core.types import Rule
from tests.core.cases import case

WITH_RANGE = RuleSet(WESTERN_ELECTRIC.rules | Rule.MOVING_RANGE)


def test_the_viscosity_chart_flags_what_the_reference_flags():
    data = case("03_viscosity_individuals")
    values = np.array(data["input"]["phase1"] + data["input"]["phase2"])
    for name in ("MR", "SD"):
        expected = data["expected"][name]
        bits, _ = judge(values, expected["center"], expected["std_dev"], WESTERN_ELECTRIC)
        violations = expected["violations_by_rule_1based"]
        rules = (Rule.BEYOND_3_SIGMA, Rule.TWO_OF_THREE, Rule.FOUR_OF_FIVE, Rule.RUN_ONE_SIDE)
        for rule, key in zip(rules, ("WER1", "WER2", "WER3", "WER4"), strict=True):
            assert list(np.flatnonzero(bits & int(rule)) + 1) == violations[key], (name, key)


def test_phase_two_continues_the_runs_of_phase_one():
    data = case("03_viscosity_individuals")
    expected = data["expected"]["MR"]
    mean, sigma = expected["center"], expected["std_dev"]
    one, two = np.array(data["input"]["phase1"]), np.array(data["input"]["phase2"])
    whole, _ = judge(np.concatenate([one, two]), mean, sigma, WITH_RANGE)
    _, recent = judge(one, mean, sigma, WITH_RANGE)
    later, _ = judge(two, mean, sigma, WITH_RANGE, recent)
    assert list(later) == list(whole[len(one) :])


def test_the_lines_are_three_sigma_and_the_moving_range_limit_of_the_handbook():
    handbook = next(c for c in case("17_nist_handbook")["cases"] if c["id"] == "6.3.2.2_individuals_flowrate")
    expected = handbook["expected"]
    drawn = lines(expected["mean"], expected["mr_bar"] / 1.128)
    assert drawn.upper == pytest.approx(expected["ucl"], rel=5e-4)
    assert drawn.lower == pytest.approx(expected["lcl"], rel=5e-4)
    assert drawn.moving_range_upper == pytest.approx(expected["mr_ucl"], rel=1e-3)


def test_a_jump_between_two_points_inside_their_limits_breaks_the_moving_range():
    bits, recent = judge(np.array([-2.0, 2.0]), 0.0, 1.0, RuleSet(Rule.MOVING_RANGE))
    assert list(bits) == [0, Rule.MOVING_RANGE]
    bits, _ = judge(np.array([-2.0]), 0.0, 1.0, RuleSet(Rule.MOVING_RANGE), recent)
    assert list(bits) == [Rule.MOVING_RANGE]
