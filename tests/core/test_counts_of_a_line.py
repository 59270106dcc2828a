"""Counts in the live pass: rates of samples of any size, judged as their charts do, in whatever portions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core import charting
from control.core.loop import ChartConfig, Machine, State, StreamConfig, StreamState
from control.core.spc import counts, laney, p_chart, u_chart
from control.core.spc.rules import SETS, RuleSet
from control.core.types import Measured, MeasuredBy, Rule
from tests.core.cases import case

ATTRIBUTES = RuleSet(counts.FIT, run=9)
MEAN = {"p": 0.04, "u": 0.5}
SIGMA_Z = 1.4


def machine(kind: str, mean: float, rules: RuleSet = ATTRIBUTES, wider: float = 1.0) -> Machine:
    chart = {"p": p_chart, "u": u_chart}[kind]
    config = ChartConfig(mean, wider * float(chart.sigma(mean, np.ones(1))[0]), rules)
    streams = (StreamConfig("flaws/1", chart=config, counted=True), StreamConfig("loading/1"))
    return Machine("coater", (), streams)


def sampled(found, sizes, at_s=None) -> Measured:
    k = len(sizes)
    return Measured(
        at_s=np.arange(k, dtype=float) if at_s is None else at_s,
        roll=np.ones(k, np.int64),
        web_m=np.arange(k, dtype=float),
        stream=np.zeros(k, np.int64),
        value=np.asarray(found, float) / sizes,
        quality=np.zeros(k, np.int64),
        by=np.where(np.arange(k) % 2, int(MeasuredBy.LAB), int(MeasuredBy.GAUGE)),
        n=np.asarray(sizes, float),
    )


def passed(line: Machine, told: Measured, states=None):
    states = states or {i: StreamState() for i in range(len(line.streams))}
    nothing = np.full(len(told), np.nan)
    rules, charts = charting.judge(line, states, told, told.quality, nothing, np.zeros(len(told), np.int64))
    return rules, states | {i: replace(states[i], chart=one) for i, (one, _) in charts.items()}


def stored(states):
    """As they come back from the database."""
    whole = State(streams={str(i): one for i, one in states.items()})
    return {int(i): one for i, one in State.from_json(whole.to_json()).streams.items()}


SAMPLES = st.lists(st.tuples(st.integers(20, 2_000), st.floats(0.0, 3.0)), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(["p", "u"]), samples=SAMPLES, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_samples_that_come_one_by_one_are_judged_as_all_at_once_and_as_their_chart_does(kind, samples, cuts):
    sizes = np.array([n for n, _ in samples], float)
    found = np.minimum(np.rint(sizes * MEAN[kind] * np.array([times for _, times in samples])), sizes)
    line, told = machine(kind, MEAN[kind], wider=SIGMA_Z), sampled(found, sizes)
    whole, _ = passed(line, told)
    alone, _ = laney.judge(found, sizes, MEAN[kind], SIGMA_Z, kind, ATTRIBUTES)
    assert list(whole) == list(alone)
    rules, states = [], None
    for begin, end in pairwise(sorted({0, *(min(cut, len(sizes)) for cut in cuts), len(sizes)})):
        chosen = np.zeros(len(sizes), bool)
        chosen[begin:end] = True
        bits, states = passed(line, told.where(chosen), states and stored(states))
        rules += list(bits)
    assert rules == list(whole)


@pytest.mark.parametrize("kind", ["p", "u"])
@pytest.mark.parametrize("before", ["no limits", "others"])
def test_new_limits_go_on_with_the_runs_of_samples_whatever_their_sizes(kind, before):
    rng = np.random.default_rng(8)
    sizes = rng.integers(50, 500, 12).astype(float)
    found = np.ceil(sizes * MEAN[kind] * 1.2)
    line = machine(kind, MEAN[kind])
    unlimited = Machine("coater", (), tuple(replace(one, chart=None) for one in line.streams))
    early = unlimited if before == "no limits" else machine(kind, MEAN[kind] * 1.5, wider=2.0)
    told, first = sampled(found, sizes), np.arange(12) < 7
    _, states = passed(early, told.where(first))
    later, _ = passed(line, told.where(~first), stored(states))
    whole, _ = passed(line, told)
    assert list(later) == list(whole[~first])
    assert later[1] & Rule.RUN_ONE_SIDE


def test_counts_that_follow_measured_values_begin_afresh():
    """A characteristic that is counted from now on has no run with what was measured of it."""
    line = machine("p", 0.04)
    measured = Machine("coater", (), (StreamConfig("flaws/1", chart=ChartConfig(20.0, 0.1)), line.streams[1]))
    old = replace(sampled(np.full(9, 20.2), np.ones(9)), n=None, by=np.full(9, int(MeasuredBy.GAUGE)))
    _, states = passed(measured, old)
    told = sampled(np.full(3, 4.0), np.full(3, 100.0), at_s=np.arange(20.0, 23.0))
    rules, states = passed(line, told, states)
    assert (list(rules), len(states[0].chart.recent), states[0].chart.sizes) == ([0, 0, 0], 3, (100.0,) * 3)


@pytest.mark.parametrize(("name", "kind"), [("6.3.3.1_c_chart", "c"), ("6.3.3.2_p_chart", "p")])
def test_the_handbooks_samples_are_judged_in_a_pass_as_the_handbook_does(name, kind):
    reference = next(one for one in case("17_nist_handbook")["cases"] if one["id"] == name)
    n = reference.get("params", {}).get("n", 1)
    found, sizes = np.array(reference["input"], float) * (n if kind == "p" else 1), np.full(len(reference["input"]), n)
    one = counts.phase_one(found / sizes, sizes.astype(float), counts.KINDS[kind])
    drawn = counts.lines(one.mean, one.sigma_1, sizes.astype(float), counts.KINDS[kind].of)
    expected, tol = reference["expected"], reference["tol"]
    assert (drawn.lower[0], one.mean, drawn.upper[0]) == pytest.approx(
        (expected["lcl"], expected["center"], expected["ucl"]), abs=tol
    )
    chart = ChartConfig(one.mean, one.sigma_1, SETS["beyond_3_sigma"])
    line = Machine("coater", (), (StreamConfig("flaws/1", chart=chart, counted=True),))
    rules, _ = passed(line, sampled(found, sizes.astype(float)))
    assert list(np.flatnonzero(rules & Rule.BEYOND_3_SIGMA) + 1) == expected["beyond_1based"]


def test_samples_that_differ_by_more_than_chance_are_told_from_those_that_do_not():
    rng, sizes = np.random.default_rng(9), np.full(60, 5_000.0)
    alike = rng.binomial(5_000, 0.1, 60) / sizes
    apart = rng.binomial(5_000, np.clip(rng.normal(0.1, 0.02, 60), 0.01, 0.3)) / sizes
    plain, wider = (counts.phase_one(rates, sizes, counts.KINDS["p"]) for rates in (alike, apart))
    assert (plain.overdispersed, wider.overdispersed) == (False, True)
    laneys = counts.phase_one(apart, sizes, counts.KINDS["laney_p"])
    assert laneys.sigma_1 == pytest.approx(wider.sigma_1 * wider.sigma_z)


@pytest.mark.parametrize(
    ("kind", "rates", "sizes", "why"),
    [
        ("np", np.linspace(0.1, 0.2, 30), np.arange(100.0, 130.0), "not of one size"),
        ("u", np.zeros(30), np.ones(30), "do not vary"),
        ("p", np.linspace(0.1, 0.2, 19), np.full(19, 100.0), "at least 20"),
    ],
)
def test_what_gives_no_limits_is_refused_with_the_reason(kind, rates, sizes, why):
    with pytest.raises(ValueError, match=why):
        counts.phase_one(rates, sizes, counts.KINDS[kind])


def test_a_rule_that_presumes_normal_zones_is_none_for_counts():
    assert [name for name, told in SETS.items() if counts.fits(told.rules)] == ["beyond_3_sigma", "nelson_1_2_3"]


@pytest.mark.parametrize("kind", list(counts.KINDS))
def test_false_alarms_are_foretold_from_samples_that_could_be(kind):
    told = counts.KINDS[kind]
    of_one = {"p": p_chart, "u": u_chart}[told.family].sigma(0.02, np.array([50.0]))[0]
    process = counts.Chance(0.02, float(of_one) * (2.0 if told.wider else 1.0), 50.0, told)
    rates = process.simulate(20_000, np.random.default_rng(7))
    assert rates.min() >= 0.0
    assert rates.max() <= 1.0 or told.family == "u"
    assert told.wider or rates.std() == pytest.approx(process.sigma, rel=0.03)
