"""The bias replayed as it will be, intervals from it, and splits that never shuffle."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.vm import following, splits
from control.core.vm.following import Known


def slowly(error, weight, made_s, known_s):
    """The same by a loop over what is known at each instant."""
    left = []
    for e, made in zip(error, made_s, strict=True):
        bias = 0.0
        for k in np.argsort(known_s, kind="stable"):
            if known_s[k] < made:
                bias += weight * (error[k] - bias)
        left.append(e - bias)
    return np.array(left)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), weight=st.floats(0.01, 1.0))
def test_an_error_is_taken_against_the_bias_known_when_its_metre_was_made(seed, weight):
    rng = np.random.default_rng(seed)
    made_s = np.sort(rng.uniform(0, 500, 40))
    known_s = made_s + rng.choice([0.0, 60.0, 1800.0], 40)
    error = rng.normal(size=40).cumsum()
    found = following.corrected(error, weight, Known.of(made_s, known_s))
    assert found == pytest.approx(slowly(error, weight, made_s, known_s))


def test_a_label_known_as_its_metre_is_made_corrects_the_next_not_itself():
    at_s = np.arange(4.0)
    assert list(following.corrected(np.ones(4), 0.5, Known.of(at_s, at_s))) == [1.0, 0.5, 0.25, 0.125]


def test_the_last_value_known_is_that_of_the_gauge_not_of_the_die():
    made_s = np.arange(6.0)
    found = following.last_known(np.arange(10.0, 16.0), 9.0, Known.of(made_s, made_s + 2.5))
    assert list(found) == [9.0, 9.0, 9.0, 10.0, 11.0, 12.0]


@pytest.mark.parametrize(("n", "rank"), [(9, 9), (19, 18), (99, 90), (500, 451)])
def test_the_half_width_is_the_split_conformal_quantile(n, rank):
    errors = np.random.default_rng(n).permutation(np.arange(1, n + 1)) * np.where(np.arange(n) % 2, 1.0, -1.0)
    assert following.conformal(errors) == rank


def test_nine_in_ten_of_what_comes_are_inside_whatever_their_distribution():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(400):
        errors = rng.standard_t(3, 400)
        inside.append(np.mean(np.abs(errors[200:]) <= following.conformal(errors[:200])))
    assert np.mean(inside) == pytest.approx(0.90, abs=0.01)


def test_a_reading_far_from_both_its_neighbours_is_wild_and_a_step_is_not():
    rng = np.random.default_rng(2)
    residual = rng.normal(0, 0.03, 200)
    residual[100:] += 1.0
    residual[50] += 0.8
    assert list(np.flatnonzero(following.wild(residual))) == [50]
    assert not following.wild(np.ones(2)).any()
    assert not following.wild(np.repeat([1.0, 1.1], 30)).any()


@settings(max_examples=30, deadline=None)
@given(n=st.integers(10, 500))
def test_every_block_is_scored_by_what_lies_before_it(n):
    seen = 0
    for fit, score in splits.forward(n):
        assert list(fit) == list(range(int(score[0])))
        assert score[0] >= seen
        seen = int(score[-1]) + 1
    assert seen == n


def test_a_group_is_scored_by_all_others_and_each_once():
    groups = ["b", "a", "b", "c", "a"]
    found = [(fit.tolist(), out.tolist()) for fit, out in splits.leave_one_group_out(groups)]
    assert found == [([0, 2, 3], [1, 4]), ([1, 3, 4], [0, 2]), ([0, 1, 2, 4], [3])]


def test_no_split_anywhere_is_shuffled():
    root = Path(__file__).resolve().parents[2]
    wrong = {"train_test_split", "KFold", "ShuffleSplit", "cross_val_score", "cross_val_predict", "shuffle"}
    for path in [*(root / "control").rglob("*.py"), *(root / "bench").rglob("*.py")]:
        names = {getattr(node, "id", getattr(node, "attr", getattr(node, "name", "")))
                 for node in ast.walk(ast.parse(path.read_text()))}  # fmt: skip
        assert not names & wrong, path
