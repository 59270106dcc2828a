"""Charts of counts: p, np, c, u and Laney's p' and u'."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.spc import c_chart, laney, np_chart, p_chart, u_chart
from control.core.spc.rules import BEYOND, WESTERN_ELECTRIC
from tests.core.cases import case


def handbook(name):
    return next(c for c in case("17_nist_handbook")["cases"] if c["id"] == name)


def test_the_c_chart_is_the_handbooks_and_a_count_on_the_line_is_inside():
    told = handbook("6.3.3.1_c_chart")
    counts = np.array(told["input"], float)
    mean = u_chart.centre(counts, np.ones(len(counts)))
    drawn = c_chart.lines(mean, len(counts))
    assert mean == pytest.approx(told["expected"]["center"], abs=told["tol"])
    assert drawn.upper[0] == pytest.approx(told["expected"]["ucl"], abs=told["tol"])
    assert drawn.lower[0] == pytest.approx(told["expected"]["lcl"], abs=told["tol"])
    bits, _ = c_chart.judge(counts, mean, BEYOND)
    assert list(np.flatnonzero(bits) + 1) == told["expected"]["beyond_1based"]
    assert counts[2] == drawn.upper[2]


def test_the_p_chart_is_the_handbooks():
    told = handbook("6.3.3.2_p_chart")
    n = told["params"]["n"]
    counts, sizes = np.array(told["input"]) * n, np.full(len(told["input"]), float(n))
    mean = p_chart.centre(counts, sizes)
    drawn = p_chart.lines(mean, sizes)
    expected = told["expected"]
    assert mean == pytest.approx(expected["center"], abs=told["tol"])
    assert (drawn.lower[0], drawn.upper[0]) == pytest.approx((expected["lcl"], expected["ucl"]), abs=told["tol"])
    for bits, _ in (p_chart.judge(counts, sizes, mean, BEYOND), np_chart.judge(counts, n, mean, BEYOND)):
        assert list(np.flatnonzero(bits) + 1) == expected["beyond_1based"]


def test_the_np_chart_has_the_lines_of_the_p_chart_times_n():
    drawn, of_share = np_chart.lines(0.1, 200, 3), p_chart.lines(0.1, np.full(3, 200.0))
    assert drawn.upper == pytest.approx(200 * of_share.upper)
    assert drawn.centre == pytest.approx([20.0] * 3)


def test_no_line_is_where_no_share_or_count_can_be():
    assert p_chart.lines(0.02, np.array([10.0])).lower[0] == 0.0
    assert p_chart.lines(0.98, np.array([10.0])).upper[0] == 1.0
    assert c_chart.lines(4.0, 1).lower[0] == 0.0


def test_a_larger_sample_has_closer_lines():
    sizes = np.array([50.0, 200.0])
    for drawn in (p_chart.lines(0.2, sizes), u_chart.lines(3.0, sizes), laney.lines(0.2, sizes, 1.5, "p")):
        reach = drawn.upper - drawn.centre
        assert reach[0] == pytest.approx(2 * reach[1])


def test_the_same_share_is_chance_in_a_small_sample_and_a_signal_in_a_large_one():
    bits, _ = p_chart.judge(np.array([4.0, 400.0]), np.array([20.0, 2_000.0]), 0.1, BEYOND)
    assert list(bits) == [0, 1]
    bits, _ = u_chart.judge(np.array([5.0, 500.0]), np.array([1.0, 100.0]), 3.0, BEYOND)
    assert list(bits) == [0, 1]


def test_an_empty_sample_is_no_verdict_and_ends_the_runs():
    counts, sizes = np.full(15, 30.0), np.full(15, 200.0)
    counts[7] = sizes[7] = 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        bits, _ = p_chart.judge(counts, sizes, 0.14, WESTERN_ELECTRIC)
    assert not bits.any()


@pytest.mark.parametrize("kind", ["p", "u"])
def test_where_chance_explains_all_laneys_chart_is_the_plain_one(kind):
    rng, sizes = np.random.default_rng(61), np.full(4_000, 500.0)
    counts = rng.binomial(500, 0.1, 4_000) if kind == "p" else rng.poisson(500 * 0.1, 4_000)
    assert laney.sigma_z(counts.astype(float), sizes, 0.1, kind) == pytest.approx(1.0, rel=0.04)


@pytest.mark.parametrize("kind", ["p", "u"])
def test_large_samples_that_differ_by_more_than_chance_cry_wolf_plainly_and_not_with_laney(kind):
    rng, sizes = np.random.default_rng(62), np.full(3_000, 50_000.0)
    share = np.clip(rng.normal(0.1, 0.005, 3_000), 0.01, 0.3)
    counts = (rng.binomial(50_000, share) if kind == "p" else rng.poisson(50_000 * share)).astype(float)
    chart = {"p": p_chart, "u": u_chart}[kind]
    mean = chart.centre(counts, sizes)
    wider = laney.sigma_z(counts, sizes, mean, kind)
    assert np.mean(chart.judge(counts, sizes, mean, BEYOND)[0] > 0) > 0.3
    assert np.mean(laney.judge(counts, sizes, mean, wider, kind, BEYOND)[0] > 0) < 0.006
    reach = laney.lines(mean, sizes[:1], wider, kind).upper[0] - mean
    assert reach == pytest.approx(wider * (chart.lines(mean, sizes[:1]).upper[0] - mean))
