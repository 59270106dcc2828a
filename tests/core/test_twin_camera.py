"""The camera of the twin: a count for every stretch of each lane, none over the end of a roll, and a line as it was."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.spc import counts
from control.core.twin.camera import Camera
from control.core.twin.parameters import CameraParameters

PARAMETERS = CameraParameters(distance_m=14.0, every_m=250.0, lane_width_m=0.3, per_m2=0.15, spread_rel=0.5)
ROLL_M = 600.0


def locate(position_m: float) -> tuple[int, float]:
    return 7 + int(position_m // ROLL_M), position_m % ROLL_M


def camera(seed: int = 3) -> Camera:
    return Camera(PARAMETERS, ["surface_flaws/1", "surface_flaws/2"], np.random.default_rng(seed))


def pieces(one: Camera, start_m: int, end_m: int) -> list:
    return [piece for at_m in range(start_m, end_m) for piece in one.read(at_m + 14.0, float(at_m), locate)]


def test_each_stretch_of_each_lane_is_counted_once_and_ends_with_its_roll():
    told = pieces(camera(), 0, 1_300)
    assert [(p.stream[-1], p.roll, round(p.web_m)) for p in told[::2]] == [
        ("1", 7, 250), ("1", 7, 500), ("1", 7, 599), ("1", 8, 250), ("1", 8, 500), ("1", 8, 599)
    ]  # fmt: skip
    assert [p.n for p in told[::2]] == pytest.approx([75.0, 75.0, 29.7, 75.0, 75.0, 29.7])
    assert all(p.value == int(p.value) >= 0 for p in told)


def test_a_camera_that_was_saved_goes_on_as_if_it_had_not_been():
    whole, first, second = camera(), camera(), camera(seed=4)
    expected = pieces(whole, 0, 900)
    told = pieces(first, 0, 400)
    second.load(first.to_json())
    assert told + pieces(second, 400, 900) == expected


def test_what_it_counts_differs_by_more_than_chance():
    told = [piece for piece in pieces(camera(), 0, 40_000) if piece.stream.endswith("1")]
    rates, sizes = (np.array(column) for column in zip(*((p.value / p.n, p.n) for p in told), strict=True))
    found = counts.phase_one(rates, sizes, counts.KINDS["u"])
    assert found.overdispersed
    assert found.mean == pytest.approx(PARAMETERS.per_m2, rel=0.1)
