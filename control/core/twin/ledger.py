"""The machine's own memory of commands: it takes each once, and none from a lease that has been replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control.core.exchange import Ack, WriteCommand

REMEMBERED = 5000  # answers kept for repeated commands


@dataclass(frozen=True, slots=True)
class Entry:
    """One command the machine has decided on, as written to its append-only log."""

    number: int  # 1, 2, 3 ... without a gap
    equipment: str
    asked: Mapping[str, float]
    ack: Ack

    def to_json(self) -> dict[str, Any]:
        ack = self.ack
        return {
            "number": self.number,
            "at": ack.at,
            "equipment": self.equipment,
            "command_id": ack.command_id,
            "fence": ack.fence,
            "applied": ack.accepted,
            "code": ack.code,
            "detail": ack.detail,
            "asked": dict(self.asked),
            "values": dict(ack.values),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Entry:
        ack = Ack(
            command_id=str(saved["command_id"]),
            fence=int(saved["fence"]),
            accepted=bool(saved["applied"]),
            code=str(saved["code"]),
            detail=str(saved["detail"]),
            values=dict(saved["values"]),
            at=float(saved["at"]),
        )
        return cls(int(saved["number"]), str(saved["equipment"]), dict(saved["asked"]), ack)


class Ledger:
    """Answers by command id and the highest fence seen on the line.

    A command refused for its fence is not remembered under its id: the new holder of the lease may send it again.
    """

    def __init__(self) -> None:
        self.fence = 0
        self.number = 0
        self._entries: dict[str, Entry] = {}

    def answered(self, equipment: str, command: WriteCommand, at: float) -> Ack | None:
        """The answer already given to this command id, or a refusal if the id now means something else."""
        entry = self._entries.get(command.command_id)
        if entry is None:
            return None
        if entry.equipment != equipment or dict(entry.asked) != dict(command.values):
            return refuse(command, "id_reused", "this command id was used for other set-points", at)
        return entry.ack

    def stale(self, command: WriteCommand) -> bool:
        return command.fence < self.fence

    def record(self, equipment: str, command: WriteCommand, ack: Ack) -> Entry:
        entry = Entry(self.number + 1, equipment, dict(command.values), ack)
        self.replay(entry)
        return entry

    def replay(self, entry: Entry) -> None:
        """Take an entry in, new or from the log."""
        self.number = max(self.number, entry.number)
        if entry.ack.code == "stale_fence":
            return
        self.fence = max(self.fence, entry.ack.fence)
        self._entries[entry.ack.command_id] = entry
        if len(self._entries) > REMEMBERED:
            del self._entries[next(iter(self._entries))]

    def to_json(self) -> dict[str, Any]:
        return {
            "fence": self.fence,
            "number": self.number,
            "entries": [entry.to_json() for entry in self._entries.values()],
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        self.fence, self.number = int(saved["fence"]), int(saved["number"])
        self._entries = {entry["command_id"]: Entry.from_json(entry) for entry in saved["entries"]}


def refuse(command: WriteCommand, code: str, detail: str, at: float) -> Ack:
    return Ack(command.command_id, command.fence, False, code, detail, {}, at)
