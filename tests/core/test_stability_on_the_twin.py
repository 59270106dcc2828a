"""A loop that lives on the twin's gauge and assumes far too small a gain is warned of before it has come to hunt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core.exchange import WriteCommand
from control.core.pairing import rows_at
from control.core.r2r import stability
from control.core.r2r.allocation import allocate
from control.core.r2r.disturbance import Belief, Seen
from control.core.r2r.gain_error import GainError
from control.core.r2r.stability import Concern, Made
from tests.core import twin_loop
from tests.trials import seeds

LOOK_S, MOVE_S, WINDOW_S = 10, 200, 300
TO_GAUGE_S = 60  # 60 m at 60 m/min
METRES_A_VALUE = 16.0
TARGET = twin_loop.LOADING["target"]


class Loop:
    """The first loop of the demo's coater with gains ``xi`` times too small, fed by the gauge alone."""

    def __init__(self, seed: int, xi: float) -> None:
        usual = twin_loop.loops()[0]
        gains = tuple(tuple(g / xi for g in row) for row in usual.gains)
        self.config = replace(usual, gains=gains, ewma_weight=0.3, nominal_weight=0.0)
        self.record, self.known, self.looked, self.acts = twin_loop.shift(seed), GainError(), 0, False
        streams = len(self.config.cvs)
        nothing = np.full(streams, np.nan)
        self.belief = Belief(nothing, nothing, np.zeros(streams), np.zeros(streams))
        self.columns = [twin_loop.TAGS.index(mv.tag) for mv in self.config.mvs]
        self.place = {twin_loop.KEYS.index(cv): k for k, cv in enumerate(self.config.cvs)}

    def run(self, seconds: int) -> Concern:
        """Look at what was measured every ten seconds, and move what the estimate asks for every few minutes."""
        for _ in range(seconds):
            self.record.step()
            second = len(self.record.scans)
            if second % LOOK_S == 0:
                self.look()
            if second % MOVE_S == 0 and self.acts:
                self.move()
        limit = self.config.largest_gain_ratio(METRES_A_VALUE)
        return stability.of(self.known, limit, float("nan"), 0.0).concern

    def look(self) -> None:
        measured = twin_loop.measured(self.record.scans[self.looked :])
        self.looked, trace = len(self.record.scans), self.record.trace(last=300)
        row = rows_at(trace, measured.roll, measured.web_m).row
        mine = (row >= 0) & (measured.quality == 0) & np.isin(measured.stream, list(self.place))
        order = np.flatnonzero(mine)[np.argsort(row[mine], kind="stable")]
        cv = np.array([self.place[stream] for stream in measured.stream[order].tolist()], np.int64)
        settings, value = trace.values[:, self.columns], measured.value[order]
        self.known = stability.learned(self.known, self.config, trace.at_s, settings, Made(row[order], cv, value))
        seen = np.full((len(order), len(self.place)), np.nan)
        seen[np.arange(len(order)), cv] = value - self.config.effect(settings[row[order]])[np.arange(len(order)), cv]
        seen = Seen(seen, np.ones(len(order)), np.ones(seen.shape))
        self.belief = self.config.disturbance.after(self.belief, seen)

    def move(self) -> None:
        now = self.settings()
        stands = self.belief.ahead + self.config.effect(now[None, :])[0]
        if np.isfinite(stands).all() and np.abs(stands - TARGET).max() > self.config.deadband:
            self.write({move.tag: move.to_value for move in allocate(self.config, now, stands).moves})

    def settings(self) -> np.ndarray:
        return np.array([self.record.scans[-1].values[column] for column in self.columns], float)

    def write(self, values: dict[str, float]) -> None:
        at_s = self.record.scans[-1].at
        assert self.record.line.write("coater", WriteCommand(f"{at_s}", 1, values), at_s).accepted

    def mean_square(self) -> float:
        """Of the lanes of this loop off their target, over the foil that came to the gauge in the last minutes."""
        lanes = np.array(self.record.made[-WINDOW_S - TO_GAUGE_S : -TO_GAUGE_S])[:, list(self.place)]
        return float(np.mean((lanes - TARGET) ** 2))


def switched_on(seed: int, xi: float) -> Loop:
    """A line that has stood .6 % off its target for a while, and a loop that is now let act."""
    loop = Loop(seed, xi)
    loop.run(LOOK_S)
    loop.write({"pump_top": 1.006 * loop.settings()[0]})
    loop.run(2 * WINDOW_S)
    loop.acts = True
    return loop


@pytest.mark.parametrize("seed", seeds([21, 22], more=10))
def test_far_too_small_a_gain_is_warned_of_before_the_variance_has_doubled(seed, capsys):
    loop = switched_on(seed, xi=2.6)
    before, warned, doubled = loop.mean_square(), None, None
    for passed in range(LOOK_S, 1_200, LOOK_S):
        concern = loop.run(LOOK_S)
        warned = warned or (passed if concern is Concern.TOO_STRONG else None)
        doubled = doubled or (passed if loop.mean_square() > 2 * before else None)
    with capsys.disabled():
        print(f"\nseed {seed}: warned after {warned} s, variance doubled after {doubled} s", end=" ")
        print(f"xi = {loop.known.ratio:.2f} +- {loop.known.half_width:.2f} of 2.6")
    assert warned is not None
    assert doubled is not None
    assert warned < doubled
    assert loop.known.ratio == pytest.approx(2.6, abs=0.4)


def test_of_the_right_gain_nobody_is_warned():
    loop = switched_on(24, xi=1.0)
    assert {loop.run(LOOK_S) for _ in range(120)} == {Concern.NONE}
    assert loop.known.moved > 0
    assert loop.known.ratio == pytest.approx(1.0, abs=0.4)
