"""Several lanes taken together: Hotelling's T2 and MEWMA."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from control.core.spc import hotelling, mewma
from control.core.spc.hotelling import Reference

LANES = np.full((4, 4), 0.8) + 0.2 * np.eye(4)
USUAL = Reference.of(np.full(4, 20.0), 0.01 * LANES, 100)


@pytest.mark.parametrize(("p", "m"), [(2, 20), (4, 100), (8, 60)])
def test_the_upper_line_is_the_handbooks(p, m):
    expected = p * (m + 1) * (m - 1) / (m * m - m * p) * stats.f.ppf(1 - 0.0027, p, m - p)
    assert hotelling.upper_line(p, m) == pytest.approx(expected)
    assert hotelling.upper_line(p, 10_000_000) == pytest.approx(stats.chi2.ppf(1 - 0.0027, p), rel=1e-4)


def test_new_observations_are_beyond_as_often_as_alpha_however_few_the_reference_has():
    rng = np.random.default_rng(51)
    beyond = []
    for _ in range(1_500):
        reference = Reference.found(rng.normal(size=(15, 3)))
        beyond.append(hotelling.judge(rng.normal(size=(40, 3)), reference, alpha=0.05).beyond.mean())
    assert np.mean(beyond) == pytest.approx(0.05, rel=0.06)


def test_phase_one_observations_are_beyond_their_own_line_as_often_as_alpha():
    rng = np.random.default_rng(52)
    line, beyond = hotelling.upper_line_phase_one(3, 25, alpha=0.05), []
    for _ in range(1_500):
        values = rng.normal(size=(25, 3))
        beyond.append(np.mean(hotelling.judge(values, Reference.found(values)).value > line))
    assert np.mean(beyond) == pytest.approx(0.05, rel=0.06)


def test_t2_is_the_quadratic_form_and_does_not_depend_on_units():
    rng = np.random.default_rng(53)
    values = rng.multivariate_normal(USUAL.mean, USUAL.covariance, 50)
    plain = [(x - USUAL.mean) @ np.linalg.inv(USUAL.covariance) @ (x - USUAL.mean) for x in values]
    assert hotelling.judge(values, USUAL).value == pytest.approx(plain)
    scale = np.array([1.0, 10.0, 0.1, 1000.0])
    other = Reference.of(USUAL.mean * scale, USUAL.covariance * np.outer(scale, scale), USUAL.m)
    assert hotelling.judge(values * scale, other).value == pytest.approx(plain)


def test_a_lane_that_leaves_the_others_is_seen_inside_its_own_limits_and_named():
    value = np.array([[20.1, 20.1, 19.85, 20.1]])
    assert (np.abs(value - 20.0) < 3 * 0.1).all()
    assert hotelling.judge(value, USUAL).beyond[0]
    assert hotelling.contributions(value, USUAL)[0].argmax() == 2
    assert not hotelling.judge(np.full((1, 4), 20.2), USUAL).beyond[0]


def test_a_contribution_is_what_t2_loses_without_that_value():
    value = np.array([[20.3, 19.9, 20.1, 20.0]])
    whole = hotelling.judge(value, USUAL).value[0]
    for lane in range(4):
        rest = [i for i in range(4) if i != lane]
        without = Reference.of(USUAL.mean[rest], USUAL.covariance[np.ix_(rest, rest)], USUAL.m)
        lost = whole - hotelling.judge(value[:, rest], without).value[0]
        assert hotelling.contributions(value, USUAL)[0, lane] == pytest.approx(lost)


def test_a_reference_that_tells_nothing_is_refused():
    with pytest.raises(ValueError, match="observations"):
        Reference.of(np.zeros(4), np.eye(4), 4)
    with pytest.raises(ValueError, match="move together"):
        Reference.of(np.zeros(2), np.ones((2, 2)), 50)


def test_observations_with_a_missing_value_are_left_out_of_the_reference():
    values = np.random.default_rng(54).normal(size=(60, 2))
    holes = np.vstack([values, [np.nan, 1.0]])
    assert Reference.found(holes).m == 60
    assert Reference.found(holes).covariance == pytest.approx(np.cov(values.T))


@pytest.mark.parametrize(
    ("p", "weight", "h"), [(2, 0.1, 8.64), (2, 0.2, 9.65), (4, 0.1, 12.73), (4, 0.2, 13.87), (6, 0.1, 16.27)]
)
def test_the_upper_line_of_a_run_length_of_200_is_that_of_the_literature(p, weight, h):
    """S. S. Prabhu, G. C. Runger, J. Quality Technology 29 (1997) 8-15, table 3; Montgomery (2005) table 10-3."""
    assert mewma.upper_line(p, weight, 200.0) == pytest.approx(h, rel=0.005)


def test_a_weight_of_one_is_t2_of_known_parameters():
    assert mewma.upper_line(3, 1.0) == pytest.approx(stats.chi2.ppf(1 - 1 / 370.4, 3), rel=0.01)


def test_the_simulated_run_length_is_that_of_the_chain():
    rng = np.random.default_rng(55)
    known = Reference.of(np.zeros(2), np.eye(2), 10**9)
    h, settled, lengths = mewma.upper_line(2, 0.2, 100.0), mewma.Standing((0.0, 0.0), 10**6), []
    for _ in range(2_500):
        beyond = mewma.judge(rng.normal(size=(900, 2)), known, 0.2, h, settled).beyond
        lengths.append(beyond.argmax() + 1 if beyond.any() else 900)
    assert np.mean(lengths) == pytest.approx(100.0, rel=0.05)


def test_a_small_lasting_shift_is_seen_by_the_average_before_it_is_seen_by_single_values():
    rng = np.random.default_rng(56)
    known = Reference.of(np.zeros(4), np.eye(4), 10**9)
    shifted = rng.normal(0.5, 1.0, (300, 4))
    smooth = mewma.judge(shifted, known, 0.1, mewma.upper_line(4, 0.1)).beyond.argmax()
    assert 0 < smooth < hotelling.judge(shifted, known).beyond.argmax()


@given(st.integers(1, 60), st.data())
@settings(max_examples=60, deadline=None)
def test_point_by_point_and_all_at_once_give_the_same_verdicts(n, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**20)))
    values = rng.multivariate_normal(USUAL.mean, USUAL.covariance * 2, n)
    whole_t2, whole = hotelling.judge(values, USUAL), mewma.judge(values, USUAL, 0.2, 12.0)
    standing, smooth, single = None, [], []
    while len(smooth) < n:
        part = values[len(smooth) : len(smooth) + data.draw(st.integers(1, 20))]
        found = mewma.judge(part, USUAL, 0.2, 12.0, standing)
        told = json.loads(json.dumps([found.standing.average, found.standing.taken]))
        standing = mewma.Standing(tuple(told[0]), told[1])
        smooth.extend(found.value)
        single.extend(hotelling.judge(part, USUAL).value)
    assert smooth == list(whole.value)
    assert single == list(whole_t2.value)
    assert standing == whole.standing
