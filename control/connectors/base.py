"""What every connector is: a machine opened, read, written, read back and closed, each call within a deadline.

A connector keeps nothing to send later and tries nothing twice. After an error it is closed; the caller opens it
again when it wants to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from control.core.exchange import Ack, MeasuredPiece, Reading, Scan, WriteCommand

__all__ = [
    "Ack",
    "Connector",
    "ConnectorError",
    "ConnectorTimeout",
    "MeasuredPiece",
    "Reading",
    "Scan",
    "WriteCommand",
]


class ConnectorError(Exception):
    """The machine could not be reached, or answered nonsense.

    ``sent`` is False only if no byte of the request left, so that a write is known not to have been done.
    """

    def __init__(self, detail: str, *, sent: bool) -> None:
        super().__init__(detail)
        self.sent = sent


class ConnectorTimeout(ConnectorError):
    """The machine did not answer within the deadline."""


class Connector(Protocol):
    """One equipment. No method blocks longer than its deadline; each raises ConnectorError when it fails.

    ``keeps_command_ids`` says that the machine does a command id once and answers it again: only then may a command
    whose answer was lost be sent a second time.
    """

    keeps_command_ids: bool

    def open(self) -> None:
        """Connect. Opening an open connector changes nothing."""

    def read(self, since: int = 0, *, wait_s: float = 0.0) -> tuple[Scan, ...]:
        """Scans after sequence ``since``, oldest first, waiting up to ``wait_s`` for the first; at most a few hundred.

        ``since`` is the last sequence the caller has safely stored; asking again with the same one loses nothing. A
        ``since`` the machine has never reached means that its numbering began anew, and gives all it keeps.
        """

    def write(self, command: WriteCommand) -> Ack:
        """Send a command once."""

    def read_back(self, tags: Sequence[str]) -> dict[str, Reading]:
        """Set-points as the machine holds them now."""

    def close(self) -> None:
        """Let go. Closing a closed connector changes nothing."""
