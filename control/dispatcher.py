"""The only code that writes to a machine: approved changes of one line, one after the other, each at most once.

What is known is said, and what is not known is called unconfirmed, never guessed. See writing.take for the gates.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from control.actions import figures, leases, loops, writing
from control.actions.errors import Conflict
from control.actions.leases import Held
from control.actions.writing import DISPATCHER, Order, Seen
from control.connectors import UnknownConnector
from control.connectors.base import Ack, Connector, ConnectorError, WriteCommand
from control.core.demotion import Trigger
from control.core.exchange import Reading, Scan
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import Quality
from control.models import Change, Equipment, Loop

WRITE_S = 5.0  # the longest a write may take: so much of the lease must be left
READ_AGAIN_S = 0.2
HEAR_EVERY_S = 3.0  # machines that a loop writes to are asked for a sign of life
SETTLE_S = 20.0  # how long a machine is asked what became of a command before it is called unconfirmed

WRITING_MODES = [mode for mode in Mode if mode.writes]

log = logging.getLogger(__name__)
Connect = Callable[[Equipment], Connector]  # gives an open connector


class SilentMachine(Exception):
    """Nothing could be read in the time there was."""


@dataclass(slots=True)
class Machine:
    """One open link, and the newest scan it gave."""

    connector: Connector
    scan: Scan | None = None

    def look(self, tags: list[str]) -> Seen:
        """The newest scan and the set-points, read now."""
        since = self.scan.sequence if self.scan else 0
        while scans := self.connector.read(since):
            self.scan, since = scans[-1], scans[-1].sequence
        if self.scan is None:
            raise SilentMachine("the machine has no scan to show")
        at = datetime.fromtimestamp(self.scan.at, UTC)
        return Seen(at, self.scan.readings(), self.connector.read_back(tags) if tags else {})


class Dispatcher:
    """One line's writer while it holds the lease. ``clock`` is the database's; waits go by ``sleep`` and ``timer``."""

    def __init__(
        self,
        line_id: int,
        holder: str,
        connect: Connect,
        *,
        clock: Callable[[], datetime] = leases.database_now,
        sleep: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.line_id, self.holder, self.connect = line_id, holder, connect
        self.clock, self.sleep, self.timer = clock, sleep, timer
        self.lease: Held | None = None
        self.renewed, self.heard_at = 0.0, float("-inf")
        self.machines: dict[int, Machine] = {}

    def run_once(self) -> None:
        """Settle what was left in writing, then write what is approved; nothing without the lease."""
        if not self._renew():
            return
        due = Change.objects.filter(line_id=self.line_id, state__in=[State.WRITING, State.APPROVED])
        for change in due.select_related("loop__equipment").order_by("taken_at", "decided_at"):  # NULL comes last
            go_on = self._take_over if change.state == State.WRITING else self._write
            with self._unless_overtaken(change.pk):
                go_on(change.pk, change.loop.equipment)
        self._hear()

    def stop(self) -> None:
        """Let another dispatcher in at once."""
        for machine in self.machines.values():
            machine.connector.close()
        self.machines.clear()
        if self.lease:
            leases.release(self.lease)
            self.lease = None

    def _renew(self) -> bool:
        asked = self.timer()
        lease = leases.take(self.line_id, self.holder)
        if lease is not None and lease != self.lease:
            line = Loop.objects.filter(equipment__line=self.line_id)
            loops.stand_down(line, actor=DISPATCHER, code=Trigger.NEW_DISPATCHER, now=self.clock())
        self.lease, self.renewed = lease, asked
        return lease is not None

    def _ours(self) -> bool:
        """Whether the lease is ours by our own watch, and stays so until the machine has answered or is given up."""
        return self.lease is not None and self.timer() - self.renewed <= leases.TTL_S - WRITE_S

    def _still_holds(self, order: Order) -> bool:
        """Whether the lease, asked for anew, is still the one under which the order was made."""
        return self._renew() and self.lease is not None and self.lease.fence == order.fence

    def _write(self, change_id: int, equipment: Equipment) -> None:
        if not self._renew() or self.lease is None:
            return
        try:
            machine = self._machine(equipment)
            seen = machine.look(_tags(change_id))
        except UnknownConnector as error:
            log.error("change %s: %s", change_id, error)
            writing.block(change_id, self.lease, "no_connector", self.clock())
            return
        except (ConnectorError, SilentMachine) as error:  # nothing was taken: it waits for the machine, or expires
            log.warning("change %s waits: %s", change_id, error)
            self._drop(equipment)
            return
        order = writing.take(change_id, self.lease, seen, self.clock())
        if order is not None:
            self._send(order, equipment)

    def _hear(self) -> None:
        """Ask the machines for a sign of life, now and then. A silent one is told by nothing being noted."""
        if self.timer() - self.heard_at < HEAR_EVERY_S:
            return
        self.heard_at = self.timer()
        writing_loops = Loop.objects.filter(equipment__line=self.line_id, actual_mode__in=WRITING_MODES)
        for equipment in Equipment.objects.filter(loops__in=writing_loops).distinct():
            try:
                writing.heard(equipment.pk, self._machine(equipment).look([]), self.clock())
            except UnknownConnector:
                continue
            except (ConnectorError, SilentMachine):
                self._drop(equipment)

    def _take_over(self, change_id: int, equipment: Equipment) -> None:
        if self._renew() and self.lease is not None:
            order = writing.adopt(change_id, self.lease)
            if order is not None:
                self._settle(order, equipment, may_send=True)

    def _send(self, order: Order, equipment: Equipment, *, again: bool = False) -> None:
        if not self._ours():
            return
        if self.clock() >= order.expires_at:
            self._too_late(order, again=again)
            return
        command = WriteCommand(order.command_id, order.fence, order.values)
        try:
            ack = self._machine(equipment).connector.write(command)
        except ConnectorError as error:
            self._drop(equipment)
            if error.sent or again:
                log.warning("change %s: sent, no answer: %s", order.change_id, error)
                self._settle(order, equipment, may_send=not again)
            else:
                writing.fail(order, "not_sent", str(error), self.clock())
            return
        self._judge(order, ack, equipment)

    def _too_late(self, order: Order, *, again: bool) -> None:
        """It expired between the gates and the write. What was sent before may yet arrive, so nobody knows."""
        if again:
            writing.lose(order, "no answer, and expired before it was sent again", self.clock())
        else:
            writing.fail(order, "expired", "not sent", self.clock())

    def _judge(self, order: Order, ack: Ack, equipment: Equipment) -> None:
        if ack.code == "stale_fence" and not self._still_holds(order):
            log.warning("change %s: the machine follows a newer dispatcher", order.change_id)
        elif not ack.accepted:
            writing.fail(order, ack.code, ack.detail, self.clock())
        else:
            self._settle(order, equipment, may_send=False, accepted=True)

    def _settle(self, order: Order, equipment: Equipment, *, may_send: bool, accepted: bool = False) -> None:
        """Find out what the machine holds, and say so. ``accepted``: it has said that it took the command."""
        within_s = figures.of(equipment.line_id).read_back_s if accepted else SETTLE_S  # for two equal reads
        try:
            held = self._read_back(order, equipment, within_s, until_there=accepted)
        except SilentMachine as error:
            writing.lose(order, str(error), self.clock())
            return
        if _at(order, held, order.values):
            writing.confirm(order, held, self.clock())
        elif accepted:
            log.error("change %s: the machine holds %s instead of %s", order.change_id, held, order.values)
            writing.fail(order, "read_back_differs", "", self.clock(), held)
        elif may_send and _at(order, held, order.base):
            self._send_again(order, equipment)
        else:
            writing.lose(order, f"the machine holds {held}", self.clock())

    def _send_again(self, order: Order, equipment: Equipment) -> None:
        """Only to a machine that does a command id once, and only through the gates."""
        try:
            machine = self._machine(equipment)
            seen = machine.look(list(order.values))
        except (ConnectorError, SilentMachine) as error:
            writing.lose(order, str(error), self.clock())
            return
        if _at(order, seen.held(), order.values):  # it came late, but it came
            self._settle(order, equipment, may_send=False)
        elif not machine.connector.keeps_command_ids:
            writing.lose(order, "no answer, and the machine keeps no command ids", self.clock())
        elif objection := writing.objection_to_sending(order, seen, self.clock()):
            writing.lose(order, f"no answer, and not sent again: {objection.code}", self.clock())
        elif self._still_holds(order):
            self._send(order, equipment, again=True)

    def _read_back(self, order: Order, equipment: Equipment, within_s: float, *, until_there: bool) -> dict[str, float]:
        """Set-points in two equal reads; with ``until_there`` a machine still on its way is given the whole time."""
        deadline = self.timer() + within_s
        before: dict[str, float] | None = None
        settled: dict[str, float] | None = None
        while self.timer() < deadline:
            held = self._set_points(order, equipment)
            if held is not None and held == before:
                settled = held
                if not until_there or _at(order, held, order.values):
                    return held
            before = held
            self.sleep(READ_AGAIN_S)
        if settled is None:
            raise SilentMachine("its set-points could not be read twice alike")
        return settled

    def _set_points(self, order: Order, equipment: Equipment) -> dict[str, float] | None:
        try:
            readings = self._machine(equipment).connector.read_back(list(order.values))
        except ConnectorError:
            self._drop(equipment)
            return None
        held = {key: value for key in order.values if (value := _good(readings.get(key))) is not None}
        return held if len(held) == len(order.values) else None

    def _machine(self, equipment: Equipment) -> Machine:
        if equipment.pk not in self.machines:
            self.machines[equipment.pk] = Machine(self.connect(equipment))
        return self.machines[equipment.pk]

    def _drop(self, equipment: Equipment) -> None:
        machine = self.machines.pop(equipment.pk, None)
        if machine:
            machine.connector.close()

    @contextmanager
    def _unless_overtaken(self, change_id: int) -> Iterator[None]:
        try:
            yield
        except Conflict as refusal:  # a newer dispatcher has it, and says how it ended
            log.warning("change %s: %s", change_id, refusal)


def _tags(change_id: int) -> list[str]:
    return list(Change.objects.filter(pk=change_id).values_list("moves__tag__key", flat=True))


def _good(reading: Reading | None) -> float | None:
    return reading.value if reading is not None and reading.quality == Quality.GOOD else None


def _at(order: Order, held: Mapping[str, float], where: Mapping[str, float]) -> bool:
    """Whether the machine holds ``where``; the tolerance never reaches from the base to the target."""
    for tag, value in where.items():
        tolerance = min(order.deadbands[tag], abs(order.values[tag] - order.base[tag]) / 4)
        if tag not in held or abs(held[tag] - value) > tolerance + 1e-9:
            return False
    return True
