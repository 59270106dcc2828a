"""The EWMA disturbance estimator, and what pairing does for its stability."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.r2r.ewma import Ewma
from tests.core.one_stream import STARTED, UNKNOWN, deviation, seen

LIMITS = {0: 2.0, 1: 1.0, 2: 0.618, 3: 0.445, 5: 0.285, 10: 0.150, 20: 0.077}


@pytest.mark.parametrize(("delay", "limit"), LIMITS.items())
def test_paired_with_the_newest_setting_the_loop_is_stable_only_under_the_limit_of_its_delay(delay, limit):
    roots = np.roots([1.0, -1.0] + [0.0] * (delay - 1) + [limit]) if delay else np.array([1.0 - limit])
    assert np.abs(roots).max() == pytest.approx(1.0, abs=2e-3)
    below, above, samples = 0.95 * limit, 1.05 * limit, 150 * (delay + 1)
    assert deviation(Ewma(min(below, 1.0)), max(below, 1.0), delay, samples=samples, paired=False) < 2e-2
    assert deviation(Ewma(min(above, 1.0)), max(above, 1.0), delay, samples=samples, paired=False) > 1.0


@pytest.mark.parametrize("delay", [0, 1, 5, 20])
def test_paired_with_the_setting_that_made_it_no_delay_makes_the_loop_unstable(delay):
    samples = 190 * (delay + 1)  # what is left falls by at least a tenth in each delay
    for weight, xi in ((0.3, 1.0), (1.0, 1.9), (0.5, 1.9), (1.0, 0.1)):
        assert deviation(Ewma(weight), xi, delay, samples=samples) < 1e-6
    assert deviation(Ewma(1.0), 2.1, delay, samples=samples) > 1.0


@pytest.mark.parametrize("weight", [0.1, 0.5, 1.0])
def test_the_largest_gain_ratio_is_where_the_root_leaves_the_unit_circle(weight):
    largest = Ewma(weight).largest_gain_ratio
    assert abs(1.0 - weight * largest) == pytest.approx(1.0)
    assert deviation(Ewma(weight), 0.97 * largest) < 1e-6
    assert deviation(Ewma(weight), 1.03 * largest) > 1.0
    assert deviation(Ewma(weight), -0.1) > 1.0


@pytest.mark.parametrize(("weight", "xi"), [(0.4, 0.8), (0.1, 1.0), (0.7, 1.5)])
def test_a_ramp_leaves_the_offset_of_the_book(weight, xi):
    assert deviation(Ewma(weight), xi, ramp=0.01) == pytest.approx(0.01 / (weight * xi), rel=1e-6)


def test_the_level_is_the_recursion_of_the_book():
    found = Ewma(0.3).after(UNKNOWN, seen([1.0, 2.0, np.nan, 4.0]))
    assert found.level[0] == pytest.approx(0.3 * 4.0 + 0.7 * (0.3 * 2.0 + 0.7 * 1.0))
    assert found.slow[0] == pytest.approx(0.15 * 4.0 + 0.85 * (0.15 * 2.0 + 0.85 * 1.0))


def test_after_a_raise_the_values_count_as_in_a_mean_until_the_weight_is_more():
    raised = type(STARTED)(STARTED.level, STARTED.slow, STARTED.drift, np.array([9.0]))
    levels = [float(Ewma(0.3).after(raised, seen([1.0] * n)).level[0]) for n in (1, 2, 3)]
    assert levels == pytest.approx([9 / 10, 18 / 19, 27 / 28])
    found = Ewma(0.3).after(raised, seen([1.0, 1.0, 1.0]))
    assert found.uncertainty[0] == 0.0
    late = Ewma(0.3).after(found, seen([2.0]))
    assert late.level[0] == pytest.approx(27 / 28 + 0.3 * (2.0 - 27 / 28))
