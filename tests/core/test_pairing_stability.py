"""What pairing is worth: how wrong the assumed gain may be before the loop hunts, by roots and by running it."""

from __future__ import annotations

from math import pi, sin

import pytest

from bench.stability import DOUBLE, PUBLISHED, double, limit, paired, running, unpaired
from control.core.r2r.double_ewma import DoubleEwma
from control.core.r2r.ewma import Ewma


@pytest.mark.parametrize("delay", PUBLISHED)
def test_the_roots_give_the_table_of_delays(delay):
    """2 sin(pi / 42) is .14946; the published .150 is that, rounded up."""
    found = limit(unpaired(1.0, delay), 2.2)
    assert found == pytest.approx(2 * sin(pi / (2 * (2 * delay + 1))), abs=5e-4)
    assert found == pytest.approx(PUBLISHED[delay], abs=6e-4)
    assert limit(paired(1.0, delay), 2.2) == pytest.approx(2.0, abs=5e-4)


@pytest.mark.parametrize("delay", [0, 1, 3, 10])
def test_the_estimator_run_in_a_loop_hunts_at_the_same_gain(delay):
    assert limit(running(Ewma(1.0), delay, paired=False), 2.2) == pytest.approx(PUBLISHED[delay], abs=6e-4)


@pytest.mark.parametrize("delay", [1, 20])
def test_paired_with_the_setting_that_made_it_no_delay_costs_margin(delay):
    assert limit(running(Ewma(1.0), delay, paired=True), 2.2) == pytest.approx(2.0, abs=5e-4)


@pytest.mark.parametrize(("weights", "published"), DOUBLE.items())
def test_the_double_ewma_has_the_limit_of_its_book(weights, published):
    assert limit(double(*weights), 6.0) == pytest.approx(published, abs=5e-3)
    assert limit(running(DoubleEwma(*weights), 0, paired=True), 6.0) == pytest.approx(published, abs=5e-3)
