"""Capability: the indices, and how much so few values leave open."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.spc.capability import MOVING_RANGE_EFFICIENCY, Specification, capability, of_percentiles
from tests.core.cases import case

NAMES = {"Cp": "cp", "Cp_k": "cpk", "Cpm": "cpm", "Pp": "pp", "Pp_k": "ppk"}
NAN = float("nan")


@pytest.mark.parametrize("name", ["two_sided_target_mid", "target_off", "off_center_spec"])
def test_the_indices_and_their_intervals_are_those_of_the_reference(name):
    data = case("09_capability_pistonrings")
    expected, values = data["expected"][name], np.array(data["input"]["phase1"]).ravel()
    spec = Specification(expected["spec"][0], expected["target"], expected["spec"][1])
    found = capability(values.mean(), expected["std_dev"], values.std(ddof=1), len(values), spec)
    table = expected["indices"]
    for i, row in enumerate(table["index"]):
        if row in NAMES:
            one = getattr(found, NAMES[row])
            assert (one.value, one.low, one.high) == pytest.approx(
                (table["value"][i], table["lo"][i], table["hi"][i]), rel=5e-4
            ), row


def test_the_handbook_example_from_a_summary():
    told = next(one for one in case("17_nist_handbook")["cases"] if one["id"] == "6.1.6_capability")
    given, expected = told["params"], told["expected"]
    spec = Specification(given["LSL"], 14.0, given["USL"])
    found = capability(given["mean"], given["sigma"], given["sigma"], 50, spec)
    assert found.cp.value == pytest.approx(expected["Cp"], abs=told["tol"])
    assert found.cpk.value == pytest.approx(expected["Cpk"], abs=told["tol"])


def test_with_one_limit_only_the_nearest_side_has_an_index():
    found = capability(10.0, 1.0, 1.2, 100, Specification(NAN, NAN, 13.0))
    assert (found.cp, found.pp, found.cpm) == (None, None, None)
    assert (found.cpk.value, found.ppk.value) == pytest.approx((1.0, 3.0 / 3.6))


def test_without_a_specification_or_a_spread_nothing_is_said():
    for spec, sigma in ((Specification(NAN, NAN, NAN), 1.0), (Specification(9.0, 10.0, 11.0), 0.0)):
        found = capability(10.0, sigma, sigma, 100, spec)
        assert {found.cp, found.cpk, found.pp, found.ppk, found.cpm} == {None}


@pytest.mark.parametrize("name", ["pp", "ppk", "cpm"])
@pytest.mark.parametrize("off", [0.0, 1.0])
def test_an_interval_holds_the_true_index_at_least_as_often_as_it_says(name, off):
    rng, spec = np.random.default_rng(31), Specification(-4.0, 0.0, 4.0)
    true = {"pp": 4 / 3, "ppk": (4 - off) / 3, "cpm": 4 / 3 / np.hypot(1.0, off)}[name]
    values = rng.normal(off, 1.0, (2_000, 40))
    mean, sigma = values.mean(axis=1), values.std(axis=1, ddof=1)
    found = [getattr(capability(m, s, s, 40, spec), name) for m, s in zip(mean, sigma, strict=True)]
    assert np.mean([index.low <= true <= index.high for index in found]) >= 0.93


def test_a_sigma_from_moving_ranges_is_worth_six_tenths_of_its_values():
    rng, spec, d2 = np.random.default_rng(36), Specification(-4.0, 0.0, 4.0), 2 / np.sqrt(np.pi)
    values = rng.normal(0.0, 1.0, (4_000, 200))
    sigma = np.abs(np.diff(values, axis=1)).mean(axis=1) / d2
    held = {}
    for worth in (MOVING_RANGE_EFFICIENCY, 1.0):
        found = [capability(0.0, one, one, 200, spec, within_n=worth * 200).cp for one in sigma]
        held[worth] = np.mean([index.low <= 4 / 3 <= index.high for index in found])
    assert held[MOVING_RANGE_EFFICIENCY] == pytest.approx(0.95, abs=0.015)
    assert held[1.0] < 0.9


def test_the_interval_of_percentiles_holds_the_true_index():
    rng, spec = np.random.default_rng(35), Specification(-4.0, 0.0, 4.0)
    found = [of_percentiles(rng.normal(0.0, 1.0, 5_000), spec, rng).pp for _ in range(300)]
    assert np.mean([index.low <= 4 / 3 <= index.high for index in found]) >= 0.88


def test_percentiles_say_the_same_of_normal_values():
    values, spec = np.random.default_rng(32).normal(0.2, 1.0, 50_000), Specification(-4.0, 0.0, 4.0)
    found = of_percentiles(values, spec, np.random.default_rng(1))
    assert found.pp.value == pytest.approx(8 / 6, rel=0.03)
    assert found.ppk.value == pytest.approx(3.8 / 3, rel=0.03)
    assert found.ppk.low < found.ppk.value < found.ppk.high


def test_a_skewed_stream_is_judged_by_its_own_tail():
    """Of an exponential distribution the percentiles are known: -ln(1 - p)."""
    values, spec = np.random.default_rng(33).exponential(1.0, 50_000), Specification(NAN, NAN, 8.0)
    found = of_percentiles(values, spec, np.random.default_rng(1))
    median, tail = np.log(2.0), -np.log(0.00135)
    assert found.ppk.value == pytest.approx((8.0 - median) / (tail - median), rel=0.05)
    assert capability(1.0, 1.0, 1.0, 50_000, spec).ppk.value > 1.5 * found.ppk.value


def test_a_sample_too_small_for_its_tails_has_no_percentile_index():
    values = np.random.default_rng(34).normal(0.0, 1.0, 999)
    assert of_percentiles(values, Specification(-4.0, 0.0, 4.0), np.random.default_rng(1)) is None
