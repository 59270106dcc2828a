"""A line of the demo and its digital twin in this very process: stepped, ingested and written to by the usual code."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from control.actions import ingest, pipeline, plant
from control.actions.audit import Actor
from control.connectors.base import Ack, Reading, Scan, WriteCommand
from control.connectors.memory import RetentiveMemory
from control.core.twin.line import Line as Twin
from control.core.twin.parameters import line_parameters
from control.core.twin.scenario import Scenario
from control.demo import by_hand
from control.demo.by_hand import Hand
from control.demo.plants import FIXTURES, PATHS
from control.dispatcher import Dispatcher
from control.models import Equipment, Line, Loop, Recipe, VersionState

SHIFT_S = 8 * 3600.0  # length of fixtures/scenarios/shift.toml
SEED = 8
HOLDER = "seed_demo"


class InProcess:
    """The connector of one equipment whose twin lives here. ``at`` is the twin's clock in epoch seconds."""

    keeps_command_ids = True

    def __init__(self, twin: Twin, equipment: str) -> None:
        self.twin, self.equipment = twin, equipment
        self.newest: Scan | None = None

    def open(self) -> None:
        """Nothing to open."""

    def read(self, since: int = 0, *, wait_s: float = 0.0) -> tuple[Scan, ...]:
        """The newest scan, if it is younger than ``since``."""
        return (self.newest,) if self.newest and self.newest.sequence > since else ()

    def write(self, command: WriteCommand) -> Ack:
        return self.twin.write(self.equipment, command, self.at)

    def read_back(self, tags: Sequence[str]) -> dict[str, Reading]:
        return self.twin.read_back(self.equipment, tags, self.at)

    def close(self) -> None:
        """Nothing to close."""

    @property
    def at(self) -> float:
        return self.newest.at if self.newest else 0.0


class Watch:
    """A stopwatch on which whoever sleeps wakes up at once."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds

    def timer(self) -> float:
        return time.monotonic() + self.slept_s


class DemoLine:
    """One line of the demo. ``now`` is its twin's clock and everything here happens at that time."""

    def __init__(self, line: Line, twin: Twin, who: ingest.Known, now: datetime) -> None:
        self.line, self.twin, self.who, self.now = line, twin, who, now
        self.equipment = list(line.equipment.order_by("position"))
        self.links = {machine.key: InProcess(twin, machine.key) for machine in self.equipment}
        watch = Watch()
        self.dispatcher = Dispatcher(
            line.pk, HOLDER, self._connect, clock=lambda: self.now, sleep=watch.sleep, timer=watch.timer
        )

    def _connect(self, equipment: Equipment) -> InProcess:
        return self.links[equipment.key]

    def run(self, seconds: int) -> None:
        """Let the twin work, and take what it says."""
        begun_s = self.now.timestamp()
        self._take([scan for k in range(seconds) for scan in self.twin.step(1.0, begun_s + k + 1)])

    def run_by_hand(self, seconds: int) -> Iterator[None]:
        """The same while hands trim its set-points and nobody else acts: a step each time it is asked to go on."""
        for twin, scans in by_hand.lived(self.twin, self._hands(), self.now.timestamp(), seconds):
            self.twin = twin
            for link in self.links.values():
                link.twin = twin
            self._take(scans)
            yield

    def _hands(self) -> list[Hand]:
        recipe = Recipe.objects.get(line=self.line, state=VersionState.ACTIVE)
        return [
            Hand(loop.equipment.key, loop.key, deadband=loop.settings["deadband"],
                cvs=loop.settings["cvs"], mvs=loop.settings["mvs"], gains=np.array(loop.settings["gains"]),
                target=np.array([_target(recipe, loop, cv) for cv in loop.settings["cvs"]]),
            )
            for loop in Loop.objects.filter(equipment__line=self.line).select_related("equipment")
        ]  # fmt: skip

    def _take(self, scans: Sequence[Scan]) -> None:
        """Store and process what the twin said, as one body."""
        self.now = datetime.fromtimestamp(scans[-1].at, UTC)
        for scan in scans[-len(self.links) :]:
            self.links[scan.equipment].newest = scan
        ingest.store_batch(ingest.raw(), self.who, ingest.batch_of_scans(self.who, scans), now=self.now)
        pipeline.settle([machine.pk for machine in self.equipment], now=self.now)

    def switch_off(self, memory: RetentiveMemory) -> None:
        """Give the line's lease back and leave the machine's memory as a twin that ended now would."""
        self.dispatcher.stop()
        memory.log_path.unlink(missing_ok=True)
        memory.log(self.twin.take_unlogged())
        memory.save(self.twin.snapshot(), clean=True)


def _target(recipe: Recipe, loop: Loop, stream: str) -> float:
    target = (recipe.stream_spec(loop.equipment.key, stream) or {}).get("target")
    return np.nan if target is None else float(target)


def load(name: str, hours: float, *, actor: Actor, now: datetime) -> DemoLine:
    """The line of ``fixtures/plants/<name>.toml`` with a twin that lives through a past shift of so many hours."""
    stored = store(name, actor=actor, now=now)
    return DemoLine(stored.line, twin(name, hours), ingest.known(ingest.raw(), stored.source.pk), now)


def twin(name: str, hours: float) -> Twin:
    """The machines of ``fixtures/plants/<name>.toml``, about to live through a past shift of so many hours."""
    plant_file = _toml(PATHS[name])
    key = plant_file["line"]["key"]
    parameters = line_parameters(plant_file, _toml(FIXTURES / "twins" / f"{key}.toml"))
    return Twin(parameters, past_shift(hours), SEED ^ crc32(key.encode()))


def store(name: str, *, actor: Actor, now: datetime) -> plant.Stored:
    """The plant of ``fixtures/plants/<name>.toml`` in the database as that file says."""
    return plant.store(plant.read(PATHS[name]), actor=actor, reason="the demo's plant", now=now)


def past_shift(hours: float) -> Scenario:
    """The events of a whole shift; a shorter one has them all the same, in quicker succession."""
    scenario = Scenario.from_dict(_toml(FIXTURES / "scenarios" / "shift.toml"))
    share = min(hours * 3600 / SHIFT_S, 1.0)
    return replace(
        scenario,
        events=tuple(
            replace(event, at_s=event.at_s * share, duration_s=event.duration_s * share) for event in scenario.events
        ),
        repeat_s=scenario.repeat_s * share,
        jitter_s=scenario.jitter_s * share,
    )


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
