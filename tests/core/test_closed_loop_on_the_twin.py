"""The loop on the digital twin of the demo's coater, against its recipe left alone."""

from __future__ import annotations

import pytest

from tests.core import twin_loop
from tests.trials import seeds

JOINED_S = 900  # before anything happens in the shift
SECONDS = 1_500


@pytest.fixture(scope="module")
def coater():
    return twin_loop.machine(twin_loop.trained(3_600))


@pytest.mark.parametrize("seed", seeds([21], more=4))
def test_the_loop_beats_the_fixed_recipe_on_the_twin(coater, seed, capsys):
    fixed = twin_loop.shift(seed, JOINED_S)
    for _ in range(SECONDS):
        fixed.step()
    looped = twin_loop.shift(seed, JOINED_S)
    changes = twin_loop.controlled(looped, coater, SECONDS)
    (sigma_0, cpk_0), (sigma_1, cpk_1) = twin_loop.figures(fixed), twin_loop.figures(looped)
    with capsys.disabled():
        print(
            f"\nseed {seed}: sigma {sigma_0:.4f} -> {sigma_1:.4f} mg/cm2, lowest Cpk {cpk_0:.2f} -> {cpk_1:.2f}",
            end=" ",
        )
        print(f"with {len(changes)} changes in {SECONDS} s")
    assert changes
    assert sigma_1 < 0.5 * sigma_0
    assert cpk_1 > 1.3 * cpk_0
