"""`manage.py up` as a person meets it: started, answered, interrupted, killed, started again."""

from __future__ import annotations

import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from apcweb.places import wipe
from tests.trials import rounds, seeds

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240  # an empty database is migrated while other workers start, too
PARTS = ("postgres", "valkey-server", "apcweb.web")
pytestmark = [pytest.mark.timeout(500)]


class Up:
    """One installation in a folder of its own, without the demo's data."""

    def __init__(self, folder: Path) -> None:
        self.var = folder / "var"
        self.log = folder / "said"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.env = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
        self.env |= {"APC_VAR": str(self.var), "APC_PORT": str(self.port), "APC_DEBUG": "1"}
        self.env |= {name: secrets.token_urlsafe(50) for name in ("APC_SECRET_KEY", "APC_AUDIT_KEY")}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(ROOT / "manage.py"), "up", "--workers=1", *words]
        with self.log.open("wb") as log:
            return subprocess.Popen(argv, env=self.env, stdout=log, stderr=log)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def running(self) -> subprocess.Popen[bytes]:
        """Started, unless it runs already."""
        if self.process is None or self.process.poll() is not None:
            process = self.process = self.start("--only=web,worker,beat")
            wait_until(lambda: "running; Ctrl-C" in self.said() or process.poll() is not None, self.said)
            assert process.poll() is None, self.said()
        return self.process

    def serves(self) -> bool:
        with suppress(httpx.HTTPError):
            told = httpx.get(f"{self.url}/readyz").json()
            return bool(told["database"]["ok"] and told["redis"]["ok"])
        return False

    def those_of(self, name: str) -> list[int]:
        """The processes of one part."""
        find = re.compile(rf"\b{re.escape(name)}\b")
        return [pid for pid in self.processes() if find.search(Path(f"/proc/{pid}/cmdline").read_text())]

    def processes(self) -> list[int]:
        """Everything alive that was started for this folder."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self.owns(entry)]

    def owns(self, entry: Path) -> bool:
        with suppress(OSError):
            if entry.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return False
            mine = str(self.var).encode()
            return mine in entry.joinpath("environ").read_bytes() + entry.joinpath("cmdline").read_bytes()
        return False


def wait_until(condition: Callable[[], object], why: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


@contextmanager
def in_a_folder_of_its_own() -> Iterator[Up]:
    folder = Path(tempfile.mkdtemp(prefix="apc-up-"))
    folder.chmod(0o711)
    installation = Up(folder)
    yield installation
    for pid in installation.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wipe(installation.var)
    shutil.rmtree(folder)


@pytest.fixture
def empty() -> Iterator[Up]:
    with in_a_folder_of_its_own() as up:
        yield up


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """One folder for all: each start goes on with what the start before it left."""
    with in_a_folder_of_its_own() as up:
        yield up


def test_from_an_empty_folder_to_a_page_and_ctrl_c_ends_every_child(up: Up) -> None:
    process = up.running()
    assert httpx.get(f"{up.url}/healthz").json() == {"status": "ok"}
    assert up.serves()
    assert f"open {up.url}/" in up.said()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert up.said().splitlines()[-2:] == ["apc: stopping", "apc: everything has ended"]
    wait_until(lambda: not up.processes(), lambda: f"still alive: {up.processes()}")


def test_a_second_one_on_the_same_folder_is_refused_and_harms_nothing(up: Up) -> None:
    up.running()
    second = up.start()
    assert second.wait(PATIENCE_S) != 0
    assert up.said().strip() == f"apc: another `up` already runs on {up.var}, at {up.url}/."
    assert httpx.get(f"{up.url}/healthz").status_code == 200


@pytest.mark.parametrize("seed", seeds([1], more=10))
def test_whatever_is_killed_comes_back(up: Up, seed: int) -> None:
    process = up.running()
    for name in random.Random(seed).sample(PARTS, len(PARTS)):
        first = up.those_of(name)
        assert len(first) == 1
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: up.those_of(name) not in ([], first), up.said)  # noqa: B023
        wait_until(up.serves, up.said)
    assert process.poll() is None


@pytest.mark.parametrize("times", rounds(1, 10))
def test_kill_9_ends_every_child_and_the_next_start_recovers(up: Up, times: int) -> None:
    for _ in range(times):
        process = up.running()
        process.kill()
        process.wait()
        wait_until(lambda: not up.processes(), lambda: f"still alive: {up.processes()}")
    process = up.running()
    assert up.serves()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


def test_a_taken_port_stops_the_start_before_anything_is_made(empty: Up) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", empty.port))
        other.listen()
        process = empty.start()
        assert process.wait(PATIENCE_S) != 0
    assert empty.said().startswith(f"apc: port {empty.port}")
    assert "set APC_PORT" in empty.said()
    assert len(empty.said().strip().splitlines()) == 1
    assert not (empty.var / "postgresql").exists()


def test_outside_the_demo_servers_must_be_named(empty: Up) -> None:
    empty.env |= {"APC_DEBUG": "0"}
    process = empty.start()
    assert process.wait(PATIENCE_S) != 0
    assert "DATABASE_URL is not set" in empty.said()
