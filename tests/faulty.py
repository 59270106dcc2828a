"""A bad line to a good machine: requests and replies are lost, come late, are refused, or come back wrong.

It stands between a dispatcher and a connector. What truly happened is in the machine's own log, which it cannot touch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from control.connectors.base import Ack, Connector, ConnectorTimeout, Reading, Scan, WriteCommand

KINDS = ("lost_request", "lost_reply", "late", "refused", "wrong_read_back", "frozen")
OFF_BY = 0.1  # what a wrong read-back shows besides
LATE_READS = 3  # a late request is done when so many more reads were answered
FROZEN_READS = 40  # so many reads are not answered: longer than anybody waits for two equal ones


@dataclass
class BadLine:
    """Draws a fault for every write, each kind with its own share of them; the links to the machine share it."""

    connect_well: Callable[[], Connector]
    chance: Random
    shares: Mapping[str, float]
    keeps_command_ids: bool = True
    writes: Counter[str] = field(default_factory=Counter)  # by command id, as they left the dispatcher
    met: dict[str, str] = field(default_factory=dict)  # the fault each command met at first
    late: list[tuple[int, WriteCommand]] = field(default_factory=list)
    wrong: bool = False
    frozen: int = 0

    def connect(self, _equipment: object = None) -> BadLink:
        return BadLink(self, self.connect_well())

    def fault(self) -> str:
        kinds = [*self.shares, ""]
        return self.chance.choices(kinds, [*self.shares.values(), 1.0 - sum(self.shares.values())])[0]

    def heal(self) -> None:
        """What was read wrong or not at all is read right again."""
        self.wrong, self.frozen = False, 0


class BadLink:
    """A connector over it."""

    def __init__(self, line: BadLine, inner: Connector) -> None:
        self.line, self.inner = line, inner
        self.keeps_command_ids = line.keeps_command_ids

    def open(self) -> None:
        self.inner.open()

    def close(self) -> None:
        self.inner.close()

    def read(self, since: int = 0, *, wait_s: float = 0.0) -> tuple[Scan, ...]:
        return self.inner.read(since, wait_s=wait_s)

    def write(self, command: WriteCommand) -> Ack:
        line = self.line
        fault = line.fault()
        line.writes[command.command_id] += 1
        line.met.setdefault(command.command_id, fault)
        line.wrong = fault == "wrong_read_back"
        line.frozen = FROZEN_READS if fault == "frozen" else 0
        if fault == "late":
            line.late.append((LATE_READS, command))
        if fault in ("lost_request", "late"):
            raise ConnectorTimeout("no answer", sent=True)
        if fault == "refused":
            return Ack(command.command_id, command.fence, False, "interlock", "guard open", {}, 0.0)
        ack = self.inner.write(command)
        if fault in ("lost_reply", "frozen"):
            raise ConnectorTimeout("no answer", sent=True)
        return ack

    def read_back(self, tags: Sequence[str]) -> dict[str, Reading]:
        line = self.line
        line.late = [(reads - 1, command) for reads, command in line.late]
        for reads, command in line.late:
            if reads == 0:
                self.inner.write(command)
        if line.frozen:
            line.frozen -= 1
            raise ConnectorTimeout("no answer", sent=True)
        held = self.inner.read_back(tags)
        if not line.wrong:
            return held
        return {tag: Reading((seen.value or 0.0) + OFF_BY, seen.quality, seen.at) for tag, seen in held.items()}
