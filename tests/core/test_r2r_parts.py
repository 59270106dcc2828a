"""Moves that could have been solved for by themselves are told as parts of the answer."""

from dataclasses import replace

import numpy as np
import pytest

from control.core.r2r.allocation import allocate
from control.core.r2r.parts import parts
from tests.core.test_r2r_allocation import BOLTS, LANES, NOW, asked, coater, press


def part_of(loop, now, off):
    found, _ = asked(loop, now, off)
    return {move.tag: move.part for move in found.moves}


def test_a_pump_and_the_bolts_are_two_parts():
    assert part_of(coater(), NOW, np.full(LANES, 0.2)) == {"pump": 0, **dict.fromkeys(BOLTS, 1)}


def test_the_force_of_a_press_and_its_tilt_are_two_parts():
    assert part_of(press(), [650.0, 0.0], np.full(LANES, 0.02)) == {"force": 0, "tilt": 1}


def test_parameters_that_share_streams_are_one_part():
    loop = press(cross_direction=(), gains=tuple((0.00096, 0.001 * x) for x in (1.0, 0.5, 0.2, 0.0)))
    assert set(part_of(loop, [650.0, 0.0], np.full(LANES, 0.02)).values()) == {0}


def test_a_part_alone_is_what_it_would_be_solved_alone_even_at_a_limit():
    loop, off = coater(), np.array([0.9, 0.7, 0.5, 0.7])  # more than the pump may do in one step
    whole = {move.tag: move for move in asked(loop, NOW, off)[0].moves}
    for part in (0, 1):
        kept = [tag for tag, move in whole.items() if move.part == part]
        index = [j for j, mv in enumerate(loop.mvs) if mv.tag in kept]
        alone = replace(
            loop,
            mvs=tuple(loop.mvs[j] for j in index),
            gains=tuple(tuple(row[j] for j in index) for row in loop.gains),
            sum_zero=loop.sum_zero if set(loop.sum_zero) <= set(kept) else (),
            cross_direction=(),
        )
        deviation = off if part else np.full(LANES, off.mean())
        found = allocate(alone, NOW[index], np.array(loop.targets) + deviation)
        for move in found.moves:
            assert move.delta == pytest.approx(whole[move.tag].delta, abs=1e-6)


@pytest.mark.parametrize(
    ("hessian", "rows", "expected"),
    [
        (np.eye(3), np.zeros((0, 3)), (0, 1, 2)),
        (np.array([[1.0, 0, 0.5], [0, 1, 0], [0.5, 0, 1]]), np.zeros((0, 3)), (0, 1, 0)),
        (np.eye(3), np.array([[0.0, 1.0, -1.0]]), (0, 1, 1)),
        (np.array([[1.0, 1e-14], [1e-14, 1.0]]), np.zeros((0, 2)), (0, 1)),
    ],
)
def test_what_the_hessian_or_a_constraint_joins_goes_together(hessian, rows, expected):
    assert parts(hessian, rows) == expected
