"""`manage.py up` as a person meets it: started, answered, interrupted, killed, started again."""

from __future__ import annotations

import os
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
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from apcweb.places import wipe

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


class Up:
    """One installation in a folder of its own, without the demo's data."""

    def __init__(self, folder: Path) -> None:
        self.var = folder / "var"
        self.log = folder / "said"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.env = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
        self.env |= {"APC_VAR": str(self.var), "APC_PORT": str(self.port), "APC_DEBUG": "1"}
        self.env |= {"APC_SECRET_KEY": secrets.token_urlsafe(50)}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(ROOT / "manage.py"), "up", "--workers=1", *words]
        with self.log.open("wb") as log:
            return subprocess.Popen(argv, env=self.env, stdout=log, stderr=log)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def start_and_wait(self) -> subprocess.Popen[bytes]:
        process = self.start("--only=web,worker,beat")
        wait_until(lambda: "running; Ctrl-C" in self.said() or process.poll() is not None, self.said)
        assert process.poll() is None, self.said()
        return process

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


@pytest.fixture
def up() -> Iterator[Up]:
    folder = Path(tempfile.mkdtemp(prefix="apc-up-"))
    folder.chmod(0o711)
    installation = Up(folder)
    yield installation
    for pid in installation.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wipe(installation.var)
    shutil.rmtree(folder)


def test_from_an_empty_folder_to_a_page_and_ctrl_c_ends_every_child(up: Up) -> None:
    process = up.start_and_wait()
    site = f"http://127.0.0.1:{up.port}"
    assert httpx.get(f"{site}/healthz").json() == {"status": "ok"}
    told = httpx.get(f"{site}/readyz").json()
    assert told["database"]["ok"]
    assert told["redis"]["ok"]
    assert f"open {site}/" in up.said()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    wait_until(lambda: not up.processes(), lambda: f"still alive: {up.processes()}")


def test_a_second_one_on_the_same_folder_is_refused_and_harms_nothing(up: Up) -> None:
    first = up.start_and_wait()
    second = up.start()
    assert second.wait(PATIENCE_S) != 0
    assert "another `up` already runs" in up.said()
    assert httpx.get(f"http://127.0.0.1:{up.port}/healthz").status_code == 200
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE_S) == 0


def test_kill_9_ends_every_child_and_the_next_start_recovers(up: Up) -> None:
    process = up.start_and_wait()
    process.kill()
    process.wait()
    wait_until(lambda: not up.processes(), lambda: f"still alive: {up.processes()}")
    process = up.start_and_wait()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("name", ["postgres", "valkey-server", "apcweb.web"])
def test_whatever_is_killed_comes_back(up: Up, name: str) -> None:
    process = up.start_and_wait()
    find = re.compile(rf"\b{re.escape(name)}\b")

    def victims() -> list[int]:
        return [pid for pid in up.processes() if find.search(Path(f"/proc/{pid}/cmdline").read_text())]

    first = victims()
    assert len(first) == 1
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: victims() and victims() != first, up.said)

    def serves() -> bool:
        with suppress(httpx.HTTPError):
            return all(
                httpx.get(f"http://127.0.0.1:{up.port}/readyz").json()[part]["ok"] for part in ("database", "redis")
            )
        return False

    wait_until(serves, up.said)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0


def test_a_taken_port_stops_the_start_before_anything_is_made(up: Up) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", up.port))
        other.listen()
        process = up.start()
        assert process.wait(PATIENCE_S) != 0
    assert "set APC_PORT" in up.said()
    assert len(up.said().strip().splitlines()) == 1
    assert not (up.var / "postgresql").exists()


def test_outside_the_demo_servers_must_be_named(up: Up) -> None:
    up.env |= {"APC_DEBUG": "0"}
    process = up.start()
    assert process.wait(PATIENCE_S) != 0
    assert "DATABASE_URL is not set" in up.said()
