"""A coater of four lanes small enough to read: a pump for all lanes, a bolt for each, a gauge 60 m behind the die.

Loading follows the mass balance. The tags show solids, density and speed with a little noise; flow lost in the pump
and the drift of each lane show in no tag, only on the gauge. One second a step, one metre a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from control.core.loop import Actuator, ChartConfig, LoopConfig, Machine, Pass, State, StreamConfig, run
from control.core.types import Measured, MeasuredBy, Trace
from control.core.vm.estimator import Estimator
from control.core.vm.training import Recipe, Trained, train

LANES = 4
BOLTS = tuple(f"bolt_{lane + 1}" for lane in range(LANES))
TAGS = ("pump", "solids", "density", "speed", *BOLTS, "room")
TARGET = 20.0
RPM = 60.0
GAUGE_M = 60.0
GAUGE_SIGMA = 0.04
SPEED, WIDTH_MM, SOLIDS, DENSITY = 60.0, 800.0, 70.0, 2.1
FLOW = TARGET * (WIDTH_MM / 1000) * SPEED / (0.1 * DENSITY * SOLIDS / 100 * RPM)
PHYSICS = {
    "kind": "mass_balance",
    "density": "density",
    "solids": "solids",
    "speed": "speed",
    "flow_ml_per_rpm": FLOW,
    "width_mm": WIDTH_MM,
    "flow": {"both": "pump"},
}


def bolt_gains() -> np.ndarray:
    lane = np.arange(LANES)
    reach = 0.03 * np.exp(-((np.abs(lane[:, None] - lane) / 1.2) ** 2))
    return reach - reach.mean(axis=0)


BOLT_GAINS = bolt_gains()
STREAMS = tuple(
    StreamConfig(
        f"loading/{lane + 1}",
        lower=TARGET * 0.985,
        target=TARGET,
        upper=TARGET * 1.015,
        chart=ChartConfig(TARGET, 0.08),
        bias_weight=0.3,
    )
    for lane in range(LANES)
)
LOOP = LoopConfig(
    key="loading",
    cvs=tuple(stream.key for stream in STREAMS),
    targets=(TARGET,) * LANES,
    mvs=(Actuator("pump", 40, 80, 1.0, RPM, 0.01), *(Actuator(bolt, -50, 50, 10, 0, 0.1) for bolt in BOLTS)),
    gains=tuple((TARGET / RPM, *row) for row in BOLT_GAINS.tolist()),
    deadband=0.05,
    dead_time_m=GAUGE_M,
    sum_zero=BOLTS,
    ewma_weight=0.1,
)


@dataclass
class TinyLine:
    """The plant and its record. ``loading`` holds the true loading of every metre made, one row a second."""

    seed: int
    disturbed: bool = True
    excited: bool = False
    setting: dict[str, float] = field(default_factory=lambda: {"pump": RPM, **dict.fromkeys(BOLTS, 0.0)})
    at_s: int = 0
    web_m: float = 0.0
    roll: int = 1
    stopped: bool = False
    rows: list[list[float]] = field(default_factory=list)
    webs: list[float] = field(default_factory=list)
    rolls: list[int] = field(default_factory=list)
    loading: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.solids, self.lost, self.drift = SOLIDS, 0.0, np.zeros(LANES)

    def step(self) -> None:
        rng = self.rng
        if self.disturbed:
            if self.at_s % 900 == 600:
                self.solids = SOLIDS * (1 + rng.normal(0, 0.007))
            self.lost += rng.normal(3e-6, 3e-5)
            self.drift += rng.normal(0, 4e-5, LANES)
            self.drift -= self.drift.mean()
        if self.excited and self.at_s % 200 == 100:
            self.setting["pump"] = RPM * (1 + rng.normal(0, 0.01))
        self.web_m += 0.0 if self.stopped else 1.0
        bolts = [float(self.setting[bolt]) for bolt in BOLTS]
        flow = FLOW * self.setting["pump"] * (1 - self.lost)
        mean = 0.1 * DENSITY * self.solids / 100 * flow / (WIDTH_MM / 1000 * SPEED)
        self.loading.append(mean * (1 + self.drift) + BOLT_GAINS @ bolts + rng.normal(0, 0.01, LANES))
        seen = [self.setting["pump"], self.solids + rng.normal(0, 0.02), DENSITY + rng.normal(0, 4e-4)]
        seen += [0.0 if self.stopped else SPEED + rng.normal(0, 0.02), *bolts, 23 + rng.normal(0, 0.5)]
        self.rows.append(seen)
        self.webs.append(self.web_m)
        self.rolls.append(self.roll)
        self.at_s += 1

    def trace(self, last: int | None = None) -> Trace:
        first = 0 if last is None else max(self.at_s - last, 0)
        values = np.array(self.rows[first:])
        return Trace(
            at_s=np.arange(first, self.at_s, dtype=float),
            roll=np.array(self.rolls[first:], np.int64),
            web_m=np.array(self.webs[first:]),
            values=values,
            quality=np.zeros(values.shape, np.int64),
        )

    def gauge(self, at_s: int, sigma: float = GAUGE_SIGMA) -> Measured:
        """One lane a second, of the piece 60 m behind the die."""
        metre = self.webs[at_s] - GAUGE_M
        if metre < 1 or self.stopped or self.rolls[at_s] != 1:
            return Measured.none()
        lane, made_at = at_s % LANES, int(np.searchsorted(self.webs[: at_s + 1], metre))
        value = float(self.loading[made_at][lane] + self.rng.normal(0, sigma))
        return measured([(float(at_s), 1, metre, lane, value)])


def measured(values: list[tuple[float, int, float, int, float]], by: MeasuredBy = MeasuredBy.GAUGE) -> Measured:
    """From (at_s, roll, web_m, stream, value)."""
    at_s, roll, web_m, stream, value = (np.array(column) for column in zip(*values, strict=True))
    return Measured(
        at_s=at_s.astype(float),
        roll=roll.astype(np.int64),
        web_m=web_m.astype(float),
        stream=stream.astype(np.int64),
        value=value.astype(float),
        quality=np.zeros(len(values), np.int64),
        by=np.full(len(values), int(by)),
    )


def joined(parts: list[Measured]) -> Measured:
    names = ("at_s", "roll", "web_m", "stream", "value", "quality", "by")
    return Measured(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def recipe() -> Recipe:
    gains = {cv: dict(zip(("pump", *BOLTS), row, strict=True)) for cv, row in zip(LOOP.cvs, LOOP.gains, strict=True)}
    return Recipe(inputs=TAGS, window_s=8.0, physics=PHYSICS, gains=gains)


def history(seconds: int = 5_000, seed: int = 1) -> tuple[Trace, Measured]:
    line = TinyLine(seed, excited=True)
    for _ in range(seconds):
        line.step()
    return line.trace(), joined([line.gauge(at_s) for at_s in range(seconds)])


def trained() -> Trained:
    trace, labels = history()
    return train(TAGS, STREAMS, trace, labels, recipe())


def machine(estimators: Trained | None, loops: tuple[LoopConfig, ...] = (LOOP,)) -> Machine:
    contents = list(estimators.contents.values()) if estimators else []
    keys = [stream.key for stream in STREAMS]
    return Machine("coater", TAGS, STREAMS, Estimator.load(contents, TAGS, keys), loops)


def live(line: TinyLine, on: Machine, state: State, apply: bool = False, gauge: Measured | None = None) -> Pass:
    """One second of the line and one pass over it; ``apply`` writes what is proposed at once."""
    line.step()
    trace = line.trace(last=200)
    new = trace.at_s == line.at_s - 1
    found = run(on, state, trace, new, line.gauge(line.at_s - 1) if gauge is None else gauge)
    if apply:
        for proposal in found.proposals:
            line.setting.update({move.tag: move.to_value for move in proposal.moves})
    return found
