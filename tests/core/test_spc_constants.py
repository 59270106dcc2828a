"""The constants of control charts are computed, not typed."""

from __future__ import annotations

from math import pi, sqrt

import pytest

from control.core.spc import constants
from tests.core.cases import case

NAMES = {
    "d2": constants.d2, "d3": constants.d3, "c4": constants.c4, "A": constants.a, "A2": constants.a2,
    "A3": constants.a3, "B3": constants.b3, "B4": constants.b4, "B5": constants.b5, "B6": constants.b6,
    "D1": constants.d_1, "D2": constants.d_2, "D3": constants.d_3, "D4": constants.d_4, "E2": constants.e2,
    "E3": constants.e3,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_is_that_of_the_reference_table_for_2_to_25_values(name):
    table = case("16_constants")["table"]
    for n, value in zip(table["n"], table[name], strict=True):
        assert NAMES[name](n) == pytest.approx(value, rel=1e-6, abs=1e-12), n


def test_the_constants_for_two_values_have_their_closed_form():
    assert constants.d2(2) == pytest.approx(2 / sqrt(pi), rel=1e-12)
    assert constants.d3(2) == pytest.approx(sqrt(2 - 4 / pi), rel=1e-9)
    assert constants.c4(2) == pytest.approx(sqrt(2 / pi), rel=1e-12)


def test_the_standard_deviation_of_very_many_values_needs_no_correction():
    assert constants.c4(1_000_000) == pytest.approx(1.0, abs=1e-6)
