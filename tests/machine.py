"""A machine in the test's own process, with faults on demand and a log that the tests trust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from control.connectors.base import Ack, ConnectorError, ConnectorTimeout, Reading, Scan, WriteCommand
from control.core.types import Quality
from tests.factories import BOLTS, NOW, USUAL


@dataclass
class Time:
    """The test's clock: waiting moves it on. A jump moves what clocks show, and nothing waits shorter for it."""

    elapsed: float = 0.0
    jumped: float = 0.0
    furthest: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds

    def timer(self) -> float:
        return self.elapsed

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.elapsed + self.jumped)

    def jump(self, seconds: float) -> None:
        self.jumped += seconds
        self.furthest = max(self.furthest, self.jumped)


@dataclass
class Machine:
    """What it holds, what it did. ``faults`` are taken one a write:

    not_sent, lost_request, lost_reply, late (done only after three more reads), refused, clamped, wrong, unreadable.
    """

    time: Time
    keeps_command_ids: bool = True
    status: dict[str, float] = field(default_factory=lambda: {"remote_mode": 1.0})
    doubtful: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    set_points: dict[str, float] = field(default_factory=lambda: {key: USUAL[key] for key in ("pump_top", *BOLTS)})
    applied: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)
    sent: list[WriteCommand] = field(default_factory=list)
    fence: int = 0
    answers: dict[str, Ack] = field(default_factory=dict)
    late: list[tuple[int, WriteCommand]] = field(default_factory=list)
    deaf: bool = False

    def connect(self, _equipment: object = None) -> Link:
        if self.deaf:
            raise ConnectorError("no machine there", sent=False)
        return Link(self)

    def decide(self, command: WriteCommand, fault: str = "") -> Ack:
        if self.keeps_command_ids and command.command_id in self.answers:
            return self.answers[command.command_id]
        if command.fence < self.fence:
            return Ack(command.command_id, command.fence, False, "stale_fence", "", {}, self.time.now().timestamp())
        self.fence = command.fence
        if fault == "refused":
            ack = Ack(command.command_id, command.fence, False, "interlock", "guard open", {}, 0.0)
        else:
            taken = {key: value - 0.1 * (fault in ("clamped", "wrong")) for key, value in command.values.items()}
            self.set_points |= taken
            self.applied.append((command.command_id, command.fence, taken))
            ack = Ack(command.command_id, command.fence, True, "applied", "", dict(command.values), 0.0)
        self.answers[command.command_id] = ack
        return ack


class Link:
    """A connector to it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.keeps_command_ids = machine.keeps_command_ids

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def read(self, since: int = 0, *, wait_s: float = 0.0) -> tuple[Scan, ...]:
        """One scan a second of the test's clock."""
        self._answer()
        machine = self.machine
        sequence = 1 + int(machine.time.elapsed)
        if since >= sequence:
            return ()
        at, tags = machine.time.now().timestamp(), tuple(machine.status)
        quality = tuple(Quality.DOUBTFUL if tag in machine.doubtful else Quality.GOOD for tag in tags)
        return (Scan("coater", sequence, at, 7, 1000.0, tags, tuple(machine.status.values()), quality, ()),)

    def write(self, command: WriteCommand) -> Ack:
        machine = self.machine
        fault = machine.faults.pop(0) if machine.faults else ""
        if fault == "not_sent":
            raise ConnectorError("connection refused", sent=False)
        machine.sent.append(command)
        if fault == "unreadable":
            machine.deaf = True
        if fault == "late":
            machine.late.append((3, command))
        if fault in ("lost_request", "late", "unreadable"):
            raise ConnectorTimeout("no answer", sent=True)
        ack = machine.decide(command, fault)
        if fault == "lost_reply":
            raise ConnectorTimeout("no answer", sent=True)
        return ack

    def read_back(self, tags: Sequence[str]) -> dict[str, Reading]:
        self._answer()
        at = self.machine.time.now().timestamp()
        return {tag: Reading(self.machine.set_points[tag], Quality.GOOD, at) for tag in tags}

    def _answer(self) -> None:
        machine = self.machine
        if machine.deaf:
            raise ConnectorTimeout("no answer", sent=True)
        machine.late = [(reads - 1, command) for reads, command in machine.late]
        for reads, command in machine.late:
            if reads == 0:
                machine.decide(command)
