"""Child processes that end when their parent ends, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

PR_SET_PDEATHSIG = 1  # prctl(2)
_prctl: Callable[..., int] | None = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


class Account(NamedTuple):
    """The system account a child runs as."""

    name: str
    uid: int
    gid: int


def die_with_parent(signum: int, parent: int) -> None:
    """Ask the kernel to send `signum` to this process when its parent ends; call it in the child, after any setuid."""
    if _prctl is None:
        return
    _prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | None = None,
    account: Account | None = None,
    fds: Sequence[int] = (),
    at_parent_death: int = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a child in its own session. Call it from the main thread: the death signal follows the calling thread."""
    parent = os.getpid()
    return subprocess.Popen(
        [str(word) for word in argv],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
        pass_fds=fds,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=lambda: die_with_parent(at_parent_death, parent),  # noqa: PLW1509 - takes no lock
    )


def stop(process: subprocess.Popen[bytes], signum: int, patience_s: float) -> None:
    """Ask a child to end; after `patience_s` kill its whole session."""
    if process.poll() is None:
        process.send_signal(signum)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    kill_session(process.pid)
    process.wait()


def kill_session(leader: int) -> None:
    """Kill what is left of the session that `leader` began."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def working_directory(pid: int) -> Path | None:
    """The directory a live process works in; None when there is no such process or it cannot be seen."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None
