"""Keeps a set of child processes alive and ends them together. Knows nothing of what they do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from apcweb.places import ServerError
from apcweb.processes import spawn, stop

LOOK_EVERY_S = 0.2
STOP_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # between restarts of a child that keeps failing
STEADY_S = 30.0  # a child that has lived so long has recovered


@dataclass
class Child:
    """One kind of process and how its restarts went."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    fds: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0

    def pause_s(self) -> float:
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** max(0, self.failures - 1))


class Supervisor:
    """Starts children, restarts those that end, and stops them in reverse order."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        self.children: list[Child] = []

    def start(self, child: Child) -> None:
        """Start a child and keep it alive from now on."""
        self.children.append(child)
        self._start(child)

    def look(self) -> None:
        """Restart every child that has ended and whose pause is over."""
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                self._note_end(child, code)
            if child.process is None and time.monotonic() >= child.started_at + child.pause_s():
                self._start(child)

    def stop(self) -> None:
        """End every child; an impatient second Ctrl-C kills what is left."""
        patience_s = STOP_S
        for child in reversed(self.children):
            if child.process is None:
                continue
            try:
                stop(child.process, signal.SIGTERM, patience_s)
            except KeyboardInterrupt:
                patience_s = 0
                stop(child.process, signal.SIGKILL, patience_s)
            child.process = None

    def _start(self, child: Child) -> None:
        env = {**os.environ, **child.env}
        child.process = spawn(child.argv, env=env, cwd=self.folder, fds=child.fds)
        child.started_at = time.monotonic()

    def _note_end(self, child: Child, code: int) -> None:
        assert child.process is not None
        stop(child.process, signal.SIGKILL, 0)  # what its session left behind
        child.process = None
        lived_s = time.monotonic() - child.started_at
        child.failures = 1 if lived_s > STEADY_S else child.failures + 1
        child.started_at = time.monotonic()
        why = f"signal {-code}" if code < 0 else f"code {code}"
        self.say(f"{child.name} ended ({why}); starting it again in {child.pause_s():g} s")

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def listen(address: str, port: int, held: ExitStack) -> socket.socket:
    """Claim the port for as long as `held` lasts."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    claimed = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
    claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        claimed.bind((address, port))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServerError(f"port {port} of {address} cannot be used ({reason}); set APC_PORT to another.") from error
    claimed.listen(1024)
    return claimed


def run_to_end(argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
    """Run a step that must succeed before the next."""
    process = spawn(argv, env={**os.environ, **env}, cwd=folder)
    try:
        code = process.wait()
    finally:
        stop(process, signal.SIGTERM, STOP_S)
    if code:
        raise ServerError(f"`{' '.join(argv[1:])}` failed with code {code}; nothing was started.")
