"""The published factory-wide simulation: its figures come out, and what makes a VM fit to drive its loop."""

from __future__ import annotations

import numpy as np
import pytest

from bench.factory_wide import A, fit, simulate, training

SEEDS = range(12)


def median_mse(feedback, vm_of=lambda seed: None):
    return np.median([simulate(seed, feedback, vm_of(seed)).mse for seed in SEEDS], axis=0)


@pytest.mark.parametrize(
    ("feedback", "published"), [("none", (297, 0.48)), ("lot", (1.5, 1.2)), ("every", (1.05, 1.21))]
)
def test_the_published_errors_without_a_vm_come_out(feedback, published):
    assert median_mse(feedback) == pytest.approx(published, rel=0.2)


def test_a_vm_of_seven_components_comes_near_the_noise():
    assert median_mse("lot", lambda seed: fit(training(seed), 7)) == pytest.approx((0.78, 0.57), rel=0.1)


def test_a_vm_with_too_few_components_runs_away_exactly_where_an_error_grows_from_lot_to_lot():
    vms = [fit(training(seed), 6) for seed in SEEDS]
    worst = np.array([simulate(seed, "lot", vm, runs=2000).mse.max() for seed, vm in zip(SEEDS, vms, strict=True)])
    grows = np.array([vm.growth > 1 for vm in vms])
    assert grows.any()
    assert (~grows).any()
    assert ((worst > 1e3) == grows).all()


def test_a_vm_whose_gain_comes_from_physics_cannot_run_away():
    for seed in SEEDS:
        vm = fit(training(seed), 5, gain_imposed=True)
        assert vm.gain == pytest.approx(A)
        assert vm.growth < 1e-2
        assert simulate(seed, "lot", vm).mse.max() < 1.3
