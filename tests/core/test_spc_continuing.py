"""Every chart continues: whatever way history is cut, the verdicts and what is remembered are the same."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.spc import (
    c_chart,
    individuals,
    laney,
    mean_deviation,
    mean_range,
    np_chart,
    p_chart,
    residual,
    short_run,
    three_way,
    u_chart,
)
from control.core.spc.rules import NELSON, RuleSet
from control.core.types import Rule

RULES = RuleSet.of(NELSON.rules | Rule.MOVING_RANGE | Rule.SPREAD, NELSON.parameters)
SIGMAS = three_way.Sigmas(0.8, 1.0)


def normal(rng, n):
    return np.round(rng.normal(0.3, 1.2, n), 1)


def groups(rng, n):
    told = np.round(rng.normal(0.3, 1.2, (n, 4)), 1)
    told[rng.random((n, 4)) < 0.1] = np.nan
    return told


def counts(rng, n):
    return rng.poisson(12.0, n).astype(float)


def sized(rng, n):
    return np.column_stack([counts(rng, n), rng.integers(80, 120, n)])


def products(rng, n):
    nominal = np.where(rng.random(n) < 0.5, 20.0, 11.5)
    return np.column_stack([nominal + rng.normal(0, 0.12, n), nominal, nominal / 200])


CHARTS = {
    "individuals": (normal, lambda x, held: individuals.judge(x, 0.0, 1.0, RULES, held)),
    "residual": (normal, lambda x, held: residual.judge(x, residual.Chart(0.0, 1.0, RULES), held)),
    "mean and range": (groups, lambda x, held: mean_range.judge(x, 0.0, 1.0, RULES, held)),
    "mean and deviation": (groups, lambda x, held: mean_deviation.judge(x, 0.0, 1.0, RULES, held)),
    "three-way": (groups, lambda x, held: three_way.judge(x, 0.0, SIGMAS, RULES, held)),
    "short run": (products, lambda x, held: short_run.judge(x[:, 0], x[:, 1], x[:, 2], RULES, held)),
    "p": (sized, lambda x, held: p_chart.judge(x[:, 0], x[:, 1], 0.11, RULES, held)),
    "np": (counts, lambda x, held: np_chart.judge(x, 100.0, 0.11, RULES, held)),
    "c": (counts, lambda x, held: c_chart.judge(x, 11.0, RULES, held)),
    "u": (sized, lambda x, held: u_chart.judge(x[:, 0], x[:, 1], 0.11, RULES, held)),
    "laney": (sized, lambda x, held: laney.judge(x[:, 0], x[:, 1], 0.11, 1.4, "u", RULES, held)),
}


@pytest.mark.parametrize("name", CHARTS)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_cut_of_history_gives_the_same_verdicts_and_the_same_memory(name, data):
    make, judge = CHARTS[name]
    n = data.draw(st.integers(1, 70))
    history = make(np.random.default_rng(data.draw(st.integers(0, 2**20))), n)
    whole, remembered = judge(history, ())
    bits, held = [], ()
    while len(bits) < n:
        step = data.draw(st.integers(1, 30))
        part, held = judge(history[len(bits) : len(bits) + step], held)
        held = tuple(json.loads(json.dumps(held, allow_nan=False)))
        bits.extend(part)
    assert bits == list(whole)
    assert held == remembered
    assert len(held) <= RULES.context


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_forecasts_one_step_ahead_go_on_from_the_level_left(data):
    n = data.draw(st.integers(1, 60))
    values = np.random.default_rng(data.draw(st.integers(0, 2**20))).normal(20.0, 0.2, n)
    whole, last = residual.one_step(values, 0.3)
    errors, level = [], None
    while len(errors) < n:
        part, level = residual.one_step(values[len(errors) : len(errors) + data.draw(st.integers(1, 20))], 0.3, level)
        errors.extend(part)
    assert np.array_equal(errors, whole, equal_nan=True)
    assert level == last
