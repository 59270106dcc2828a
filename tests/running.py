"""A demo line in the database with its twin running beside it, for tests that need real-looking data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings

from control.actions import estimators, ingest, limits, pipeline, plant
from control.core.twin.line import Line as Twin
from control.core.twin.parameters import line_parameters
from control.core.twin.scenario import Scenario
from control.models import Equipment, Line

FIXTURES = settings.BASE_DIR / "fixtures"
START = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)


@dataclass
class Running:
    """``run`` lets the twin work and ingests what it says; ``now`` is the twin's clock."""

    line: Line
    twin: Twin
    who: ingest.Known
    now: datetime = START
    sent: list = field(default_factory=list)

    @property
    def equipment(self) -> list[Equipment]:
        return list(self.line.equipment.order_by("position"))

    def scans(self, seconds: int) -> list:
        found = []
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            found += self.twin.step(1.0, self.now.timestamp())
        return found

    def run(self, seconds: int) -> None:
        scans = self.scans(seconds)
        ingest.store_batch(ingest.raw(), self.who, ingest.batch_of_scans(self.who, scans), now=self.now)

    def advance(self) -> int:
        return pipeline.settle([machine.pk for machine in self.equipment], now=self.now)

    def train(self) -> None:
        for machine in self.equipment:
            span = {"since": START, "until": self.now, "actor": "test", "now": self.now}
            estimators.train(machine, **span)
            limits.draw(machine, **span)


def running(key: str = "cathode", *, scenario: str | None = None, seed: int = 20) -> Running:
    """The line of ``fixtures/plants/<key>.toml``; without a scenario nothing disturbs it but noise."""
    path = FIXTURES / "plants" / f"{key}.toml"
    stored = plant.store(plant.read(path), actor="test", reason="", now=START)
    told = tomllib.loads(path.read_text())
    physics = tomllib.loads((FIXTURES / "twins" / f"{stored.line.key}.toml").read_text())
    events = tomllib.loads((FIXTURES / "scenarios" / f"{scenario or 'quiet'}.toml").read_text())
    twin = Twin(line_parameters(told, physics), Scenario.from_dict(events), seed)
    return Running(stored.line, twin, ingest.known(ingest.raw(), stored.source.pk))
