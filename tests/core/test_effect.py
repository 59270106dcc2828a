"""A change is effective when it did what was predicted, within the joint 90 % band."""

import numpy as np
import pytest

from control.core.effect import WIDTH_90, Outcome, judge


@pytest.mark.parametrize(("miss", "effective"), [(0.0, True), (0.99, True), (-0.99, True), (1.01, False), (-3, False)])
def test_one_stream_alone_is_judged_by_its_half_width(miss, effective):
    assert judge([Outcome("loading/1", 0.5, 0.5 + miss * 0.2, 0.2)]).effective is effective


def test_nine_of_ten_good_bundles_of_four_are_called_effective():
    noise = np.random.default_rng(7).normal(0, 0.2 / WIDTH_90, (4000, 4))
    judged = [judge([Outcome("x", 0.5, 0.5 + float(miss), 0.2) for miss in row]).effective for row in noise]
    assert np.mean(judged) == pytest.approx(0.9, abs=0.015)


def test_a_bundle_that_did_nothing_is_ineffective():
    assert not judge([Outcome("x", 0.5, 0.0, 0.2) for _ in range(4)]).effective
