"""A loop on the tiny line takes out a step by whichever estimator it has, and names the drift that it foretells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control.core.loop import State
from tests.core.tiny_line import LOOP, TinyLine, live
from tests.core.tiny_line import machine as machine_of

CHOICES = {
    "ewma": {"estimator": "ewma"},
    "double_ewma": {"estimator": "double_ewma", "drift_weight": 0.02},
    "kalman": {"estimator": "kalman", "wander_per_m": 0.0111},  # settles at .1 where a value comes every metre
}


def after_a_step(trained, choice, seconds=300, seed=31):
    """The first proposal after 1 % more solids, and the loop's state."""
    watching = machine_of(trained, (replace(LOOP, **choice, deadband=10.0),))
    line, state = TinyLine(seed, disturbed=False), State()
    for second in range(seconds):
        line.solids *= 1.01 if second == seconds - 45 else 1.0
        state = State.from_json(live(line, watching, state).state.to_json())
    found = live(line, machine_of(trained, (replace(LOOP, **choice),)), state)
    return found.proposals[0], found.state.loops["loading"]


@pytest.mark.parametrize("kind", CHOICES)
def test_a_step_is_answered_and_the_parts_add_up_to_the_move(trained, kind):
    proposal, state = after_a_step(trained, CHOICES[kind])
    pump = next(move for move in proposal.moves if move.tag == "pump")
    assert pump.delta == pytest.approx(-0.6, rel=0.2)
    for move in proposal.moves:
        assert sum(part.amount for part in move.contributions) == pytest.approx(move.delta, abs=1e-9)
    drifts = [part.amount for move in proposal.moves for part in move.contributions if part.name == "drift"]
    assert bool(drifts) == bool(state.drift) == (kind == "double_ewma")


def test_a_kalman_filter_of_the_same_steady_weight_finds_what_the_ewma_finds(trained):
    """Predictions that rely on themselves a little less count a little less."""
    (_, ewma), (_, kalman) = (after_a_step(trained, CHOICES[kind]) for kind in ("ewma", "kalman"))
    assert kalman.disturbance == pytest.approx(ewma.disturbance, abs=0.05)
    assert all(0.05 < p < 0.2 for p in kalman.uncertainty)
