"""A loop that is told of what happened settles sooner than one that has to find out, and does nothing foolish."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from control.core.loop import Machine, State, run
from control.core.process_events import Event, Kind
from tests.core.tiny_line import RPM, TARGET, TinyLine

AT, AFTER = 200, 130
LOST = 0.012  # share of the flow that a clogged filter takes; no tag shows it
BAND = 0.05  # mg/cm2, the loop's deadband


class Looped:
    """The tiny line, with every proposal of its loop written at once."""

    def __init__(self, machine: Machine, seed: int) -> None:
        self.machine, self.line, self.state = machine, TinyLine(seed, disturbed=False), State()
        self.moves: list[tuple[int, float]] = []

    def step(self, *events: Event) -> None:
        line, second = self.line, self.line.at_s
        line.step()
        trace = line.trace(last=200)
        found = run(self.machine, self.state, trace, trace.at_s == second, line.gauge(second), events)
        self.state = found.state
        for proposal in found.proposals:
            line.setting.update({move.tag: move.to_value for move in proposal.moves})
            self.state = self.state.moved(proposal.loop, proposal.at_s)
            self.moves += [(second - AT, move.delta) for move in proposal.moves if move.tag == "pump"]


def before(machine: Machine, seed: int, kind: Kind) -> Looped:
    looped = Looped(machine, seed)
    if kind is Kind.FILTER_CHANGE:
        looped.line.lost, looped.line.setting["pump"] = LOST, RPM / (1 - LOST)
    for _ in range(AT):
        looped.step()
    return looped


def after(begun: Looped, kind: Kind, told: bool) -> tuple[int, list[tuple[int, float]]]:
    """Seconds until the mean of the lanes is back for good, and each move of the pump (seconds after, rpm)."""
    looped = deepcopy(begun)
    happen(looped.line, kind)
    looped.step(*([Event(kind, float(AT))] if told else []))
    for _ in range(1, AFTER):
        looped.step()
    off = np.convolve(np.mean(looped.line.loading[AT:], axis=1) - TARGET, np.ones(5) / 5, "valid")
    outside = np.flatnonzero(np.abs(off) > BAND)
    return (int(outside[-1]) + 1 if len(outside) else 0), [move for move in looped.moves if move[0] >= 0]


def happen(line: TinyLine, kind: Kind) -> None:
    if kind is Kind.FILTER_CHANGE:
        line.lost = 0.0
    else:
        line.solids *= 1.009


@pytest.mark.parametrize(("kind", "gained_s"), [(Kind.FILTER_CHANGE, 8), (Kind.BATCH_CHANGE, 5)])
def test_a_loop_that_was_told_settles_sooner(machine, kind, gained_s):
    lines = [before(machine, seed, kind) for seed in (51, 52, 53)]
    told, untold = ([after(line, kind, known) for line in lines] for known in (True, False))
    assert np.median([settled for settled, _ in told]) <= np.median([settled for settled, _ in untold]) - gained_s
    for _, moves in told:
        first_s, first = moves[0]
        assert first < 0
        assert first == pytest.approx(-0.01 * RPM, rel=0.5)
        assert kind is Kind.BATCH_CHANGE or first_s > 60  # not before the gauge has seen the new foil
