"""Whatever people, time, machine and crashes do in any order: the promises about writes hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from control.actions import audit, changes, loops, writing
from control.actions.errors import Refused
from control.core.exchange import WriteCommand
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import Move
from control.dispatcher import Dispatcher
from control.models import AuditEntry, Change, Grant, Hold, Lease
from tests.factories import LONG_AGO, hand, plant, proposal, reason_code, snapshot
from tests.machine import Machine, Time
from tests.trials import seeds

FAULTS = ("", "", "", "not_sent", "lost_request", "lost_reply", "late", "refused", "clamped")
WHO = ("operator", "operator2", "supervisor", "viewer", "engineer", "outsider")
MODES = (Mode.SUPERVISED, Mode.SUPERVISED, Mode.ADVISORY, Mode.SHADOW)
WRITES: dict[int, int] = {}  # of every life lived here
DELTAS = (0.3, -0.3, 0.6, -0.6, 0.3, 3.0)


@dataclass(frozen=True)
class Done:
    """What was true at the moment the machine did a command."""

    command_id: str
    approved: bool
    in_time: bool
    held: bool


class Life:
    """One line; every method named ``*_`` is something that can happen, and takes a number to choose by."""

    def __init__(self) -> None:
        self.time, self.plant = Time(), plant()
        reason_code()
        self.machine = Machine(self.time)
        self.held: Hold | None = None
        self.done: list[Done] = []
        self.holders = 0
        self.new_writer()
        self.decide, self.machine.decide = self.machine.decide, self.watch
        self.scan()

    def watch(self, command: WriteCommand, fault: str = "") -> Any:
        before = len(self.machine.applied)
        ack = self.decide(command, fault)
        if len(self.machine.applied) > before:
            change = Change.objects.get(command_id=command.command_id)
            approved = change.decided_by is not None and change.state == State.WRITING
            in_time = self.time.now() < change.expires_at + timedelta(seconds=1)
            self.done.append(Done(command.command_id, approved, in_time, self.held is not None))
        return ack

    def new_writer(self) -> None:
        self.holders += 1
        time = self.time
        self.writer = Dispatcher(
            self.plant.line.pk, f"holder {self.holders}", self.machine.connect,
            clock=time.now, sleep=time.sleep, timer=time.timer,
        )  # fmt: skip

    def scan(self) -> None:
        snapshot(self.plant, self.time.now(), **self.machine.set_points)

    def decide_on(self, act: Callable[..., object], who: str, **told: object) -> None:
        change = Change.objects.order_by("-pk").first()
        self.scan()
        if change is not None:
            now, person = self.time.now(), self.plant.person(who)
            whose = {"by": hand(person, now)} if act is changes.approve else {"actor": person}
            with suppress(Refused):
                act(change.pk, now=now, **whose, **told)

    def version(self) -> int:
        return Change.objects.order_by("-pk").values_list("version", flat=True).first() or 0

    def time_passes_(self, n: int) -> None:
        self.time.sleep((1, 5, 60, 400)[n % 4])
        self.scan()
        changes.tend(self.time.now())

    def proposed_(self, n: int) -> None:
        self.scan()
        base = self.machine.set_points["pump_top"]
        told = replace(proposal(self.time.now()), moves=(Move("pump_top", base, base + DELTAS[n % 6], ()),))
        self.plant.loop.refresh_from_db()
        changes.propose(loop=self.plant.loop, proposal=told, evidence={}, actor="controller", now=self.time.now())

    def approved_(self, n: int) -> None:
        self.decide_on(changes.approve, ("supervisor2", "operator2")[n % 2], version=self.version())

    def approved_by_anyone_(self, n: int) -> None:
        self.decide_on(changes.approve, WHO[n % 6], version=self.version() - (n == 7))

    def rejected_(self, n: int) -> None:
        self.decide_on(changes.reject, WHO[n % 6], version=self.version(), code="wrong_direction")

    def resolved_(self, n: int) -> None:
        told = {"version": self.version(), "applied": n % 2 == 0, "reason": "seen at the panel"}
        self.decide_on(changes.resolve, "supervisor", **told)

    def undone_(self, n: int) -> None:
        self.decide_on(changes.undo, WHO[n % 3])

    def held_(self, n: int) -> None:
        self.held = loops.hold(self.plant.line, actor=self.plant.person("engineer"), now=self.time.now())

    def released_(self, n: int) -> None:
        if self.held:
            by, now = hand(self.plant.person("supervisor"), self.time.now()), self.time.now()
            loops.release(self.held, by=by, now=now, reason="clear")
            self.held = None

    def mode_set_(self, n: int) -> None:
        by, now = hand(self.plant.person("supervisor"), self.time.now()), self.time.now()
        loops.request(self.plant.loop, MODES[n % 4], by=by, now=now, reason="trial")

    def rights_change_(self, n: int) -> None:
        grants = Grant.objects.filter(user=self.plant.person("supervisor2"))
        grants.update(valid_to=None if n % 2 else self.time.now(), valid_from=LONG_AGO)

    def knob_turned_(self, n: int) -> None:
        self.machine.set_points["pump_top"] += (0.05, -0.4)[n % 2]

    def dispatched_(self, n: int) -> None:
        self.scan()
        self.machine.faults = [FAULTS[n % 9]]
        self.writer.run_once()
        self.machine.faults = []

    def crashed_after_taking_(self, n: int) -> None:
        change = Change.objects.filter(state=State.APPROVED).first()
        self.scan()
        if change and self.writer._renew():
            link = self.machine.connect()
            seen = writing.Seen(self.time.now(), link.read()[-1].readings(), link.read_back(["pump_top"]))
            order = writing.take(change.pk, self.writer.lease, seen, self.time.now())
            if order and n % 2:
                link.write(WriteCommand(order.command_id, order.fence, order.values))
        Lease.objects.update(expires_at=None)
        self.new_writer()

    def check(self) -> None:
        ids = [done.command_id for done in self.done]
        assert len(ids) == len(set(ids)), "a command was done twice"
        assert all(done.approved and done.in_time and not done.held for done in self.done), self.done
        said = Change.objects.filter(state=State.APPLIED, moves__read_back__isnull=False)
        assert {str(change.command_id) for change in said} <= set(ids), "applied is said of what was not done"

    def check_record(self) -> None:
        for change in Change.objects.all():
            rows = AuditEntry.objects.filter(object_type="change", object_id=str(change.pk))
            assert rows.exclude(action__endswith=".refused").count() == change.version
        assert audit.verify().ok


USUAL_COURSE = ["proposed_", "approved_", "dispatched_"]
HAPPENINGS = [name for name in vars(Life) if name.endswith("_") and not name.startswith("__")] + 6 * USUAL_COURSE
STEPS = 60


@pytest.mark.django_db
@pytest.mark.parametrize("seed", seeds(range(8), more=100))
def test_the_promises_hold_whatever_happens(seed):
    chance, life = Random(seed), Life()
    for _ in range(STEPS):
        getattr(life, chance.choice(HAPPENINGS))(chance.randrange(36))
        life.check()
    life.check_record()
    WRITES[seed] = len(life.done)


def test_enough_was_written_for_that_to_show_anything():
    assert not WRITES or 2 * sum(WRITES.values()) > len(WRITES)
