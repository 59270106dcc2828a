"""The gain error of a loop, from its moves and what was measured after them."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from control.core.r2r.gain_error import APART_S, PRIOR, GainError, Last, after

NOISE = 0.03


def followed(xi, seed, moves=12, size=0.2, wander=0.003, every=10):
    """One stream under moves of either sign, a value each second, on a disturbance that wanders."""
    rng, known, effect, level = np.random.default_rng(seed), GainError(), 0.0, 0.0
    for k in range((moves + 1) * every):
        if k and k % every == 0:
            effect += size * rng.choice([-1.0, 1.0])
        level += rng.normal(0, wander)
        value = 20.0 + xi * effect + level + rng.normal(0, NOISE)
        known = after(known, "loading/1", Last(float(k), value, effect), 0.01)
    return known


@pytest.mark.parametrize("xi", [-1.0, 0.5, 1.0, 1.4, 3.0])
def test_it_finds_the_gain_error_from_a_dozen_moves(xi):
    found = np.array([followed(xi, seed).ratio for seed in range(30)])
    assert np.median(found) == pytest.approx(xi, abs=0.05)
    assert followed(xi, 1).moved == 12


@pytest.mark.parametrize("xi", [0.5, 1.0, 2.0])
def test_its_interval_holds_the_truth_nine_times_in_ten(xi):
    runs = [followed(xi, seed, moves=30) for seed in range(300)]
    inside = np.mean([abs(run.ratio - xi) <= run.half_width for run in runs])
    assert 0.85 <= inside <= 0.99


def test_without_moves_it_learns_the_noise_and_nothing_of_the_gain():
    known = followed(1.0, 4, moves=0, every=200, wander=0.0)
    assert (known.ratio, known.variance, known.moved) == (1.0, PRIOR**2, 0)
    assert known.noise == pytest.approx(2 * NOISE**2, rel=0.25)


def test_a_disturbance_that_was_there_before_the_move_is_not_taken_for_its_effect():
    """A step, seen once, then moved away: what answers it is the move alone."""
    values = [(k, 20.0 + 0.01 * (-1) ** k, 0.0) for k in range(20)]
    values += [(20, 20.3, 0.0), (21, 20.0, -0.3), (22, 20.01, -0.3)]
    known = GainError()
    for made_s, value, effect in values:
        known = after(known, "a", Last(float(made_s), value, effect), 0.01)
    assert known.ratio == pytest.approx(1.0, abs=0.1)


def test_values_far_apart_late_or_of_different_streams_are_not_compared():
    known = followed(1.0, 4)
    last = known.last["loading/1"]
    for value in (Last(last.made_s + APART_S + 1, 25.0, last.effect + 1.0), Last(last.made_s - 5, 25.0, 1.0)):
        assert after(known, "loading/1", value, 0.01).ratio == known.ratio
    assert after(known, "loading/2", Last(last.made_s + 1, 25.0, 1.0), 0.01).ratio == known.ratio


def test_nothing_is_learned_before_the_noise_is_known():
    known = after(GainError(), "a", Last(0.0, 20.0, 0.0), 0.01)
    assert after(known, "a", Last(1.0, 25.0, 1.0), 0.01).moved == 0


def test_it_survives_json():
    known = followed(1.3, 2)
    assert GainError.from_json(json.loads(json.dumps(asdict(known)))) == known
