"""The double EWMA: no offset under a ramp, and the limit of its gain error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core.r2r.double_ewma import DoubleEwma
from control.core.r2r.ewma import Ewma
from tests.core.one_stream import STARTED, UNKNOWN, deviation, seen

# del Castillo 1999: 4 / (2 (l1 + l2) - l1 l2)
PUBLISHED = {(0.55, 0.75): 1.829, (0.3, 0.1): 5.195, (0.5, 0.5): 16 / 7, (1.0, 1.0): 4 / 3}


def growth(l1, l2, xi):
    """Spectral radius of (D, K) when the loop acts on every value."""
    return np.abs(np.linalg.eigvals([[1 - l1 * xi, l1 * (1 - xi)], [-l2 * xi, 1 - l2 * xi]])).max()


@pytest.mark.parametrize(("weights", "limit"), PUBLISHED.items())
def test_it_is_stable_below_the_published_gain_error_and_not_above_it(weights, limit):
    estimator = DoubleEwma(*weights)
    assert estimator.largest_gain_ratio == pytest.approx(limit, abs=5e-4)
    assert growth(*weights, estimator.largest_gain_ratio) == pytest.approx(1.0, abs=1e-9)
    assert growth(*weights, 0.97 * limit) < 1.0 < growth(*weights, 1.03 * limit)
    assert deviation(estimator, 0.97 * limit) < 1e-6
    assert deviation(estimator, 1.03 * limit) > 1.0
    assert deviation(estimator, -0.05) > 1.0


@pytest.mark.parametrize("xi", [0.6, 1.0, 1.5])
def test_a_ramp_leaves_no_offset(xi):
    assert deviation(DoubleEwma(0.4, 0.2), xi, ramp=0.01) < 1e-9
    assert deviation(Ewma(0.4), xi, ramp=0.01) > 0.01


def test_level_and_drift_are_the_recursions_of_the_book():
    l1, l2, level, drift = 0.55, 0.75, 1.0, 0.0
    for value in (2.0, 2.5, 3.5):
        drift += l2 * (value - level - drift)
        level += l1 * (value - level)
    found = DoubleEwma(l1, l2).after(UNKNOWN, seen([1.0, 2.0, 2.5, np.nan, 3.5]))
    assert (found.level[0], found.drift[0]) == pytest.approx((level, drift))


def test_under_a_ramp_it_foretells_the_next_value():
    found = DoubleEwma(0.4, 0.2).after(UNKNOWN, seen(0.01 * np.arange(200)))
    assert found.ahead[0] == pytest.approx(0.01 * 200, rel=1e-6)


def test_while_the_level_jumps_after_a_raise_the_drift_holds():
    drifting = replace(STARTED, drift=np.array([0.25]), uncertainty=np.array([9.0]))
    jumped = DoubleEwma(0.3, 0.1).after(drifting, seen([5.0, 5.0]))
    assert jumped.level[0] == pytest.approx(5.0 * 18 / 19)
    assert jumped.drift[0] == 0.25
    later = DoubleEwma(0.3, 0.1).after(jumped, seen([5.0, 5.0, 5.0]))
    assert later.drift[0] != 0.25
