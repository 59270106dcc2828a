"""Run rules on standardised values, with the conventions they are used under here."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.spc.rules import (
    AIAG,
    BEYOND,
    LENGTHS,
    LONGEST,
    NELSON,
    SETS,
    WESTERN_ELECTRIC,
    RuleSet,
    broken,
    judge,
)
from control.core.spc.run_length import simulated
from control.core.types import Rule
from tests.core.cases import case

ROUNDED = st.floats(-4, 4).map(lambda v: round(v * 2) / 2)  # so that points fall on lines and on each other


def flagged(z, rule, rules=NELSON):
    bits, _ = judge(np.array(z, float), replace(rules, rules=rule))
    return list(np.flatnonzero(bits & int(rule)))


def test_a_point_on_the_line_belongs_to_the_inner_zone():
    assert flagged([3.0, -3.0], Rule.BEYOND_3_SIGMA) == []
    assert flagged([3.0001, -3.0001], Rule.BEYOND_3_SIGMA) == [0, 1]
    assert flagged([2.0, 2.0, 2.0], Rule.TWO_OF_THREE) == []
    assert flagged([1.0] * 6, Rule.FOUR_OF_FIVE) == []
    assert flagged([1.0, -1.0] * 4, Rule.MIXTURE) == []
    assert flagged([1.0, -1.0] * 8, Rule.STRATIFIED) == [14, 15]


@pytest.mark.parametrize(("mean", "sigma", "value"), [(20.0, 0.1, 20.3), (20.0, 0.1, 19.7), (3.55, 0.01, 3.58)])
def test_a_decimal_value_on_a_decimal_line_is_inside_whatever_floats_make_of_it(mean, sigma, value):
    assert flagged([(value - mean) / sigma], Rule.BEYOND_3_SIGMA) == []


def test_two_of_three_flags_the_last_of_its_window_and_only_beyond_the_zone_itself():
    assert flagged([2.5, 0.0, 2.5], Rule.TWO_OF_THREE) == [2]
    assert flagged([2.5, 2.5, 0.0], Rule.TWO_OF_THREE) == [1]
    assert flagged([2.5, 0.0, -2.5], Rule.TWO_OF_THREE) == []


def test_four_of_five_flags_the_last_of_its_window_and_only_beyond_the_zone_itself():
    assert flagged([1.5, 1.5, 0.0, 1.5, 1.5], Rule.FOUR_OF_FIVE) == [4]
    assert flagged([-1.5, -1.5, -1.5, -1.5, 0.0], Rule.FOUR_OF_FIVE) == [3]


@pytest.mark.parametrize(("rules", "length"), [(WESTERN_ELECTRIC, 8), (NELSON, 9), (AIAG, 7)])
def test_a_run_has_the_length_of_its_set_and_a_point_on_the_mean_breaks_it(rules, length):
    assert flagged([0.1] * length, Rule.RUN_ONE_SIDE, rules) == [length - 1]
    assert flagged([-0.1] * (length + 1), Rule.RUN_ONE_SIDE, rules) == [length - 1, length]
    assert flagged([0.1] * (length - 1) + [0.0] + [0.1] * (length - 1), Rule.RUN_ONE_SIDE, rules) == []


def test_a_trend_is_six_points_each_beyond_the_one_before():
    assert flagged([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], Rule.TREND) == [5]
    assert flagged([0.5, 0.4, 0.3, 0.2, 0.1, 0.0], Rule.TREND) == [5]
    assert flagged([0.0, 0.1, 0.2, 0.2, 0.3, 0.4], Rule.TREND) == []


def test_fourteen_points_alternate_when_every_step_turns_back():
    saw = [0.1 * (i % 2) for i in range(15)]
    assert flagged(saw, Rule.ALTERNATING) == [13, 14]
    assert flagged([*saw[:8], saw[7], *saw[8:]], Rule.ALTERNATING) == []


def test_fifteen_points_near_the_mean_are_stratified():
    assert flagged([0.5, -0.5] * 8, Rule.STRATIFIED) == [14, 15]
    assert flagged([0.5] * 14 + [1.1] + [0.5] * 14, Rule.STRATIFIED) == []


def test_eight_points_that_leave_the_middle_empty_are_a_mixture_only_when_they_lie_on_both_sides():
    assert flagged([1.5, -1.5] * 4, Rule.MIXTURE) == [7]
    assert flagged([1.5] * 7 + [-1.5, 1.5], Rule.MIXTURE) == [7, 8]
    assert flagged([1.5] * 9, Rule.MIXTURE) == []
    assert flagged([1.5] * 4 + [0.5] + [-1.5] * 4, Rule.MIXTURE) == []


def test_a_missing_value_ends_every_run():
    assert flagged([0.1] * 5 + [np.nan] + [0.1] * 5, Rule.RUN_ONE_SIDE) == []
    assert flagged([0.0, 0.1, 0.2, np.nan, 0.3, 0.4, 0.5], Rule.TREND) == []
    assert flagged([np.nan], Rule.BEYOND_3_SIGMA) == []


def test_own_lengths_and_zones_are_followed():
    own = RuleSet(Rule.RUN_ONE_SIDE | Rule.BEYOND_3_SIGMA, beyond=2.5, run=4)
    assert flagged([0.1] * 4, Rule.RUN_ONE_SIDE, own) == [3]
    assert flagged([2.6], Rule.BEYOND_3_SIGMA, own) == [0]


@pytest.mark.parametrize("name", SETS)
def test_a_rule_set_survives_json(name):
    rules = SETS[name]
    stored = json.loads(json.dumps({"rules": int(rules.rules), "parameters": {"weight": 0.2, **rules.parameters}}))
    assert RuleSet.of(stored["rules"], stored["parameters"]) == rules


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("length", [2, LONGEST + 1, 8.0, "8"])
def test_a_length_no_rule_can_have_is_refused(name, length):
    with pytest.raises(ValueError, match=name):
        RuleSet.of(int(Rule.RUN_ONE_SIDE), {name: length})


def test_a_zone_without_width_is_refused():
    with pytest.raises(ValueError, match="beyond"):
        RuleSet(Rule.BEYOND_3_SIGMA, beyond=0.0)


@given(st.lists(ROUNDED, max_size=80), st.sampled_from(sorted(SETS)), st.data())
@settings(max_examples=200, deadline=None)
def test_point_by_point_and_all_at_once_give_the_same_verdicts(z, name, data):
    whole, last = judge(np.array(z, float), SETS[name])
    bits, recent = [], ()
    while len(bits) < len(z):
        step = data.draw(st.integers(1, 25))
        part, recent = judge(np.array(z[len(bits) : len(bits) + step], float), SETS[name], recent)
        recent = tuple(json.loads(json.dumps(recent)))
        bits.extend(part)
    assert bits == list(whole)
    assert recent == last


@given(st.lists(ROUNDED, min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_lines_side_by_side_are_judged_as_each_by_itself(z):
    one, other = np.array(z), -np.array(z[::-1])
    both = broken(np.vstack([one, other]), NELSON)
    assert (both[0] == broken(one, NELSON)).all()
    assert (both[1] == broken(other, NELSON)).all()


@pytest.mark.parametrize(
    ("rules", "length"),
    [
        (BEYOND, 370.4),
        (WESTERN_ELECTRIC, 91.75),  # C. W. Champ, W. H. Woodall, Technometrics 29 (1987)
        (SETS["nelson_1_2_3"], 143.0),
        (SETS["nelson_1_2_5"], 160.0),
        (NELSON, 72.0),
    ],
)
def test_the_mean_run_length_in_control_is_that_of_the_literature(rules, length):
    found = simulated(lambda z: judge(z, rules)[0], np.random.default_rng(20), runs=20_000)
    assert found == pytest.approx(length, rel=0.02)


REFERENCE = {
    "WER": (WESTERN_ELECTRIC, Rule.BEYOND_3_SIGMA, Rule.TWO_OF_THREE, Rule.FOUR_OF_FIVE, Rule.RUN_ONE_SIDE),
    "NEL": (
        *(NELSON, Rule.BEYOND_3_SIGMA, Rule.RUN_ONE_SIDE, Rule.TREND, Rule.ALTERNATING),
        *(Rule.TWO_OF_THREE, Rule.FOUR_OF_FIVE, Rule.STRATIFIED, Rule.MIXTURE),
    ),
}


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize(
    ("chart", "method", "n"),
    [
        *(("01_pistonrings_xbar", method, 5) for method in ("UWAVE-R", "UWAVE-SD", "MVLUE-R", "MVLUE-SD", "RMSDF")),
        ("03_viscosity_individuals", "MR", 1),
        ("03_viscosity_individuals", "SD", 1),
    ],
)
def test_every_rule_flags_the_points_it_flags_in_the_reference(name, chart, method, n):
    expected = case(chart)["expected"][method]
    values = np.array(expected["statistics"] + expected["new_statistics"])
    rules, *ordered = REFERENCE[name]
    bits, _ = judge((values - expected["center"]) / (expected["std_dev"] / np.sqrt(n)), rules)
    for number, rule in enumerate(ordered, start=1):
        points = list(np.flatnonzero(bits & int(rule)) + 1)
        assert points == expected["violations_by_rule_1based"][f"{name}{number}"], rule
