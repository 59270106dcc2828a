"""Phase II: what a roll is believed to be once some of its metres were measured."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.vm.dual_phase import Phase, second

FIRST = Phase(20.0, 19.8, 20.2, 2000)


def test_the_mean_is_shifted_by_how_far_the_measured_metres_were_off():
    assert second(FIRST, np.array([0.1, 0.2, 0.3])).mean == pytest.approx(20.2)
    assert FIRST.mean == 20.0


@pytest.mark.parametrize(("n", "half"), [(1, 0.2), (4, 0.1)])
def test_of_a_few_samples_the_scatter_is_that_of_a_single_prediction(n, half):
    phase = second(FIRST, np.full(n, 0.05))
    assert phase.high - phase.mean == pytest.approx(half)
    assert phase.n == n


@pytest.mark.parametrize("phi", [0.0, 0.7])
def test_nine_of_ten_rolls_lie_inside_also_where_neighbours_tell_the_same(phi):
    """The error's true mean is 0.03; AR(1) scatter about it."""
    rng, inside = np.random.default_rng(3), 0
    for _ in range(400):
        error, last = np.empty(150), 0.0
        for i, shock in enumerate(rng.normal(0, 0.1, 150)):
            last = phi * last + shock
            error[i] = 0.03 + last
        phase = second(FIRST, error)
        inside += phase.low <= 20.03 <= phase.high
    assert abs(inside / 400 - 0.90) < 0.045
