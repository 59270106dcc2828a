"""What the keys of a line are called in the reader's language, where a stored text names things by their key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from control.models import Characteristic, Equipment, Stream, Tag
from dashboards import wording

STEPPED = re.compile(r"(\S+) (\S+ → \S+)")  # what a pass notes of a status tag
PATH = re.compile(r"([\w-]+)\.([\w-]+)")  # of a tag, by its machine
FOLLOWED = re.compile(r"(\S+), (\d+): ([\d.]+ m)")  # what is noted of an event that came along with the foil


class Names:
    """Of one line. Each kind of thing is read when the first of it is asked for; what is unknown keeps its key."""

    def __init__(self, line_id: int) -> None:
        self.line_id = line_id

    @cached_property
    def _machines(self) -> dict[str, Equipment]:
        return {row.key: row for row in Equipment.objects.filter(line=self.line_id)}

    @cached_property
    def _tags(self) -> dict[tuple[int, str], str]:
        return {(row.equipment_id, row.key): str(row) for row in Tag.objects.filter(equipment__line=self.line_id)}

    @cached_property
    def _measured(self) -> dict[tuple[str, str], str]:
        """Characteristics and streams by the keys of their machine and their own."""
        kinds = Characteristic.objects.filter(equipment__line=self.line_id).select_related("equipment")
        streams = Stream.objects.filter(lane__equipment__line=self.line_id)
        lanes = streams.select_related("lane__equipment", "characteristic")
        return {(row.equipment.key, row.key): str(row) for row in kinds} | {
            (row.lane.equipment.key, row.key): str(row) for row in lanes
        }

    def of_drift(self, detail: str) -> str:
        """What a signal of a machine off its recipe says: each parameter with what was expected and found."""
        return PATH.sub(self._parameter, detail)

    def _parameter(self, path: re.Match[str]) -> str:
        machine = self._machines.get(path[1])
        return f"{machine}: {self.tag(machine.pk, path[2])}" if machine else path[0]

    def machine(self, key: str) -> str:
        return str(self._machines.get(key, key))

    def tag(self, machine_id: int, key: str) -> str:
        return self._tags.get((machine_id, key), key)

    def measured(self, machine: str, key: str) -> str:
        return self._measured.get((machine, key), key)

    def of_machine(self, machine: Equipment) -> Callable[[str], str]:
        """What a tag or a stream of the machine is called."""
        return lambda key: self.measured(machine.key, key) if "/" in key else self.tag(machine.pk, key)

    def signal(self, machine_id: int, key: str) -> str:
        """A tag of the machine, or ``coater:loading`` and ``coater:loading/1-top`` of the machine before it."""
        other, sep, what = key.rpartition(":")
        return f"{self.machine(other)}: {self.measured(other, what)}" if sep else self.tag(machine_id, key)

    def fed(self, machine_id: int, told: Mapping[str, Any]) -> str:
        """A measured disturbance of a loop: a tag, or what the machine before it measures for each lane."""
        if told.get("tag"):
            return self.tag(machine_id, told["tag"])
        other = told["equipment"]
        lanes = (" + ".join(self.measured(other, key) for key in lane) for lane in told["streams"])
        return f"{self.machine(other)}: {'; '.join(lanes)}"

    def event_note(self, machine_id: int, note: str) -> str:
        """The note of a process event of a machine; what a person wrote stays."""
        if told := STEPPED.fullmatch(note):
            return f"{self.tag(machine_id, told[1])} {told[2]}"
        if told := FOLLOWED.fullmatch(note):
            return f"{self.machine(told[1])}, {wording.roll(int(told[2]), '')}, {told[3]}"
        return note
