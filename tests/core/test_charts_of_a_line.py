"""Every stream's charts in the live pass: each by its own design, in whatever portions the values come."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core import charting
from control.core.loop import ChartConfig, Machine, State, StreamConfig, StreamState
from control.core.spc import cusum, ewma, group_chart, individuals, mean_deviation, mean_range, three_way
from control.core.spc.residual import Chart
from control.core.spc.rules import AIAG, BEYOND, LONGEST, NELSON, WESTERN_ELECTRIC, RuleSet
from control.core.types import Measured, MeasuredBy, Quality, Rule

MEAN, SIGMA = 20.0, 0.1
FULL = ChartConfig(
    MEAN,
    SIGMA,
    RuleSet.of(NELSON.rules | Rule.MOVING_RANGE, NELSON.parameters),
    ewma.Design(0.2, 2.7),
    cusum.Design(0.5, 4.0, 2.0),
    Chart(0.02, 0.05, AIAG),
)
PLAIN = ChartConfig(MEAN, SIGMA)
SPREAD = RuleSet.of(NELSON.rules | Rule.SPREAD, NELSON.parameters)
WAYS = RuleSet.of(WESTERN_ELECTRIC.rules | Rule.SPREAD | Rule.MOVING_RANGE, {})
GROUPS = (
    group_chart.Chart(4, MEAN, SIGMA, SPREAD),
    group_chart.Chart(12, MEAN, SIGMA, SPREAD, "deviation"),
    group_chart.Chart(5, MEAN, SIGMA, WAYS, between=0.06),
)
CHARTS = (
    *(FULL, PLAIN, FULL, None, replace(FULL, cusum=None), ChartConfig(MEAN, 0.2, BEYOND)),
    *(ChartConfig(MEAN, SIGMA, RuleSet(Rule.NONE), groups=groups) for groups in GROUPS),
)
LINE = Machine(
    "coater", (), tuple(StreamConfig(f"loading/{i}", 19.5, 20.0, 20.5, chart) for i, chart in enumerate(CHARTS))
)


def measured(values, stream, at_s=None, quality=None, by=None) -> Measured:
    k = len(values)
    return Measured(
        at_s=np.arange(k, dtype=float) if at_s is None else np.array(at_s, float),
        roll=np.ones(k, np.int64),
        web_m=np.arange(k, dtype=float),
        stream=np.array(stream, np.int64),
        value=np.array(values, float),
        quality=np.zeros(k, np.int64) if quality is None else np.array(quality, np.int64),
        by=np.full(k, int(MeasuredBy.GAUGE)) if by is None else np.array(by, np.int64),
    )


def part(told: Measured, chosen) -> Measured:
    names = ("at_s", "roll", "web_m", "stream", "value", "quality", "by")
    return Measured(**{name: getattr(told, name)[chosen] for name in names})


def judged(states, told: Measured, error=None, stage=None, line=LINE):
    error = told.value - MEAN if error is None else np.array(error, float)
    stage = np.zeros(len(told), np.int64) if stage is None else np.array(stage, np.int64)
    states = states or {i: StreamState() for i in range(len(line.streams))}
    rules, charts = charting.judge(line, states, told, told.quality, error, stage)
    after = {index: replace(states[index], chart=one, residual=other) for index, (one, other) in charts.items()}
    return rules, states | after


def one(values, chart, **more):
    """One stream by itself, from the beginning."""
    line = Machine("coater", (), (StreamConfig("loading/1", 19.0, 20.0, 21.0, chart),))
    return judged(None, measured(values, [0] * len(values)), line=line, **more)


def by_groups(values, told):
    """Bits of a whole history of ``values``, at the last of each group."""
    groups = values[: len(values) // told.size * told.size].reshape(-1, told.size)
    if told.between is not None:
        found = three_way.judge(groups, MEAN, three_way.Sigmas(told.between, told.within), told.rules)[0]
    else:
        kind = mean_range if told.spread == "range" else mean_deviation
        found = kind.judge(groups, MEAN, told.within, told.rules)[0]
    bits = np.zeros(len(values), np.int64)
    bits[told.size - 1 :: told.size][: len(found)] = found
    return bits


def test_each_stream_is_judged_as_its_own_charts_would_judge_it_alone():
    rng = np.random.default_rng(81)
    told = measured(rng.normal(MEAN + 0.05, 0.12, 900), rng.integers(0, len(CHARTS), 900))
    rules, _ = judged(None, told)
    for index, chart in enumerate(CHARTS):
        values = told.value[told.stream == index]
        expected = np.where((values < 19.5) | (values > 20.5), int(Rule.OUT_OF_SPEC), 0)
        if chart is not None:
            z = (values - chart.mean) / chart.sigma
            expected |= individuals.judge(values, chart.mean, chart.sigma, chart.rules)[0]
            if chart.ewma:
                expected |= ewma.judge(z, chart.ewma.weight, chart.ewma.width).beyond * int(Rule.EWMA)
            if chart.cusum:
                expected |= cusum.judge(z, chart.cusum).beyond * int(Rule.CUSUM)
            if chart.groups:
                expected |= by_groups(values, chart.groups)
            if chart.residual:
                own = individuals.judge(values - MEAN, chart.residual.mean, chart.residual.sigma, AIAG)[0]
                expected |= (own != 0) * int(Rule.RESIDUAL)
        assert (rules[told.stream == index] == expected).all(), chart


@given(st.integers(0, 2**20), st.data())
@settings(max_examples=60, deadline=None)
def test_in_whatever_portions_values_come_the_verdicts_and_what_is_remembered_are_the_same(seed, data):
    rng = np.random.default_rng(seed)
    n = data.draw(st.integers(1, 120))
    quality = np.where(rng.random(n) < 0.1, int(Quality.DOUBTFUL), 0)
    told = measured(rng.normal(MEAN, 0.15, n), rng.integers(0, len(CHARTS), n), quality=quality)
    error = np.where(rng.random(n) < 0.2, np.nan, told.value - MEAN)
    stage = np.cumsum(rng.random(n) < 0.03)
    whole, after = judged(None, told, error, stage)
    rules, states, begin = [], None, 0
    stood = dict.fromkeys(range(len(CHARTS)), 0)
    while begin < n:
        step = slice(begin, begin + data.draw(st.integers(1, 40)))
        portion, since = part(told, step), stage[step].copy()
        for i, index in enumerate(portion.stream.tolist()):
            since[i] -= stood[index]
        bits, states = judged(states, portion, error[step], since)
        for index, number, good in zip(
            portion.stream.tolist(), stage[step].tolist(), portion.quality == 0, strict=True
        ):
            if good:
                stood[index] = max(stood[index], number)
        stored = State(streams={str(i): state for i, state in states.items()}).to_json()
        kept = State.from_json(stored)
        states = {int(key): state for key, state in kept.streams.items()}
        rules.extend(bits)
        begin += len(bits)
    assert rules == list(whole)
    assert states == after


def test_a_new_stage_begins_every_chart_afresh_and_foil_of_the_old_one_is_judged_by_itself():
    values = [20.05] * 7 + [20.05] + [20.05] * 7
    rules, states = one(values, PLAIN, stage=[0] * 7 + [1] * 8)
    assert list(np.flatnonzero(rules)) == [14]
    assert states[0].chart.count == 8
    rules, after = judged(
        states, measured([20.05, 20.4], [0, 0], at_s=[20, 21]), stage=[-1, -1], line=Machine("c", (), LINE.streams[1:2])
    )
    assert list(rules) == [0, Rule.BEYOND_3_SIGMA]
    assert after == states


def test_a_value_of_the_stage_before_that_comes_after_the_first_of_the_new_one_enters_no_run():
    rules, states = one([20.05] * 4 + [20.05] + [19.95] + [20.05] * 4, PLAIN, stage=[0] * 4 + [1, 0] + [1] * 4)
    assert not rules.any()
    assert states[0].chart.count == 5


def test_the_error_of_the_prediction_is_charted_by_its_own_mean_sigma_and_rules():
    chart = replace(PLAIN, residual=Chart(0.0, 0.02, AIAG))
    rules, states = one([20.0] * 8, chart, error=[0.01] * 8)
    assert list(np.flatnonzero(rules & Rule.RESIDUAL)) == [6, 7]
    assert not (rules & ~int(Rule.RESIDUAL)).any()
    assert states[0].residual.count == 8
    assert states[0].chart.count == 8


def test_a_new_stage_ends_the_chart_of_errors_even_before_an_error_is_known_in_it():
    chart = replace(PLAIN, residual=Chart(0.0, 0.02, AIAG))
    _, states = one([20.0] * 7, chart, error=[0.01] * 6 + [np.nan], stage=[0] * 6 + [1])
    assert states[0].residual is None
    assert states[0].chart.count == 1


def test_a_value_without_a_prediction_leaves_the_chart_of_errors_where_it_was():
    chart = replace(PLAIN, residual=Chart(0.0, 0.02, AIAG))
    rules, states = one([20.0] * 9, chart, error=[0.01] * 6 + [np.nan] * 2 + [0.01])
    assert list(np.flatnonzero(rules & Rule.RESIDUAL)) == [8]
    assert states[0].residual.count == 7


def test_a_small_lasting_shift_is_seen_by_ewma_and_cusum_and_not_by_the_outer_lines():
    chart = ChartConfig(MEAN, SIGMA, BEYOND, ewma.Design(), cusum.Design())
    rules, _ = one(np.random.default_rng(82).normal(MEAN + SIGMA, 0.05, 40), chart)
    assert not (rules & Rule.BEYOND_3_SIGMA).any()
    assert (rules & Rule.EWMA).any()
    assert (rules & Rule.CUSUM).any()


def test_new_limits_go_on_with_the_runs_of_the_old_and_begin_average_and_sums_anew():
    smooth = replace(PLAIN, ewma=ewma.Design(), cusum=cusum.Design())
    _, states = one([20.05] * 7, smooth)
    for mean, broken in ((20.01, [Rule.RUN_ONE_SIDE]), (20.06, [0])):
        moved = Machine("coater", (), (StreamConfig("loading/1", chart=replace(smooth, mean=mean)),))
        rules, after = judged(states, measured([mean + 0.04], [0], at_s=[50]), line=moved)
        assert list(rules) == broken
        assert (after[0].chart.mean, after[0].chart.count) == (mean, 1)
        assert after[0].chart.ewma == pytest.approx(0.2 * 0.4)
    late, _ = judged(states, measured([20.02], [0], at_s=[3]), line=moved)
    assert not late.any()


def without_limits(values, **more):
    """What is remembered of a stream that nobody has drawn limits for yet."""
    line = Machine("coater", (), (StreamConfig("loading/1"),))
    rules, states = judged(None, measured(values, [0] * len(values), **more), line=line)
    assert not rules.any()
    stored = State(streams={"loading/1": states[0]}).to_json()
    return {0: State.from_json(stored).streams["loading/1"]}


@pytest.mark.parametrize("rules", [WESTERN_ELECTRIC, AIAG])
def test_the_first_limits_go_on_with_the_values_of_before_them(rules):
    values = [20.05] * 7 + [20.06]
    limited = Machine("coater", (), (StreamConfig("loading/1", chart=ChartConfig(MEAN, SIGMA, rules)),))
    found, after = judged(without_limits(values[:7]), measured(values[7:], [0], at_s=[7]), line=limited)
    throughout, _ = judged(None, measured(values, [0] * 8), line=limited)
    assert found[0] == throughout[7]
    assert found[0] & Rule.RUN_ONE_SIDE
    assert (after[0].chart.mean, after[0].chart.sigma, after[0].chart.count) == (MEAN, SIGMA, 1)


def test_the_first_limits_go_on_with_nothing_doubted_nor_of_an_earlier_stage_nor_older():
    limited = Machine("coater", (), (StreamConfig("loading/1", chart=PLAIN),))
    for more in ({"quality": [0] * 6 + [1]}, {"by": [int(MeasuredBy.GAUGE)] * 6 + [int(MeasuredBy.LAB)]}):
        rules, _ = judged(without_limits([20.05] * 7, **more), measured([20.05], [0], at_s=[7]), line=limited)
        assert not rules.any()
    states = without_limits([20.05] * 7)
    assert not judged(states, measured([20.05], [0], at_s=[7]), stage=[1], line=limited)[0].any()
    assert not judged(states, measured([20.05], [0], at_s=[3]), line=limited)[0].any()


def test_what_is_remembered_without_limits_is_no_more_than_a_rule_may_look_at():
    states = without_limits(np.arange(50.0).tolist())
    assert states[0].chart.recent == tuple(np.arange(50.0)[-(LONGEST - 1) :].tolist())


def test_longer_rules_on_the_same_limits_go_on_with_what_is_remembered():
    _, states = one([20.05] * 7, PLAIN)
    assert len(states[0].chart.recent) == WESTERN_ELECTRIC.context
    longer = Machine("coater", (), (StreamConfig("loading/1", chart=ChartConfig(MEAN, SIGMA, NELSON)),))
    rules, after = judged(states, measured([20.05, 20.05], [0, 0], at_s=[50, 51]), line=longer)
    assert list(rules) == [0, Rule.RUN_ONE_SIDE]
    assert len(after[0].chart.recent) == 9


@pytest.mark.parametrize(("quality", "by"), [(Quality.DOUBTFUL, MeasuredBy.GAUGE), (Quality.GOOD, MeasuredBy.LAB)])
def test_what_is_doubted_or_only_compared_enters_no_run(quality, by):
    line = Machine("coater", (), LINE.streams[1:2])
    told = measured([20.05] * 9, [0] * 9, quality=[quality] * 9, by=[int(by)] * 9)
    rules, states = judged(None, told, line=line)
    assert not rules.any()
    assert states[0].chart is None


def test_a_state_stored_before_there_were_sums_and_errors_goes_on():
    old = {"bias": 0.1, "error": 0.2, "error_at_s": 5.0}
    old["chart"] = {"mean": MEAN, "sigma": SIGMA, "recent": [0.5] * 7, "ewma": 0.4, "count": 7, "last_at_s": 5.0}
    stored = json.loads(State().to_json()) | {"streams": {"loading/0": old}}
    state = State.from_json(json.dumps(stored)).streams["loading/0"]
    rules, after = judged({0: state}, measured([20.05], [0], at_s=[6]), line=Machine("c", (), LINE.streams[1:2]))
    assert list(rules) == [Rule.RUN_ONE_SIDE]
    assert after[0].residual is None


@pytest.mark.parametrize("groups", GROUPS)
def test_a_new_stage_drops_the_group_that_was_begun_and_the_means_before(groups):
    chart = ChartConfig(MEAN, SIGMA, RuleSet(Rule.NONE), groups=groups)
    n = groups.size
    values = [20.5] * (n - 1) + [20.0 + 0.01 * (-1) ** i for i in range(n)] + [20.1]
    _, states = one(values, chart, stage=[0] * (n - 1) + [1] * (n + 1))
    held = states[0].chart.several.group
    assert (len(held.recent), held.values) == (1, (20.1,))
    assert abs(held.recent[0] * held.sigma) < 0.011


def test_other_limits_go_on_with_the_means_of_groups_of_the_same_size_and_no_others():
    chart = ChartConfig(MEAN, SIGMA, RuleSet(Rule.NONE), groups=GROUPS[0])
    _, states = one([20.1, 20.0, 20.1, 20.0] * 3 + [20.3], chart)
    same = replace(chart, mean=20.05, groups=replace(GROUPS[0], mean=20.05, within=0.2))
    other = replace(chart, groups=GROUPS[1])
    _, after = judged(
        states, measured([20.3], [0], at_s=[50]), line=Machine("c", (), (StreamConfig("l/1", chart=same),))
    )
    held = after[0].chart.several.group
    assert held.values == (20.3, 20.3)
    assert held.recent == pytest.approx([0.0] * 3, abs=1e-9)
    _, after = judged(
        states, measured([20.3], [0], at_s=[50]), line=Machine("c", (), (StreamConfig("l/1", chart=other),))
    )
    assert after[0].chart.several.group[3:] == ((), (20.3,))


def test_what_a_chart_of_groups_remembers_does_not_grow():
    chart = ChartConfig(MEAN, SIGMA, RuleSet(Rule.NONE), groups=GROUPS[1])
    _, states = one(np.random.default_rng(83).normal(MEAN, SIGMA, 5_000), chart)
    held = states[0].chart.several.group
    assert (len(held.recent), len(held.values)) == (SPREAD.context, 5_000 % 12)


def test_lines_without_such_charts_remember_nothing_of_them():
    _, states = one([20.0] * 30, FULL)
    assert states[0].chart.several is None


@given(st.integers(0, 2**20))
@settings(max_examples=20, deadline=None)
def test_a_short_run_goes_on_over_a_change_of_recipe_as_if_nothing_had_changed(seed):
    """The same standardised values, made in turn under two targets with a sigma of their own."""
    rng, n = np.random.default_rng(seed), 60
    z, other = rng.normal(0.4, 1.0, n), np.arange(n) // 7 % 2 == 1
    told = replace(FULL, residual=None, short_run=1)
    of = [
        Machine("c", (), (StreamConfig("l/1", chart=replace(told, mean=m, sigma=s)),))
        for m, s in ((20, 0.1), (31, 0.3))
    ]
    whole, after = judged(None, measured(20 + 0.1 * z, [0] * n), line=of[0])
    rules, states = [], None
    for i in range(n):
        value = 31 + 0.3 * z[i] if other[i] else 20 + 0.1 * z[i]
        bits, states = judged(states, measured([value], [0], at_s=[i]), line=of[int(other[i])])
        rules += list(bits)
    assert rules == list(whole)
    assert states[0].chart.cusum == pytest.approx(after[0].chart.cusum)
    assert states[0].chart.count == n


@pytest.mark.parametrize("kept", [FULL, PLAIN], ids=["with sums", "plain"])
def test_a_short_run_drawn_anew_continues_its_runs_and_begins_its_sums_anew(kept):
    values = np.random.default_rng(84).normal(MEAN, SIGMA, 40)
    first = replace(kept, residual=None, short_run=1)
    drawn = replace(first, mean=MEAN + 0.02, sigma=0.8 * SIGMA)
    lines = [
        Machine("c", (), (StreamConfig("l/1", chart=chart),))
        for chart in (first, replace(drawn, short_run=2), replace(first, short_run=0), replace(drawn, short_run=0))
    ]
    early, late = measured(values[:20], [0] * 20), measured(values[20:], [0] * 20, at_s=np.arange(20, 40))
    after = []
    for before, line in (lines[:2], lines[2:]):
        bits, states = judged(judged(None, early, line=before)[1], late, line=line)
        after.append((list(bits), replace(states[0].chart, short_run=0)))
    assert after[0] == after[1]
    assert after[0][1].count == 20
