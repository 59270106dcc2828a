"""The twin as seen by its users: a blocking client of the twin's Unix socket, every call within a deadline."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from control.connectors import wire
from control.connectors.base import Ack, ConnectorError, ConnectorTimeout, Reading, Scan, WriteCommand

DEADLINE_S = 5.0
T = TypeVar("T")


class TwinConnector:
    """One equipment of a twin line; ``address`` is "<line>/<equipment>"."""

    keeps_command_ids = True

    def __init__(self, socket_path: Path, address: str, deadline_s: float = DEADLINE_S) -> None:
        self.socket_path = socket_path
        self.address = address
        self.deadline_s = deadline_s
        self._socket: socket.socket | None = None
        self._received = b""

    def open(self) -> None:
        if self._socket is not None:
            return
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(self.deadline_s)
        try:
            link.connect(str(self.socket_path))
        except OSError as error:
            link.close()
            raise ConnectorError(f"{self.address}: no twin at its socket: {error}", sent=False) from error
        self._socket, self._received = link, b""

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def read(self, since: int = 0, *, wait_s: float = 0.0) -> tuple[Scan, ...]:
        result = self._ask(self.deadline_s + wait_s, op="read", since=since, wait_s=wait_s)
        equipment = self.address.partition("/")[2]
        return self._decoded(
            lambda: tuple(wire.scan_from_wire(equipment, result["tags"], scan) for scan in result["scans"])
        )

    def write(self, command: WriteCommand) -> Ack:
        result = self._ask(self.deadline_s, op="write", command=wire.command_to_wire(command))
        return self._decoded(lambda: wire.ack_from_wire(result))

    def read_back(self, tags: Sequence[str]) -> dict[str, Reading]:
        result = self._ask(self.deadline_s, op="read_back", tags=list(tags))
        return self._decoded(lambda: wire.readings_from_wire(result))

    def disturb(self, event: Mapping[str, Any]) -> None:
        """Make an event of a scenario happen now: how tests and demonstrations break the twin."""
        self._ask(self.deadline_s, op="disturb", event=dict(event))

    def _decoded(self, decode: Callable[[], T]) -> T:
        try:
            return decode()
        except (ValueError, TypeError, KeyError) as error:
            self.close()
            raise ConnectorError(f"{self.address}: the twin answered nonsense: {error}", sent=True) from error

    def _ask(self, within_s: float, **request: Any) -> Any:
        """One request and its answer. Any failure closes the link, so a late answer is never taken for the next one."""
        if self._socket is None:
            raise ConnectorError(f"{self.address}: the connector is not open", sent=False)
        try:
            line = wire.dump({"address": self.address} | request)
        except ValueError as error:
            raise ConnectorError(f"{self.address}: {error}", sent=False) from error
        if len(line) > wire.REQUEST_BYTES:
            raise ConnectorError(f"{self.address}: a request of {len(line)} bytes is too long", sent=False)
        try:
            answer = wire.load(self._exchange(self._socket, line, time.monotonic() + within_s))
        except TimeoutError as error:
            self.close()
            raise ConnectorTimeout(f"{self.address}: no answer within {within_s:g} s", sent=True) from error
        except (OSError, wire.WireError) as error:
            self.close()
            raise ConnectorError(f"{self.address}: {error}", sent=True) from error
        if "error" in answer:
            raise ConnectorError(f"{self.address}: {answer['error']}", sent=True)
        return answer.get("result")

    def _exchange(self, link: socket.socket, line: bytes, deadline: float) -> bytes:
        link.settimeout(_left(deadline))
        link.sendall(line)
        while b"\n" not in self._received:
            link.settimeout(_left(deadline))
            chunk = link.recv(65536)
            if not chunk:
                raise ConnectionError("the twin closed the link")
            self._received += chunk
            if len(self._received) > wire.ANSWER_BYTES:
                raise ConnectionError("the answer is too long")
        answer, _, self._received = self._received.partition(b"\n")
        return answer


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
