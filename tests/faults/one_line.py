"""The demo's cathode line on its twin, for trials that approve and write one change after another."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connections
from django.db.models import F

from control.actions import changes
from control.core.lifecycle import State
from control.dispatcher import Connect, Dispatcher
from control.models import Change, Lease
from tests.actions.test_writing_to_the_twin import DemoLine

TAG, STEP = "pump_top", 0.3  # rpm
LONG_BEFORE = timedelta(hours=9)  # counts in no shift any more
DONE = (State.APPLIED, State.VERIFYING, State.EFFECTIVE, State.INEFFECTIVE)


@dataclass
class Waiting:
    """Time that passes only while somebody waits."""

    elapsed: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds

    def timer(self) -> float:
        return self.elapsed


def approved(line: DemoLine, number: int) -> Change:
    """The next change, up and down in turns; what was before it lies hours back, and the machine has gone on."""
    line.run(1)
    return line.approved(TAG, STEP * (-1) ** number)


def put_behind(line: DemoLine) -> None:
    """The changes so far are of an earlier shift, and somebody has looked what became of the unconfirmed."""
    for change in Change.objects.filter(state=State.UNCONFIRMED):
        told = {"version": change.version, "reason": "seen at the panel", "now": line.now()}
        changes.resolve(change.pk, actor=line.people["supervisor"], applied=bool(applied(line, change)), **told)
    Change.objects.update(**{name: F(name) - LONG_BEFORE for name in ("proposed_at", "decided_at", "state_since")})


def dispatcher(line: DemoLine, holder: str, connect: Connect) -> Dispatcher:
    waiting = Waiting()
    return Dispatcher(
        line.stored.line.pk, holder, connect, clock=line.now, sleep=waiting.sleep, timer=waiting.timer
    )  # fmt: skip


def let_the_lease_run_out() -> None:
    Lease.objects.update(expires_at=None)


def applied(line: DemoLine, change: Change) -> list[dict[str, Any]]:
    """How often the machine did the change, by its own log."""
    path = line.plc.hosted.memory.log_path
    entries = [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
    return [entry for entry in entries if entry["command_id"] == str(change.command_id) and entry["applied"]]


def in_a_process(work: Callable[[], object]) -> int:
    """Do it in a process of its own, which may be killed at it; the number of the signal it died of, or 0."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@contextmanager
def stopped_at(of: object, name: str, work: Callable[[], object]) -> Iterator[None]:
    """Another process does it, and stands still (SIGSTOP) right before that function; at the end it goes on."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        true = getattr(of, name)

        def late(*args: Any, **told: Any) -> Any:
            os.kill(os.getpid(), signal.SIGSTOP)
            return true(*args, **told)

        setattr(of, name, late)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    yield
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, 0)


def dying(of: object, name: str, when: str) -> None:
    """From here on this process is killed (-9) before or after that function."""
    true = getattr(of, name)

    def doomed(*args: Any, **told: Any) -> Any:
        if when == "after":
            true(*args, **told)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(of, name, doomed)
