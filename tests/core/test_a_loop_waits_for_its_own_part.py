"""A loop waits until what it can answer has settled; what it cannot answer may move meanwhile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core.loop import Pass, State
from control.core.policy import Reason
from tests.core.tiny_line import BOLTS, LANES, LOOP, TinyLine, bolt_gains, live
from tests.core.tiny_line import machine as machine_of

SLOPE = np.linspace(-1.0, 1.0, LANES)  # of the lanes; the bolts answer it and leave the mean as it is
BOLTS_ALONE = replace(
    LOOP,
    key="profile",
    mvs=tuple(mv for mv in LOOP.mvs if mv.tag in BOLTS),
    gains=tuple(map(tuple, bolt_gains().tolist())),
)


def told(trained, mean: float, slope: float) -> Pass:
    """What the bolts' loop says when, on a line with a slope, ``mean`` or ``slope`` (a share of it) moved just now."""
    line, state = TinyLine(31, disturbed=False), State()
    line.drift = 0.01 * SLOPE
    watching, speaking = (machine_of(trained, (replace(BOLTS_ALONE, deadband=d),)) for d in (10.0, 0.05))
    for second in range(400):
        if second == 390:
            state = moved(state, mean + slope * SLOPE)
        state = live(line, watching, state).state
    return live(line, speaking, state)


def moved(state: State, by: np.ndarray) -> State:
    """The state of a loop whose level has run off by so much from the slower one (mg/cm2)."""
    held = state.loops["profile"]
    level = tuple((np.array(held.disturbance) + by).tolist())
    return replace(state, loops={"profile": replace(held, disturbance=level)})


@pytest.mark.parametrize("mean", [0.3, -0.3])
def test_bolts_even_out_a_slope_while_the_mean_of_the_lanes_moves(trained, mean):
    found = told(trained, mean, 0.0)
    assert [proposal.loop for proposal in found.proposals] == ["profile"]


def test_bolts_wait_while_the_slope_itself_moves(trained):
    assert [note.reason for note in told(trained, 0.0, 0.4).notes] == [Reason.SETTLING]
