"""A past shift for the demo, all of it or nothing: one transaction, so a seeding that is killed leaves no trace.

First the lines run while nobody predicts and set-points are trimmed by hand. Estimators and limits are made from that
part. Then the loops are closed: the crew decides, and the dispatcher writes to the twins. Every action is told the
twins' time as ``now``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection
from django.utils import timezone

from control.actions import audit, changes, drifting, estimators, limits
from control.actions.proposing import retract
from control.connectors.memory import RetentiveMemory
from control.core.policy import Reason
from control.demo import lines, people, plants
from control.demo.crew import Crew
from control.demo.lines import DemoLine
from control.demo.people import SYSTEM
from control.models import Loop, Snapshot

CLOSED = 0.1  # share of the shift with closed loops, or
LEAST_CLOSED_S = 1200.0  # this, but never more than half a shift
ROUND = timedelta(minutes=30)  # how often signals are answered
STEP_S = 120  # of the closed loop: how often the crew and the dispatcher look

Clock = Callable[[], datetime]
Progress = Callable[[float, float], None]  # seconds of process done, and in all


class NotEmpty(Exception):
    """The lines of the demo have data that no seeding made."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What a seeding made."""

    since: datetime
    until: datetime
    lines: int


@dataclass(frozen=True, slots=True)
class PastShift:
    """One shift of ``hours`` on all lines of the demo, which share one clock."""

    hours: float
    since: datetime
    lines: list[DemoLine]
    crew: Crew
    progress: Progress

    @property
    def now(self) -> datetime:
        return self.lines[0].now

    def learn(self) -> None:
        """Run the first part by hand, then draw limits and train estimators from it."""
        looked = self.now
        self.crew.hand_over(looked)
        seconds = round(_learning_s(self.hours * 3600))
        for _ in zip(*[line.run_by_hand(seconds) for line in self.lines], strict=True):
            self._seen()
            if self.now - looked >= ROUND:
                looked = self.now
                self.crew.answer(self.now)
        for machine in [machine for line in self.lines for machine in line.equipment]:
            for make in (estimators.train, limits.draw):
                make(
                    machine, since=self.since, until=self.now, actor=self.crew.people.engineer, now=self.now,
                    reason="the shift so far",
                )  # fmt: skip

    def close_the_loop(self, clock: Clock) -> None:
        """Go on with everyone at work, until the twins' time has caught up with the clock."""
        looked = self.now
        while (left_s := int((clock() - self.now).total_seconds())) > 0:
            self._run(min(STEP_S, left_s))
            changes.tend(self.now)
            self.crew.attend(self.now)
            for line in self.lines:
                line.dispatcher.run_once()
            if self.now - looked >= ROUND:
                looked = self.now
                drifting.watch(self.now)
                self.crew.answer(self.now)

    def _run(self, seconds: int) -> None:
        for line in self.lines:
            line.run(seconds)
        self._seen()

    def _seen(self) -> None:
        self.crew.hand_over(self.now)
        self.progress((self.now - self.since).total_seconds(), self.hours * 3600)


def seed(
    hours: float, *, password: str, memory: Path, progress: Progress, clock: Clock = timezone.now
) -> Seeded | None:
    """Make the demo: None if it is there already. ``memory`` is the folder in which the live twin will look."""
    with audit.atomic():
        if plants.seeded():
            return None
        shift = _begun(hours, password, clock().replace(microsecond=0) - timedelta(hours=hours), progress)
        shift.learn()
        shift.close_the_loop(clock)
        site = shift.lines[0].line.area.site
        told = {"hours": hours, "plants": plants.fingerprint()}
        audit.record(actor=SYSTEM, action=plants.SEEDED, obj=site, now=shift.now, new=told)
        # the machines go dark for a moment: what waits for a decision now would be about foil that is gone
        loops = Loop.objects.filter(equipment__line__in=[line.line for line in shift.lines])
        retract(dict.fromkeys(loops.values_list("pk", flat=True), Reason.INPUT_MISSING), actor=SYSTEM, now=shift.now)
        for line in shift.lines:
            line.switch_off(RetentiveMemory(memory, line.line.key))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE control_snapshot, control_measurement, control_point")
    return Seeded(shift.since, shift.now, len(shift.lines))


def renew(now: datetime) -> list[str]:
    """Bring the plant of a demo that another version made up to the files of this one; tells what was new or other.

    The machines send what these files name, and are only read if the plant has it.
    """
    with audit.atomic():
        stored = [lines.store(name, actor=SYSTEM, now=now) for name in plants.PLANTS]
        site, told = stored[0].line.area.site, {"plants": plants.fingerprint()}
        audit.record(actor=SYSTEM, action=plants.RENEWED, obj=site, now=now, new=told)
    return [label for one in stored for label in (*one.added, *one.changed)]


def _learning_s(shift_s: float) -> float:
    """Seconds before the loops are closed."""
    return shift_s - max(CLOSED * shift_s, min(LEAST_CLOSED_S, shift_s / 2))


def _begun(hours: float, password: str, since: datetime, progress: Progress) -> PastShift:
    """Plant, people and twins at the beginning of the shift."""
    demo = [lines.load(name, hours, actor=SYSTEM, now=since) for name in plants.PLANTS]
    if Snapshot.objects.filter(equipment__line__in=[line.line for line in demo]).exists():
        raise NotEmpty("The demo's lines have data already; a past shift is only made for empty ones.")
    crew = Crew(people.make(demo[0].line.area.site, password, now=since), password)
    return PastShift(hours, since, demo, crew, progress)
