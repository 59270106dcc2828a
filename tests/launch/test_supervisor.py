"""The supervisor keeps its children alive and ends them together, however it ends itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from apcweb.places import ServerError
from apcweb.servers import locked
from apcweb.supervisor import LONGEST_PAUSE_S, Child, Supervisor, listen, run_to_end

ROOT = Path(__file__).parents[2]
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


def pid_of(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    child = Child("sleeper", SLEEP)
    with Supervisor(tmp_path, said.append) as supervisor:
        supervisor.start(child)
        first = pid_of(child)
        os.kill(first, signal.SIGKILL)

        def replaced() -> bool:
            supervisor.look()
            return child.process is not None and child.process.pid != first

        wait_until(replaced, "a new sleeper")
    assert said == ["sleeper ended (signal 9); starting it again in 0.5 s"]


def test_a_child_that_keeps_failing_is_started_less_and_less_often() -> None:
    child = Child("broken", ["false"])
    pauses = []
    for failures in range(1, 12):
        child.failures = failures
        pauses.append(child.pause_s())
    assert pauses == sorted(pauses)
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_children_are_stopped_in_reverse_order(tmp_path: Path) -> None:
    note = tmp_path / "order"
    code = """
        import signal, sys, time
        def end(*_):
            open(sys.argv[1], "a").write(sys.argv[2] + " ")
            sys.exit()
        signal.signal(signal.SIGTERM, end)
        open(sys.argv[1] + sys.argv[2], "w").close()
        time.sleep(60)
    """
    names = ["first", "second", "third"]
    children = [Child(name, [sys.executable, "-c", textwrap.dedent(code), str(note), name]) for name in names]
    with Supervisor(tmp_path, print) as supervisor:
        for child in children:
            supervisor.start(child)
        wait_until(lambda: all(Path(f"{note}{name}").exists() for name in names), "all children ready")
    assert note.read_text().split() == ["third", "second", "first"]


def supervise_elsewhere(tmp_path: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Another process that supervises two children, one of which has a child of its own; and all their ids."""
    code = f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from apcweb.supervisor import Child, Supervisor
        here = Path({str(tmp_path)!r})
        children = [Child("one", [sys.executable, "-c", "import time; time.sleep(60)"]), Child("two", ["sleep", "60"])]
        with Supervisor(here, print) as supervisor:
            for child in children:
                supervisor.start(child)
            (here / "pids").write_text(" ".join(str(child.process.pid) for child in children) + " end")
            while True:
                supervisor.look()
                time.sleep(0.05)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.DEVNULL)
    pids = tmp_path / "pids"
    wait_until(lambda: pids.exists() and pids.read_text().endswith("end"), "the children")
    return process, [int(word) for word in pids.read_text().split()[:-1]]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_the_supervisor(tmp_path: Path, signum: int) -> None:
    supervisor, children = supervise_elsewhere(tmp_path)
    assert all(alive(pid) for pid in children)
    supervisor.send_signal(signum)
    supervisor.wait(timeout=30)
    wait_until(lambda: not any(alive(pid) for pid in children), "the end of every child")


def test_a_second_one_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    lock = partial(locked, tmp_path / "up.lock", "another `up` already runs.")
    with lock(), pytest.raises(ServerError, match="already runs"), lock():
        pass
    with lock():
        pass


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.socket() as other, ExitStack() as held:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ServerError, match=r"port \d+ of 127\.0\.0\.1 cannot be used .*APC_PORT"):
            listen("127.0.0.1", other.getsockname()[1], held)


def test_a_step_that_fails_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="failed with code 3"):
        run_to_end([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, {})
