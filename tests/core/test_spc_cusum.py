"""The tabular CUSUM."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.spc.cusum import Design, judge, lines
from tests.core.cases import case


@pytest.mark.parametrize("name", ["h5_shift1", "h4_shift1", "h5_shift1_headstart2.5", "viscosity_h5"])
def test_sums_and_signals_are_those_of_the_reference(name):
    data = case("08_cusum_pistonrings")
    expected = data["expected"][name]
    mean, sigma = expected["center"], expected["std_dev"]
    if name.startswith("viscosity"):
        rings = case("03_viscosity_individuals")["input"]
        values, n = np.array(rings["phase1"] + rings["phase2"]), 1
    else:
        values, n = np.array(data["input"]["phase1"] + data["input"]["phase2"]).mean(axis=1), 5
    design = Design(expected["se_shift"] / 2, expected["decision_interval"], expected["head_start"])
    found = judge((values - mean) / (sigma / np.sqrt(n)), design)
    assert found.high == pytest.approx(expected["pos"], rel=5e-4, abs=1e-6)
    assert -found.low == pytest.approx(expected["neg"], rel=5e-4, abs=1e-6)
    either = zip(expected["violations"]["upper"], expected["violations"]["lower"], strict=True)
    assert list(found.beyond) == [bool(up or down) for up, down in either]


def test_sums_and_signals_are_those_of_the_handbook():
    handbook = next(c for c in case("17_nist_handbook")["cases"] if c["id"] == "6.3.2.3_cusum")
    told, expected = handbook["params"], handbook["expected"]
    sigma = 0.635
    z = (np.array(handbook["input"]) - told["target"]) / sigma
    found = judge(z, Design(told["k"] / sigma, told["h"] / sigma))
    assert found.high * sigma == pytest.approx(expected["S_hi"], abs=handbook["tol"])
    assert found.low * sigma == pytest.approx(expected["S_lo"], abs=handbook["tol"])
    assert list(np.flatnonzero(found.beyond) + 1) == expected["signals_1based"]


def recursion(z, design):
    """The textbook's own way, a point at a time."""
    high = low = design.head_start
    for point in z:
        high, low = max(0.0, high + point - design.k), max(0.0, low - point - design.k)
        yield high, low


@given(st.lists(st.floats(-6, 6), min_size=1, max_size=200), st.floats(0, 1), st.floats(0, 4.9))
@settings(max_examples=100, deadline=None)
def test_all_at_once_is_the_recursion(z, k, head_start):
    design = Design(k, 5.0, head_start)
    found = judge(np.array(z), design)
    assert np.column_stack([found.high, found.low]) == pytest.approx(np.array(list(recursion(z, design))), abs=1e-6)


@given(st.lists(st.floats(-5000, 5000), min_size=1, max_size=120), st.data())
@settings(max_examples=200, deadline=None)
def test_point_by_point_and_all_at_once_give_the_same_sums_to_the_last_digit(z, data):
    design = Design(0.5, 5.0, 2.5)
    whole = judge(np.array(z), design)
    start, high, beyond = None, [], []
    while len(high) < len(z):
        step = data.draw(st.integers(1, 30))
        part = judge(np.array(z[len(high) : len(high) + step]), design, start)
        start = tuple(json.loads(json.dumps([float(one) for one in part.last])))
        high.extend(part.high)
        beyond.extend(part.beyond)
    assert high == list(whole.high)
    assert beyond == list(whole.beyond)
    assert start == whole.last


def test_a_head_start_falls_to_nothing_when_nothing_is_wrong_and_signals_early_when_something_is():
    design = Design(0.5, 5.0, 2.5)
    assert judge(np.zeros(6), design).high[-1] == 0.0
    off = np.full(10, 1.5)
    assert np.argmax(judge(off, design).beyond) < np.argmax(judge(off, Design(0.5, 5.0)).beyond)


def test_the_lines_are_h_sigma_to_either_side():
    assert lines(0.2, Design(h=4.0)) == (-0.8, 0.8)


@pytest.mark.parametrize("told", [{"k": -0.1}, {"h": 0.0}, {"head_start": 5.0}, {"head_start": -1.0}])
def test_a_design_that_cannot_work_is_refused(told):
    with pytest.raises(ValueError, match="CUSUM"):
        Design(**told)


@pytest.mark.parametrize("shift", range(10))
def test_the_mean_run_lengths_are_those_of_the_reference(shift):
    table = case("15_arl_tables")["cusum"]["k0.5_h5"]
    for name, head_start in (("arl_two_sided", 0.0), ("arl_two_sided_FIR_h_over_2", 2.5)):
        found = mean_run_length(table["shift"][shift], head_start, about=int(table[name][shift]) + 4)
        assert found == pytest.approx(table[name][shift], rel=0.04)


def mean_run_length(shift, head_start, *, about, runs=4_000):
    """Those that have not signalled go on in the next round, from where their sums stand."""
    rng = np.random.default_rng(31)
    start, total = (np.full(runs, head_start), np.full(runs, head_start)), 0
    while left := len(start[0]):
        found = judge(rng.normal(shift, 1.0, (left, about)), Design(0.5, 5.0), start)
        over = found.beyond.any(axis=1)
        total += int(np.sum(np.where(over, found.beyond.argmax(axis=1) + 1, about)))
        start = tuple(stands[~over] for stands in found.last)
    return total / runs
