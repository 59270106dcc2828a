"""From a fresh clone to a page with data: `make run` as a newcomer meets it, Ctrl-C, and the next start.

HEAD of this repository is cloned into a temporary folder and run there on a free port with nothing in its data folder;
what is not committed is not measured. Packages come from uv's cache where it has them, for both ways alike: the bare
installation comes first and fills it, so the registry is not in the figures. The page is there when the overview
shows a signed-in operator predicted values. Run: python -m bench.start
"""

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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.scratch import ROOT, table

PASSWORD = secrets.token_urlsafe(12)
PATIENCE_S, ENDS_S, LOOK_S = 600.0, 60.0, 0.02
NOT_OURS = re.compile(r"APC_|MAKE|MFLAGS|VIRTUAL_ENV|PYTHON|DJANGO_|DATABASE_URL|REDIS_URL")
PREDICTED = '<path class="predicted" d="M0 10'  # the mark of a value on the overview, not that of its legend
COLD = {
    "installed": "apc: starting postgresql",
    "servers up": "apc: bringing the database up to date",
    "migrated": "apc: seeding",
    "seeded": "seed_demo: 2 lines",
    "first page": "apc: open http",
}
WARM = {"looked at": COLD["installed"], "servers up": COLD["servers up"], "first page": COLD["first page"]}


@dataclass
class Run:
    """One `make run`, and when it said what; seconds from its start."""

    folder: Path
    env: dict[str, str]
    log: Path
    said: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Run:
        from apcweb.processes import spawn

        with self.log.open("wb") as output:
            self.began = time.perf_counter()
            self.process = spawn(
                ["make", "run"], env=self.env, cwd=self.folder, output=output, at_parent_death=signal.SIGINT
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Ctrl-C, as a terminal sends it: to make and what it runs; what does not end then is killed."""
        from apcweb.processes import kill_session

        pressed = time.perf_counter()
        try:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(ENDS_S)
        finally:
            kill_session(self.process.pid)
            self.process.wait()
        self.said["ended"] = time.perf_counter() - pressed

    def follow(self, marks: dict[str, str]) -> None:
        for part, words in marks.items():
            self.until(part, lambda words=words: words in self.log.read_text(errors="replace"))

    def until(self, part: str, holds: Callable[[], bool]) -> None:
        while not holds():
            if self.process.poll() is not None or time.perf_counter() - self.began > PATIENCE_S:
                raise SystemExit(f"not {part}:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(LOOK_S)
        self.said[part] = time.perf_counter() - self.began

    def look_at_the_overview(self) -> None:
        """Sign in as the operator and ask for the overview until it has predictions."""
        import httpx

        with httpx.Client(base_url=f"http://127.0.0.1:{self.env['APC_PORT']}", follow_redirects=True) as browser:
            form = browser.get("/accounts/login/").text
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
            told = {"csrfmiddlewaretoken": token, "username": "operator", "password": PASSWORD}
            browser.post("/accounts/login/", data=told).raise_for_status()
            self.until("overview with predictions", lambda: PREDICTED in browser.get("/").text)


def main() -> None:
    if not (ROOT / ".git").exists():
        print("no git repository to clone: nothing measured")
        return
    from apcweb.places import make_var, wipe

    for signum in (signal.SIGTERM, signal.SIGHUP):  # whoever ends us ends what we started
        signal.signal(signum, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="apc-bench-"))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    var, bare_var = folder / "var", make_var(folder / "bare")
    try:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "clone")], check=True)
        env = _environment(var)
        packages = _seconds(lambda: _install_bare(folder / "venv", env))
        cluster, restart = _postgres_bare(bare_var)
        imported = _seconds(lambda: _import_bare(bare_var))
        cold, warm = (_started(folder, env, marks) for marks in (COLD, WARM))
        simulated = _seconds(lambda: _simulate_bare(bare_var))
    finally:
        for used in (var, bare_var):
            wipe(used)
        shutil.rmtree(folder, ignore_errors=True)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    page = ("importing the application", imported)
    _tell(f"Cold: `make run` from a clone to a page with data, {load}", cold, {
        "installed": ("venv and bare `uv pip install`", packages),
        "servers up": ("initdb and start of PostgreSQL alone", cluster),
        "seeded": ("the two twins alone, the same hours", simulated),
        "first page": page,
    })  # fmt: skip
    _tell(f"Warm: the next `make run`, {load}", warm, {
        "servers up": ("start of PostgreSQL alone", restart), "first page": page,
    })  # fmt: skip


def _environment(var: Path) -> dict[str, str]:
    """A newcomer's: nothing of this measurement's own but where to be."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    return {
        **{name: value for name, value in os.environ.items() if not NOT_OURS.match(name)},
        "APC_VAR": str(var),
        "APC_PORT": str(port),
        "APC_DEMO_PASSWORD": PASSWORD,
        "PYTHON": str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"),
    }


def _started(folder: Path, env: dict[str, str], marks: dict[str, str]) -> dict[str, float]:
    with Run(folder / "clone", env, folder / "said") as run:
        run.follow(marks)
        run.look_at_the_overview()
    return run.said


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _install_bare(venv: Path, env: dict[str, str]) -> None:
    subprocess.run([env["PYTHON"], "-m", "venv", "--without-pip", str(venv)], check=True)
    install = ["pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), "-r", "requirements.txt"]
    subprocess.run([sys.executable, "-m", "uv", *install], check=True, cwd=ROOT, env=env)


def _postgres_bare(var: Path) -> tuple[float, float]:
    """Seconds to make and start a cluster with PostgreSQL's own programs, and to start it again."""
    from apcweb.places import claim, places, postgres_binaries
    from apcweb.processes import spawn

    here = places(var)
    if here.home != here.var:
        claim(here.home, 0o711)
    binaries, data = postgres_binaries(here), claim(here.home / "postgresql", 0o700, here.account)
    sockets = claim(here.sockets, 0o700, here.account)
    log = claim(here.home / "log", 0o700, here.account) / "postgresql.log"
    control = [binaries / "pg_ctl", "-D", data, "-w", "-l", log]
    start = [*control, "-o", f"-k {sockets} -c listen_addresses=''", "start"]

    def run(*commands: list) -> None:
        for command in commands:
            with (var / "said").open("wb") as output:
                done = spawn(
                    command, env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, cwd=here.home, output=output,
                    account=here.account,
                )  # fmt: skip
                if done.wait():
                    raise SystemExit(f"{command[0].name}: {(var / 'said').read_text()}")

    stop = [*control, "-m", "fast", "stop"]
    try:
        cluster = _seconds(lambda: run([binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust"], start))
        run(stop)
        restart = _seconds(lambda: run(start))
    finally:
        if (data / "postmaster.pid").exists():
            run(stop)
    return cluster, restart


def _import_bare(var: Path) -> None:
    env = os.environ | _settings(var)
    subprocess.run([sys.executable, "-W", "ignore", "-c", "import apcweb.asgi"], check=True, cwd=ROOT, env=env)


def _simulate_bare(var: Path) -> None:
    """The demo's twins through the hours that are seeded; nothing is stored, predicted or decided."""
    command = [sys.executable, "-m", "bench.start", "twins"]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | _settings(var))


def _settings(var: Path) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "apcweb.settings", "APC_DEMO": "1", "APC_VAR": str(var)}


def twins() -> None:
    import django

    django.setup()
    from django.conf import settings

    from control.demo import lines, plants

    for name in plants.PLANTS:
        twin = lines.twin(name, settings.APC_DEMO_HOURS)
        for second in range(1, round(settings.APC_DEMO_HOURS * 3600) + 1):
            twin.step(1.0, float(second))


def _tell(title: str, said: dict[str, float], beside: dict[str, tuple[str, float]]) -> None:
    rows, before = [], 0.0
    for part, at in said.items():
        took = at if part == "ended" else at - before
        what, peer = beside.get(part, ("-", float("nan")))
        figures = [f"{peer:.1f}", f"{took / peer:.1f}"] if part in beside else ["-", "-"]
        rows.append([part, f"{took:.1f}", "-" if part == "ended" else f"{at:.1f}", what, *figures])
        before = at
    table(title, ["part", "seconds", "since the start", "beside", "bare s", "ours / bare"], rows)


if __name__ == "__main__":
    twins() if sys.argv[1:] == ["twins"] else main()
