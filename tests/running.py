"""A demo line in the database with its twin running beside it, for tests that need real-looking data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import transaction
from pytest_django import DjangoDbBlocker

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
        begin, self.now = self.now, self.now + timedelta(seconds=seconds)
        return stepped(self.twin, begin, seconds)

    def again(self) -> Running:
        """The same line for one test: what it does to the twin is its own."""
        return Running(Line.objects.get(pk=self.line.pk), deepcopy(self.twin), self.who, self.now)

    def run(self, seconds: int) -> None:
        self.store(self.scans(seconds))

    def store(self, scans: list) -> None:
        ingest.store_batch(ingest.raw(), self.who, ingest.batch_of_scans(self.who, scans), now=self.now)

    def advance(self) -> int:
        return pipeline.settle([machine.pk for machine in self.equipment], now=self.now)

    def train(self) -> None:
        for machine in self.equipment:
            span = {"since": START, "until": self.now, "actor": "test", "now": self.now}
            estimators.train(machine, **span)
            limits.draw(machine, **span)


@contextmanager
def shared(blocker: DjangoDbBlocker) -> Iterator[None]:
    """What is stored within is there for all tests of a module; each undoes its own, and this is undone at the end."""
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


def stepped(twin: Twin, begin: datetime, seconds: int) -> list:
    ends = (begin + timedelta(seconds=second) for second in range(1, seconds + 1))
    return [scan for end in ends for scan in twin.step(1.0, end.timestamp())]


def twin_of(key: str, scenario: str, seed: int) -> Twin:
    told = tomllib.loads((FIXTURES / "plants" / f"{key}.toml").read_text())
    physics = tomllib.loads((FIXTURES / "twins" / f"{told['line']['key']}.toml").read_text())
    events = tomllib.loads((FIXTURES / "scenarios" / f"{scenario}.toml").read_text())
    return Twin(line_parameters(told, physics), Scenario.from_dict(events), seed)


@cache
def ran(key: str, scenario: str, seed: int, seconds: int) -> tuple[Twin, list]:
    """The twin after its first seconds, and its scans: the same for every test that begins so."""
    twin = twin_of(key, scenario, seed)
    scans = stepped(twin, START, seconds)
    return twin, scans


def running(key: str = "cathode", *, scenario: str = "quiet", seed: int = 20, ran_s: int = 0) -> Running:
    """The line of ``fixtures/plants/<key>.toml``, which has run so long; in the quiet scenario there is only noise."""
    stored = plant.store(plant.read(FIXTURES / "plants" / f"{key}.toml"), actor="test", reason="", now=START)
    twin, scans = ran(key, scenario, seed, ran_s)
    line = Running(stored.line, deepcopy(twin), ingest.known(ingest.raw(), stored.source.pk))
    if ran_s:
        line.now += timedelta(seconds=ran_s)
        line.store(scans)
    return line
