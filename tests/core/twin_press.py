"""The demo's press under the loops of its plant file, on the twin, one pass a second and nothing between them.

The coater before it is left alone. Its loading of the metre in the nip is known as its model would tell it: a
thousandth off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from control.core.exchange import Scan, WriteCommand
from control.core.loop import Actuator, LoopConfig, Machine, Pass, State, StreamConfig, run
from control.core.r2r.feedforward import FeedForward
from control.core.r2r.schedule import Compaction
from control.core.twin.line import Line
from control.core.twin.scenario import Scenario
from control.core.types import FloatArray, IntArray, Measured, Trace
from control.core.vm.estimator import Estimator
from control.core.vm.training import Recipe, Trained, train
from tests.core.twins import LINES, START, noisy_line, table

OFF = 0.001
FED = tuple(f"coater:loading/{lane}-{side}" for side in ("top", "bottom") for lane in (1, 2, 3, 4))


class PressPlant:
    """The press of one line as its plant file describes it."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.told = next(one for one in table(f"plants/{LINES[line]}.toml")["equipment"] if one["key"] == "press")
        self.tags = tuple(tag["key"] for tag in self.told["tags"])
        self.streams = tuple(
            StreamConfig(f"{kind['key']}/{lane['number']}", kind["lower"], kind["target"], kind["upper"])
            for lane in self.told["lanes"]
            for kind in self.told["characteristics"]
            if not kind.get("counted")
        )
        self.keys = tuple(stream.key for stream in self.streams)

    def loop(self, told: dict) -> LoopConfig:
        tags = {tag["key"]: tag for tag in self.told["tags"]}
        limits = ("machine_low", "machine_high", "max_step", "set_point", "deadband")
        mvs = tuple(Actuator(key, *(float(tags[key][name]) for name in limits)) for key in told["mvs"])
        targets = tuple(next(one.target for one in self.streams if one.key == cv) for cv in told["cvs"])
        nominal = {mv.tag: mv.nominal for mv in mvs}
        curve = Compaction.of(self.told["physics"], told["cvs"], targets, nominal) if "gain_schedule" in told else None
        return LoopConfig(
            key=told["key"],
            cvs=tuple(told["cvs"]),
            targets=targets,
            mvs=mvs,
            gains=tuple(map(tuple, told["gains"])),
            deadband=told["deadband"],
            dead_time_m=told["dead_time_m"],
            ewma_weight=told["ewma_weight"],
            cross_direction=tuple(told.get("cross_direction", ())),
            schedule=curve,
            feed_forward=tuple(self._fed(one) for one in told.get("feed_forward", ())),
        )

    def _fed(self, told: dict) -> FeedForward:
        rows = tuple(
            tuple(gain if tag.removeprefix("coater:") in lane else 0.0 for tag in FED)
            for lane, gain in zip(told["streams"], told["gains"], strict=True)
        )
        return FeedForward("coater:loading", FED, rows)

    @property
    def loops(self) -> tuple[LoopConfig, ...]:
        return tuple(map(self.loop, self.told["loop"]))

    def learned(self, record: PressRecord) -> Trained:
        """Estimators from everything recorded."""
        gains: dict[str, dict[str, float]] = {}
        for loop in self.loops:
            for cv, row in zip(loop.cvs, loop.gains, strict=True):
                gains.setdefault(cv, {}).update(zip((mv.tag for mv in loop.mvs), row, strict=True))
        inputs = tuple(tag["key"] for tag in self.told["tags"] if tag["kind"] != "status")
        recipe = Recipe(inputs, physics=self.told["physics"], gains=gains)
        trace = record.trace()
        trace = replace(trace, values=trace.values[:, : len(self.tags)])
        return train(self.tags, self.streams, trace, record.measured(record.scans), recipe)

    def machine(self, trained: Trained, loops: Sequence[LoopConfig] | None = None) -> Machine:
        tags = (*self.tags, *FED)
        estimator = Estimator.load(list(trained.contents.values()), self.tags, self.keys)
        return Machine("press", tags, self.streams, estimator, self.loops if loops is None else tuple(loops))


class PressRecord:
    """Scans of the press with the loading that came in, and (thickness, density) that really left the nip."""

    def __init__(self, plant: PressPlant, scenario: Scenario, seed: int) -> None:
        self.plant, self.line = plant, noisy_line(scenario, seed, plant.line)
        self.rng = np.random.default_rng(seed)
        self.scans: list[Scan] = []
        self.values: list[FloatArray] = []
        self.quality: list[IntArray] = []
        self.made: list[FloatArray] = []

    def step(self) -> Scan:
        line: Line = self.line
        scan = line.step(1.0, START + len(self.scans))[1]
        at_m = line.encoder_m - line.press_station.offset_m
        self.scans.append(scan)
        loading = line.coater_station.foil.at(at_m).ravel()
        incoming = loading * (1 + self.rng.normal(0, OFF, loading.shape))
        self.values.append(np.concatenate([np.array(scan.values, float), incoming]))  # what is missing is NaN
        self.quality.append(np.concatenate([np.array(scan.quality, np.int64), np.zeros(len(FED), np.int64)]))
        self.made.append(line.press_station.foil.at(at_m))
        return scan

    def by_hand(self, seconds: int) -> None:
        """Run while people move force and tilt now and then."""
        for second in range(seconds):
            self.step()
            if second % 300 == 200:
                moves = {
                    mv.tag: float(np.clip(mv.nominal + self.rng.normal(0, 1.5 * mv.max_step), mv.low, mv.high))
                    for loop in self.plant.loops
                    for mv in loop.mvs
                }
                self.line.write("press", WriteCommand(f"hand-{second}", 1, moves), START + second)

    def controlled(self, on: Machine, seconds: int) -> list[Pass]:
        """Run with every proposal written at once; the passes that proposed something."""
        state, passes = State(), []
        for second in range(seconds):
            scan = self.step()
            trace = self.trace(last=60)
            found = run(on, state, trace, trace.at_s == scan.at, self.measured([scan]))
            state = found.state
            for proposal in found.proposals:
                values = {move.tag: move.to_value for move in proposal.moves}
                ack = self.line.write("press", WriteCommand(f"{proposal.loop}-{second}", 1, values), scan.at)
                assert ack.accepted, ack
                state = state.moved(proposal.loop, scan.at)
            if found.proposals:
                passes.append(found)
        return passes

    def trace(self, last: int | None = None) -> Trace:
        first = 0 if last is None else max(0, len(self.scans) - last)
        scans = self.scans[first:]
        return Trace(
            at_s=np.array([scan.at for scan in scans]),
            roll=np.array([scan.roll for scan in scans], np.int64),
            web_m=np.array([scan.web_m for scan in scans]),
            values=np.array(self.values[first:]),
            quality=np.array(self.quality[first:]),
        )

    def measured(self, scans: list[Scan]) -> Measured:
        keys = self.plant.keys
        pieces = [piece for scan in scans for piece in scan.measurements if piece.stream in keys]
        return Measured(
            at_s=np.array([piece.taken_at for piece in pieces], float),
            roll=np.array([piece.roll for piece in pieces], np.int64),
            web_m=np.array([piece.web_m for piece in pieces], float),
            stream=np.array([keys.index(piece.stream) for piece in pieces], np.int64),
            value=np.array([np.nan if piece.value is None else piece.value for piece in pieces], float),
            quality=np.array([int(piece.quality) for piece in pieces], np.int64),
            by=np.array([int(piece.by) for piece in pieces], np.int64),
        )
