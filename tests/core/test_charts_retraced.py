"""What a chart drew is found again from the values alone: it lies beyond its lines where that was the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core import charting, retrace
from control.core.machine import Averaged, ChartConfig, Machine, StreamConfig, Together
from control.core.retrace import Past
from control.core.spc import cusum, ewma, group_chart, hotelling
from control.core.spc.residual import Chart as Residual
from control.core.spc.rules import BEYOND, RuleSet
from control.core.state import StreamState
from control.core.together import Line
from control.core.types import Measured, MeasuredBy, Rule

MEAN, SIGMA = 20.0, 0.1
SINGLE = ChartConfig(
    MEAN, SIGMA, RuleSet(Rule.BEYOND_3_SIGMA | Rule.MOVING_RANGE), ewma.Design(0.2, 2.2), cusum.Design(0.3, 2.5, 1.25),
    Residual(0.0, 0.05, BEYOND),
)  # fmt: skip
ELSEWHERE = replace(SINGLE, mean=20.03, sigma=0.12)
SPREAD = RuleSet(Rule.BEYOND_3_SIGMA | Rule.SPREAD | Rule.MOVING_RANGE, beyond=2.0)
NO_RULES = RuleSet(Rule.NONE)
THREES = ChartConfig(MEAN, SIGMA, NO_RULES, groups=group_chart.Chart(3, MEAN, 0.07, SPREAD, between=0.06))
ELSEWHERE_IN_THREES = replace(THREES, groups=replace(THREES.groups, mean=20.05, between=0.07))
FIVES = ChartConfig(MEAN, SIGMA, NO_RULES, groups=group_chart.Chart(5, MEAN, 0.07, SPREAD, "deviation"))
USUAL = hotelling.Reference.of(np.full(2, MEAN), np.array([[0.01, 0.004], [0.004, 0.01]]), 100)
LANES = ChartConfig(MEAN, SIGMA, NO_RULES, together=Together(("loading/2",), USUAL, 0.1))
SLOW = ChartConfig(MEAN, SIGMA, NO_RULES, averaged=Averaged(("loading/2",), USUAL, 0.2, 4.0))
OTHER_SLOW = replace(SLOW, averaged=Averaged(("loading/2",), USUAL, 0.1, 4.0))


def history(charts, n=400, seed=3):
    """Values of two lanes, judged one by one under each of ``charts`` in turn while stages begin; the first as Past."""
    rng = np.random.default_rng(seed)
    values, begins = rng.normal(MEAN + 0.03, 0.12, (n, 2)), rng.random(n) < 0.02
    error = rng.normal(0.0, 0.06, n)
    chart = np.arange(n) * len(charts) // n
    states = {0: StreamState(), 1: StreamState()}
    rules = np.zeros(n, np.int64)
    beside = StreamConfig("loading/2", chart=ChartConfig(MEAN, SIGMA, NO_RULES))
    lines = [Machine("coater", (), (StreamConfig("loading/1", chart=one), beside)) for one in charts]
    for i in range(n):
        told = measured(values[i], np.array([2.0 * i, 2.0 * i - 1.0]))
        anew = np.full(2, int(begins[i]))
        bits, found = charting.judge(lines[chart[i]], states, told, told.quality, np.array([error[i], np.nan]), anew)
        states = {k: replace(states[k], chart=one, residual=other) for k, (one, other) in found.items()}
        rules[i] = bits[0]
    at_s = 2.0 * np.arange(n)
    past = Past(at_s, values[:, 0], error, rules, chart, np.cumsum(begins), tuple(charts))
    return past, {"loading/2": Line(at_s - 1.0, values[:, 1])}


def measured(values, at_s):
    nothing, k = np.zeros(len(values)), len(values)
    whole = np.zeros(k, np.int64)
    return Measured(at_s, whole, nothing, np.arange(k), values, whole, np.full(k, int(MeasuredBy.GAUGE)))


def beyond(one):
    with np.errstate(invalid="ignore"):
        return (one.value > one.upper) | (one.value < one.lower)


@pytest.mark.parametrize(
    ("panel", "keys", "charts"),
    [
        ("ewma", ["ewma"], [None, SINGLE, ELSEWHERE, replace(SINGLE, ewma=None), SINGLE]),
        ("cusum", ["cusum_high", "cusum_low"], [None, SINGLE, ELSEWHERE, replace(SINGLE, cusum=None), SINGLE]),
        ("mr", ["moving_range"], [None, SINGLE, ELSEWHERE]),
        ("error", ["error"], [None, SINGLE, replace(SINGLE, residual=None), ELSEWHERE]),
        ("mean", ["mean"], [None, THREES, ELSEWHERE_IN_THREES, FIVES, SINGLE, THREES]),
        ("spread", ["range"], [None, THREES, ELSEWHERE_IN_THREES, SINGLE, THREES]),
        ("spread", ["deviation"], [FIVES]),
        ("mr", ["moving_range_of_means"], [THREES, ELSEWHERE_IN_THREES]),
        ("t2", ["t2"], [None, LANES]),
        ("mewma", ["mewma"], [SLOW, OTHER_SLOW, SLOW]),
    ],
)
def test_what_lies_beyond_its_lines_is_what_was_said_to_be(panel, keys, charts):
    drawn = retrace.PANELS[panel](*history(charts))
    assert [one.key for one in drawn] == keys
    for one in drawn:
        assert beyond(one).any()
        assert list(beyond(one)) == list(one.rules != 0)


def test_every_verdict_of_a_chart_is_drawn():
    past, lines = history([SINGLE, ELSEWHERE])
    for panel, rule in {"ewma": Rule.EWMA, "cusum": Rule.CUSUM, "mr": Rule.MOVING_RANGE}.items():
        drawn = retrace.PANELS[panel](past, lines)
        marked = {at for one in drawn for at in one.at_s[one.rules != 0]}
        assert marked == set(past.at_s[past.rules & int(rule) != 0])


def test_the_limits_of_an_average_are_narrow_again_where_it_began_anew():
    past, lines = history([SINGLE])
    (one,) = retrace.PANELS["ewma"](past, lines)
    begun = np.flatnonzero(np.diff(past.stage, prepend=-1))
    reach = one.upper - one.centre
    assert len(begun) > 3
    assert reach[begun] == pytest.approx(2.2 * 0.2 * SIGMA)
    assert reach.max() == pytest.approx(2.2 * np.sqrt(0.2 / 1.8) * SIGMA, rel=1e-3)


def test_a_beginning_that_is_left_out_changes_neither_groups_nor_settled_limits():
    past, lines = history([THREES])
    last = int(np.flatnonzero(np.diff(past.stage))[-1]) + 1
    cut = last + 50
    names = ("at_s", "value", "error", "rules", "chart", "stage")
    late = Past(**{name: getattr(past, name)[cut:] for name in names}, charts=past.charts, before=cut - last)
    (whole,), (part,) = (retrace.PANELS["mean"](one, lines) for one in (past, late))
    assert len(part.at_s) > 5
    assert list(part.value) == list(whole.since(part.at_s[0]).value)


def test_thinning_keeps_every_violation_each_extreme_and_each_step():
    past, lines = history([SINGLE, ELSEWHERE], n=1200)
    (whole,) = retrace.PANELS["ewma"](past, lines)
    few = retrace.thinned(whole, 150)
    broken = set(whole.at_s[whole.rules != 0])
    assert broken <= set(few.at_s)
    assert (few.value.min(), few.value.max()) == (whole.value.min(), whole.value.max())
    step = int(np.flatnonzero(np.diff(whole.centre))[0])
    assert {whole.at_s[step], whole.at_s[step + 1]} <= set(few.at_s)
    assert len(few.at_s) < 150 + len(broken) + 60 * (past.stage[-1] + 2)
    assert retrace.thinned(few, 5000) is few


@pytest.mark.parametrize("panel", retrace.PANELS)
def test_of_no_values_nothing_is_drawn(panel):
    nothing, whole = np.empty(0), np.empty(0, np.int64)
    assert retrace.PANELS[panel](Past(nothing, nothing, nothing, whole, whole, whole, (None,)), {}) == []
