"""The EWMA disturbance estimator, and what pairing does for its stability."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.r2r.ewma import estimate

UNKNOWN = np.array([np.nan])


def closed_loop(weight, xi, delay, paired, samples=4_000, ramp=0.0):
    """Largest deviation from target over the last tenth; y = xi u + disturbance, assumed gain 1, target 0."""
    u, y, a = [0.0], [], np.array([0.0])
    for k in range(samples):
        y.append(xi * u[-1] + 1.0 + ramp * k)
        seen = k - delay
        if seen >= 0:
            made_by = u[seen] if paired else u[-1]
            a = estimate(a, np.array([[y[seen] - made_by]]), weight)
        u.append(float(np.clip(-a[0], -1e9, 1e9)))
    return float(np.abs(y[-samples // 10 :]).max())


LIMITS = {0: 2.0, 1: 1.0, 2: 0.618, 3: 0.445, 5: 0.285, 10: 0.150, 20: 0.077}


@pytest.mark.parametrize(("delay", "limit"), LIMITS.items())
def test_paired_with_the_newest_setting_the_loop_is_stable_only_under_the_limit_of_its_delay(delay, limit):
    roots = np.roots([1.0, -1.0] + [0.0] * (delay - 1) + [limit]) if delay else np.array([1.0 - limit])
    assert np.abs(roots).max() == pytest.approx(1.0, abs=2e-3)
    assert closed_loop(min(0.95 * limit, 1.0), max(0.95 * limit, 1.0), delay, paired=False) < 1e-2
    assert closed_loop(min(1.05 * limit, 1.0), max(1.05 * limit, 1.0), delay, paired=False) > 1.0


@pytest.mark.parametrize("delay", [0, 1, 5, 20])
def test_paired_with_the_setting_that_made_it_no_delay_makes_the_loop_unstable(delay):
    for weight, xi in ((0.3, 1.0), (1.0, 1.9), (0.5, 1.9), (1.0, 0.1)):
        assert closed_loop(weight, xi, delay, paired=True) < 1e-6
    assert closed_loop(1.0, 2.1, delay, paired=True) > 1.0


def test_a_ramp_leaves_the_offset_of_the_book():
    assert closed_loop(0.4, 0.8, 0, paired=True, ramp=0.01) == pytest.approx(0.01 / (0.4 * 0.8), rel=1e-6)


def test_one_value_at_a_time_and_all_at_once_give_the_same_disturbance():
    rng = np.random.default_rng(9)
    seen = rng.normal(size=(500, 2))
    seen[rng.random(seen.shape) < 0.2] = np.nan
    whole = estimate(np.full(2, np.nan), seen, 0.3)
    step = np.full(2, np.nan)
    for k in range(500):
        step = estimate(step, seen[k : k + 1], 0.3)
    assert step == pytest.approx(whole, rel=1e-12)


def test_nothing_is_known_of_a_stream_never_seen():
    found = estimate(np.full(2, np.nan), np.array([[1.0, np.nan]]), 0.3)
    assert found[0] == 1.0
    assert np.isnan(found[1])
