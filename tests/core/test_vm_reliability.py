"""RI, GSI, ISI and the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.types import Quality, Verdict
from control.core.vm import reliability


@pytest.mark.parametrize(
    ("apart", "ri"), [(0, 1.0), (0.25, 0.901), (0.5, 0.803), (1, 0.617), (1.5, 0.453), (2, 0.317), (3, 0.134)]
)
def test_the_reliance_index_is_that_of_the_table(apart, ri):
    assert reliability.reliance(np.array([1.0]), np.array([1.0 + apart]))[0] == pytest.approx(ri, abs=5e-4)
    assert reliability.reliance(np.array([apart]), np.array([0.0]))[0] == pytest.approx(ri, abs=5e-4)


def test_the_reliance_threshold_is_the_index_at_the_largest_error_allowed():
    assert reliability.reliance_threshold(2.0, 1.0) == pytest.approx(0.317, abs=5e-4)


def test_similarity_averages_one_over_training_and_grows_outside_it():
    z = np.random.default_rng(7).standard_normal((5_000, 6))
    matrix = reliability.similarity_matrix(z)
    assert reliability.similarity(z, matrix).mean() == pytest.approx(1.0, rel=0.1)
    threshold = reliability.similarity_threshold(z, matrix)
    assert (reliability.similarity(z, matrix) < threshold).all()
    assert reliability.similarity(np.full((1, 6), 12.0), matrix)[0] > threshold


def test_inputs_that_repeat_each_other_do_not_break_similarity_and_parting_is_noticed():
    z = np.repeat(np.random.default_rng(8).standard_normal((1_000, 1)), 3, axis=1)
    matrix = reliability.similarity_matrix(z)
    together = reliability.similarity(np.array([[1.0, 1.0, 1.0]]), matrix)[0]
    parted = reliability.similarity(np.array([[1.0, -1.0, 1.0]]), matrix)[0]
    assert np.isfinite(together)
    assert parted > 10 * together


def test_the_culprit_is_the_input_furthest_from_its_mean():
    assert list(reliability.culprit(np.array([[0.1, -4.0, 2.0], [3.0, 1.0, -1.0]]))) == [1, 0]


def test_the_verdict_is_measure_where_the_interval_straddles_a_limit_or_the_model_does_not_trust_itself():
    low = np.array([[19.5, 18.5, 20.8, 17.0, 19.5]])
    high = low + 0.6
    lower, upper = np.full(5, 19.0), np.full(5, 21.0)
    trusted = np.array([[True, True, True, True, False]])
    found = reliability.verdict(low, high, lower, upper, trusted)
    assert list(found[0]) == [Verdict.IN, Verdict.MEASURE, Verdict.MEASURE, Verdict.OUT, Verdict.MEASURE]


def test_without_limits_whatever_is_trusted_is_in():
    none = np.array([np.nan])
    found = reliability.verdict(np.array([[1.0]]), np.array([[2.0]]), none, none, np.array([[True]]))
    assert found[0, 0] == Verdict.IN


def test_nothing_doubtful_unfamiliar_or_disputed_is_reliable():
    good, doubtful = int(Quality.GOOD), int(Quality.DOUBTFUL)
    ri, gsi = np.array([[0.9, 0.4, 0.9, 0.9, np.nan]]), np.array([[0.5, 0.5, 1.2, 0.5, 0.5]])
    quality = np.array([[good, good, good, doubtful, good]])
    assert list(reliability.reliable(ri, np.full(5, 0.6), gsi, quality)[0]) == [True, False, False, False, False]


def related(n, seed):
    """A third input that follows the first two, a fourth by itself, and a parameter that drags the second along."""
    rng = np.random.default_rng(seed)
    a, b, moved = rng.standard_normal((3, n))
    dragged = b + moved
    return np.column_stack(
        [a, dragged, a + 0.05 * rng.standard_normal(n), dragged + 0.05 * rng.standard_normal(n), moved]
    )


MOVED = np.array([False, False, False, False, True])


def over_threshold(training, asked, moved):
    """DQIx of ``asked`` over the threshold that ``training`` gives."""
    matrix, reach = reliability.consistency_matrix(training, moved), reliability.reach_matrix(training, moved)
    limit = reliability.consistency_threshold(training, matrix, reach, moved)
    return reliability.inconsistency(asked, matrix, reach) / limit


def test_an_instrument_that_leaves_the_relations_of_training_is_noticed_a_new_state_that_keeps_them_is_not():
    z = related(4_000, 9)
    far_but_related = np.array([[6.0, -6.0, 6.0, -6.0, 0.0]])
    lying = np.array([[0.0, 0.0, 1.5, 0.0, 0.0]])
    assert (over_threshold(z, z, MOVED) < 1).all()
    assert over_threshold(z, far_but_related, MOVED)[0] < 1
    assert over_threshold(z, lying, MOVED)[0] > 1


def test_a_move_that_drags_others_along_contradicts_nothing():
    z = related(4_000, 10)
    moved = np.array([[0.0, 8.0, 0.0, 8.0, 8.0]])
    assert over_threshold(z, moved, MOVED)[0] < 1


def test_a_loops_move_far_beyond_training_makes_no_liars_of_the_instruments_but_a_lie_is_still_one():
    rng = np.random.default_rng(13)
    bolt = np.where(np.arange(3_000) < 1_500, -1.0, 1.0)  # stood at two places while the rest drifted by chance
    slurry = rng.standard_normal(3_000)
    z = np.column_stack([slurry, slurry + 0.1 * bolt + 0.05 * rng.standard_normal(3_000), bolt])
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    moved = np.array([False, False, True])
    assert over_threshold(z, np.array([[0.0, 0.0, 12.0]]), moved)[0] < 1
    assert over_threshold(z, np.array([[0.0, 4.0, 12.0]]), moved)[0] > 1


def test_where_nothing_is_related_nothing_is_inconsistent():
    z = np.random.default_rng(11).standard_normal((500, 1))
    still = np.array([False])
    matrix, reach = reliability.consistency_matrix(z, still), reliability.reach_matrix(z, still)
    assert not matrix.any()
    assert reliability.consistency_threshold(z, matrix, reach, still) == 1.0


def test_relations_that_drift_in_training_widen_the_threshold_within_bounds():
    rng = np.random.default_rng(12)
    a, moved = rng.standard_normal(2_000), np.zeros(2, bool)
    drifting = np.column_stack([a, a + np.repeat([0.0, 0.6], 1_000) + 0.02 * rng.standard_normal(2_000)])
    steady = np.column_stack([a, a + 0.02 * rng.standard_normal(2_000)])
    ratios = []
    for z in (steady, drifting):
        z = (z - z.mean(axis=0)) / z.std(axis=0)
        matrix, reach = reliability.consistency_matrix(z, moved), reliability.reach_matrix(z, moved)
        largest = reliability.inconsistency(z, matrix, reach).max()
        ratios.append(reliability.consistency_threshold(z, matrix, reach, moved) / largest)
    assert ratios[0] == pytest.approx(reliability.TIMES)
    assert reliability.TIMES < ratios[1] <= 4 * reliability.TIMES
