"""A whole installation as a user starts it: `manage.py up` with its own data, servers, workers, twin and port."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import redis

from apcweb.places import embedded_database_url, embedded_redis_url, places, wipe
from control.connectors import TWIN_SOCKET
from control.connectors.twin import TwinConnector

ROOT = Path(__file__).parent.parent
PASSWORD = "twelve-lanes-and-a-press"
UP_S = 180.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 0.5
INHERITED = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR")


def wait_until(holds: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of ``holds``, asked ever less often: each question takes processor time from the answer.

    Errors of a service that is just away count as not yet.
    """
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_S
    while True:
        try:
            if answer := holds():
                return answer
        except (httpx.HTTPError, psycopg.OperationalError, redis.RedisError, psutil.Error):
            pass
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(pause)
        pause = min(LONGEST_PAUSE_S, 1.2 * pause)


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


class Installation:
    """`up` on a folder of its own. Seeded with the demo's plants and a short past shift."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.log = var / "up.log"
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            self.port = door.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.up: subprocess.Popen[bytes] | None = None
        self.said_before = 0
        self.env = {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "APC_VAR": str(var),
            "APC_PORT": str(self.port),
            "APC_DEMO": "1",
            "APC_DEMO_PASSWORD": PASSWORD,
            "APC_DEMO_HOURS": "0.25",
        }

    def start(self) -> None:
        self.said_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.up = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--workers=1"],
                cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(self._ready, UP_S, f"the installation answers ({self.log})")

    def _ready(self) -> bool:
        assert self.up is not None
        assert self.up.poll() is None, f"`up` ended:\n{self.log.read_text()[-3000:]}"
        twin = places(self.var).run / TWIN_SOCKET
        return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200 and twin.exists()

    def said_since_start(self) -> str:
        return self.log.read_bytes()[self.said_before :].decode()

    def stop(self) -> None:
        if self.up is not None:
            self.up.send_signal(signal.SIGINT)
            self.up.wait(60)
            self.up = None
            wipe(self.var)

    def processes(self, words: str) -> list[psutil.Process]:
        """The installation's processes whose command line matches, servers' children included."""
        assert self.up is not None
        children = psutil.Process(self.up.pid).children(recursive=True)
        return [child for child in children if re.search(words, _command_line(child))]

    def kill(self, words: str) -> None:
        """kill -9, as the kernel would when memory runs out."""
        victims = self.processes(words)
        assert victims, f"no process runs {words}"
        for victim in victims:
            with suppress(psutil.NoSuchProcess):  # it went with its parent
                victim.kill()

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(embedded_database_url(self.var), autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def another_batch(self, size: float) -> None:
        """Slurry with that share more solids reaches the cathode's coater now, not when the scenario says."""
        twin = TwinConnector(places(self.var).run / TWIN_SOCKET, "cathode-1/coater")
        twin.open()
        twin.disturb({"kind": "solids_step", "size": size})
        twin.close()

    def open_change(self, loop: str) -> tuple[int, str] | None:
        """The change of that loop on the cathode line that waits for somebody, and for whom."""
        rows = self.sql(
            "SELECT c.id, c.needs FROM control_change c JOIN control_loop o ON o.id = c.loop_id JOIN control_line l"
            " ON l.id = c.line_id WHERE l.key = 'cathode-1' AND o.key = %s"
            " AND c.state IN ('pending_operator', 'pending_supervisor')",
            loop,
        )
        return rows[0] if rows else None

    def written(self, line: str) -> list[dict[str, Any]]:
        """The machine's own log: every command it decided on."""
        log = self.var / "twin" / f"{line}.log.jsonl"
        return [json.loads(entry) for entry in log.read_text().splitlines()] if log.exists() else []

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(embedded_redis_url(self.var), socket_timeout=5)

    def kill_postgres(self) -> None:
        pid = int((places(self.var).postgres_data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def signed_in(self, name: str) -> httpx.Client:
        """A browser's worth of cookies for one of the demo people."""
        client = httpx.Client(base_url=self.url, timeout=10, follow_redirects=True)
        client.get("/accounts/login/")
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["apc_csrf"]}
        answer = client.post("/accounts/login/", data=form, headers={"Referer": self.url})
        assert answer.status_code == 200, answer.text[:500]
        assert "apc_session" in client.cookies, f"{name} could not sign in"
        return client

    def post(self, client: httpx.Client, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        guard = {"X-CSRFToken": client.cookies["apc_csrf"], "Referer": self.url}
        return client.post(path, json=body, headers={**guard, **headers})
