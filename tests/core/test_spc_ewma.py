"""The EWMA chart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.spc.ewma import Design, judge, lines
from tests.core.cases import case


@pytest.mark.parametrize("name", ["l0.2_n3", "l0.1_n2.7", "viscosity_l0.2"])
def test_values_limits_and_signals_are_those_of_the_reference(name):
    expected = case("07_ewma_pistonrings")["expected"][name]
    mean, sigma = expected["center"], expected["std_dev"]
    if name.startswith("viscosity"):
        data = case("03_viscosity_individuals")["input"]
        values, n = np.array(data["phase1"] + data["phase2"]), 1
    else:
        data = case("07_ewma_pistonrings")["input"]
        values, n = np.array(data["phase1"] + data["phase2"]).mean(axis=1), 5
    scale = sigma / np.sqrt(n)
    chart = judge((values - mean) / scale, expected["lambda"], expected["nsigmas"])
    assert mean + scale * chart.value == pytest.approx(expected["ewma"], rel=5e-4)
    upper = np.array(expected["limits"])[:, 1]
    assert scale * chart.limit == pytest.approx(upper - mean, rel=5e-4)
    assert [bool(v) for v in expected["violations_1based"]] == list(chart.beyond)


def test_average_and_settled_lines_are_those_of_the_handbook():
    handbook = next(c for c in case("17_nist_handbook")["cases"] if c["id"] == "6.3.2.4_ewma")
    told, expected = handbook["params"], handbook["expected"]
    design = Design(told["lam"], told["L"])
    z = (np.array(handbook["input"]) - told["target"]) / told["sigma"]
    settled = judge(z, design.weight, design.width, count=10_000)
    assert told["target"] + told["sigma"] * settled.value == pytest.approx(expected["ewma"], abs=handbook["tol"])
    drawn = lines(told["target"], told["sigma"], design)
    assert drawn == pytest.approx((expected["lcl"], expected["ucl"]), abs=handbook["tol"])
    assert settled.limit[-1] * told["sigma"] == pytest.approx(drawn[1] - told["target"])
    assert list(np.flatnonzero(settled.beyond) + 1) == expected["out_of_control"]


@pytest.mark.parametrize("told", [{"weight": 0.0}, {"weight": 1.1}, {"width": 0.0}])
def test_a_design_that_cannot_work_is_refused(told):
    with pytest.raises(ValueError, match="EWMA"):
        Design(**told)


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=80), st.floats(0.05, 1.0), st.integers(1, 79))
@settings(max_examples=200, deadline=None)
def test_point_by_point_and_all_at_once_give_the_same_verdicts(z, weight, cut):
    whole = judge(np.array(z), weight, 2.7)
    value, count, verdicts = 0.0, 0, []
    for point in z:
        step = judge(np.array([point]), weight, 2.7, value, count)
        value, count = step.value[-1], count + 1
        verdicts.append(bool(step.beyond[0]))
    assert verdicts == list(whole.beyond)
    assert value == whole.value[-1]


@pytest.mark.parametrize(("shift", "length"), [(0.0, 500.0), (0.5, 41.0), (1.0, 10.7), (2.0, 3.7)])
def test_the_mean_run_lengths_of_the_settled_chart_are_those_of_the_literature(shift, length):
    rng = np.random.default_rng(21)
    lengths = []
    for _ in range(2_500):
        beyond = judge(rng.normal(shift, 1.0, int(9 * length)), 0.2, 2.962, count=1_000).beyond
        lengths.append(np.argmax(beyond) + 1 if beyond.any() else len(beyond))
    assert np.mean(lengths) == pytest.approx(length, rel=0.06)
