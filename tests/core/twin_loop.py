"""The demo's coater under the loop: plant file, twin and one pass a second, nothing between them."""

from __future__ import annotations

import numpy as np

from control.core.exchange import Scan, WriteCommand
from control.core.loop import Actuator, LoopConfig, Machine, Pass, State, StreamConfig, run
from control.core.twin.line import Line
from control.core.twin.scenario import Scenario
from control.core.types import Measured, Trace
from control.core.vm.estimator import Estimator
from control.core.vm.training import Recipe, Trained, train
from tests.core.twins import START, noisy_line, table

COATER = next(item for item in table("plants/cathode.toml")["equipment"] if item["key"] == "coater")
TAGS = tuple(tag["key"] for tag in COATER["tags"])
LOADING = COATER["characteristics"][0]
STREAMS = tuple(
    StreamConfig(
        f"loading/{lane['number']}-{lane['side']}",
        LOADING["lower"],
        LOADING["target"],
        LOADING["upper"],
        bias_weight=0.3,
    )
    for lane in COATER["lanes"]
)
INPUTS = tuple(tag["key"] for tag in COATER["tags"] if tag["kind"] != "status")
KEYS = tuple(stream.key for stream in STREAMS)


def loops() -> tuple[LoopConfig, ...]:
    tags = {tag["key"]: tag for tag in COATER["tags"]}
    return tuple(
        LoopConfig(
            key=item["key"],
            cvs=tuple(item["cvs"]),
            targets=(LOADING["target"],) * len(item["cvs"]),
            mvs=tuple(
                Actuator(
                    key, *(tags[key][k] for k in ("machine_low", "machine_high", "max_step", "set_point", "deadband"))
                )
                for key in item["mvs"]
            ),
            gains=tuple(tuple(row) for row in item["gains"]),
            deadband=item["deadband"],
            dead_time_m=item["dead_time_m"],
            sum_zero=tuple(item["sum_zero"]),
            ewma_weight=item["ewma_weight"],
        )
        for item in COATER["loop"]
    )


class Record:
    """Scans of the coater as arrays, and the loading that really left the dies."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.scans: list[Scan] = []
        self.values: list[np.ndarray] = []
        self.quality: list[np.ndarray] = []
        self.made: list[np.ndarray] = []

    def step(self) -> Scan:
        scan = self.line.step(1.0, START + len(self.scans))[0]
        self.scans.append(scan)
        self.values.append(np.array(scan.values, float))  # what is missing is NaN
        self.quality.append(np.array(scan.quality, np.int64))
        self.made.append(self.line.coater_station.foil.at(self.line.encoder_m).ravel())
        return scan

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


def measured(scans: list[Scan]) -> Measured:
    pieces = [piece for scan in scans for piece in scan.measurements if piece.stream in KEYS]
    return Measured(
        at_s=np.array([piece.taken_at for piece in pieces], float),
        roll=np.array([piece.roll for piece in pieces], np.int64),
        web_m=np.array([piece.web_m for piece in pieces], float),
        stream=np.array([KEYS.index(piece.stream) for piece in pieces], np.int64),
        value=np.array([np.nan if piece.value is None else piece.value for piece in pieces], float),
        quality=np.array([int(piece.quality) for piece in pieces], np.int64),
        by=np.array([int(piece.by) for piece in pieces], np.int64),
    )


def shift(seed: int, joined_s: float = 0.0) -> Record:
    """The line from so many seconds into the shift."""
    told = table("scenarios/shift.toml")
    told["event"] = [event | {"at_s": event["at_s"] - joined_s} for event in told["event"]]
    return Record(noisy_line(Scenario.from_dict(told), seed=seed))


def trained(seconds: int = 7_200, seed: int = 1) -> Trained:
    """From the first hours of a shift, two unless told."""
    record, rng = shift(seed), np.random.default_rng(seed)
    by_hand(record, seconds, rng)
    return learned(record)


def by_hand(record: Record, seconds: int, rng: np.random.Generator) -> None:
    """Run the line while people move the pumps by a percent now and then, as they do."""
    for second in range(seconds):
        record.step()
        if second % 400 == 200:
            moves = {f"pump_{side}": float(62 * (1 + rng.normal(0, 0.01))) for side in ("top", "bottom")}
            record.line.write("coater", WriteCommand(f"hand-{second}", 1, moves), START + second)


def learned(record: Record) -> Trained:
    gains = {
        cv: dict(zip((mv.tag for mv in loop.mvs), row, strict=True))
        for loop in loops()
        for cv, row in zip(loop.cvs, loop.gains, strict=True)
    }
    recipe = Recipe(INPUTS, 20.0, COATER["physics"], gains)
    return train(TAGS, STREAMS, record.trace(), measured(record.scans), recipe)


def machine(estimators: Trained) -> Machine:
    estimator = Estimator.load(list(estimators.contents.values()), TAGS, KEYS)
    return Machine("coater", TAGS, STREAMS, estimator, loops())


def controlled(record: Record, on: Machine, seconds: int) -> list[Pass]:
    """Run the line with every proposal written at once."""
    state, passes = State(), []
    for second in range(seconds):
        scan = record.step()
        trace = record.trace(last=150)
        found = run(on, state, trace, trace.at_s == scan.at, measured([scan]))
        state = found.state
        for proposal in found.proposals:
            values = {move.tag: move.to_value for move in proposal.moves}
            ack = record.line.write("coater", WriteCommand(f"{proposal.loop}-{second}", 1, values), scan.at)
            assert ack.accepted, ack
            state = state.moved(proposal.loop, scan.at)
            passes.append(found)
    return passes


def figures(record: Record, after: int = 300) -> tuple[float, float]:
    """Sigma about the target of the loading made, and the lowest Cpk of the lanes, while the line ran."""
    running = np.array([scan.values[TAGS.index("line_state")] == 1.0 for scan in record.scans])
    running[:after] = False
    made = np.array(record.made)[running]
    sigma, mean = made.std(axis=0), made.mean(axis=0)
    cpk = np.minimum(LOADING["upper"] - mean, mean - LOADING["lower"]) / (3 * sigma)
    return float(np.sqrt(np.mean((made - LOADING["target"]) ** 2))), float(cpk.min())
