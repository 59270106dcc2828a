"""`manage.py up`: everything under one supervisor, from an empty folder to a page."""

from __future__ import annotations

import os
import signal
import sys
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections
from django.utils import timezone

from apcweb.places import ServerError, make_var
from apcweb.servers import Servers, locked
from apcweb.supervisor import LOOK_EVERY_S, Child, Supervisor, listen, run_to_end
from control.actions import loops
from control.core.demotion import Trigger
from control.demo import plants
from control.models import Loop, Site

PAGE_S = 60.0  # until the first page answers
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # small matrices: more threads only get in the way
SERVICE = {"APC_ROLE": "service", "CELERY_SKIP_CHECKS": "1", **ONE_THREAD}  # checks would load every page
WEB = {"APC_ROLE": "web", "APC_POOL": "1", **ONE_THREAD}
CELERY = [sys.executable, "-m", "celery", "-A", "apcweb.celery", "-q"]
DEMO_ACCOUNTS = ("operator", "supervisor", "engineer", "admin", "viewer")


class Command(BaseCommand):
    help = "Start the servers (embedded unless named by URL), the web, the workers and, in the demo, the twin."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=int, default=2, help="Celery pool processes (default 2)")
        parser.add_argument("--only", metavar="NAMES", help="start only these children, separated by commas")

    def handle(self, *args: Any, **options: Any) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell may have left SIGINT ignored
            signal.signal(signum, signal.default_int_handler)
        try:
            with ExitStack() as held:
                try:
                    self.run(held, options["workers"], options["only"])
                except KeyboardInterrupt:
                    self.say("stopping")
                    raise
        except KeyboardInterrupt:
            self.say("everything has ended")
        except ServerError as error:
            sys.exit(f"apc: {error}")

    def run(self, held: ExitStack, workers: int, only: str | None) -> None:
        var = make_var(settings.APC_VAR_DIR)
        lock = var / "up.lock"  # who holds it has written his address into it
        held.enter_context(locked(lock, f"another `up` already runs on {var}{at(lock)}."))
        door = listen(settings.APC_BIND, settings.APC_PORT, held)
        lock.write_text(address())
        servers = self.start_servers(held)
        self.prepare_database()
        self.collect_static()
        kinds = children(workers, door.fileno())
        chosen = [child for child in kinds if only is None or child.name in only.split(",")]
        self.say("starting " + ", ".join(child.name for child in chosen))
        supervisor = held.enter_context(Supervisor(settings.BASE_DIR, self.say))
        for child in chosen:
            supervisor.start(child)
            if child.name == "web":  # the others would compete with the first page for the processors
                self.wait_for_page(supervisor)
        self.say("running; Ctrl-C ends everything")
        while True:
            supervisor.look()
            servers.revive(self.say)
            time.sleep(LOOK_EVERY_S)

    def start_servers(self, held: ExitStack) -> Servers:
        named = {name: bool(os.environ.get(name)) for name in ("DATABASE_URL", "REDIS_URL")}
        if not all(named.values()) and not (settings.APC_DEMO or settings.DEBUG):
            missing = next(name for name, given in named.items() if not given)
            raise ServerError(f"{missing} is not set; embedded servers are for the demo (APC_DEMO=1) only.")
        servers = Servers(settings.APC_VAR_DIR, postgres=not named["DATABASE_URL"], valkey=not named["REDIS_URL"])
        for folder in servers.here.outside():
            self.say(f"{folder} holds what cannot be under {servers.here.var}; `make wipe` removes both")
        if servers.wanted:
            self.say("starting " + " and ".join(kind.name for kind in servers.wanted) + f" in {servers.here.home}")
        held.enter_context(servers)
        return servers

    def prepare_database(self) -> None:
        self.say("bringing the database up to date")
        call_command("migrate", interactive=False, verbosity=0)
        loops.stand_down(Loop.objects.all(), actor="up", code=Trigger.RESTART, now=timezone.now())
        fresh = settings.APC_DEMO and not Site.objects.exists()
        outdated = settings.APC_DEMO and plants.outdated()
        connections.close_all()
        if fresh:
            self.say("seeding a past shift for the demo; this takes up to a minute, once")
        elif outdated:
            self.say("bringing the demo's plant up to this version")
        if fresh or outdated:
            run_to_end(manage("seed_demo"), settings.BASE_DIR, {"APC_ROLE": "command"})

    def collect_static(self) -> None:
        """Collect the static files for the web process when one is newer than the last collection."""
        manifest = settings.STATIC_ROOT / "staticfiles.json"
        if settings.DEBUG or (manifest.exists() and newest_static() < manifest.stat().st_mtime):
            return
        self.say("collecting static files")
        run_to_end(manage("collectstatic", "--noinput", "-v0"), settings.BASE_DIR, {"APC_ROLE": "web"})

    def wait_for_page(self, supervisor: Supervisor) -> None:
        host = local_name(settings.APC_BIND)
        deadline = time.monotonic() + PAGE_S
        while not answers(host):
            if time.monotonic() > deadline:
                raise ServerError(f"no page answered within {PAGE_S:.0f} s; the reason is in the lines above.")
            supervisor.look()
            time.sleep(LOOK_EVERY_S)
        self.say(f"open {address()}")
        if settings.APC_DEMO:
            self.say(f"sign in as {', '.join(DEMO_ACCOUNTS)}; password {demo_password()}")

    def say(self, line: str) -> None:
        self.stdout.write(f"apc: {line}")
        self.stdout.flush()


def children(workers: int, door: int) -> list[Child]:
    """What runs, in the order it starts."""
    var = settings.APC_VAR_DIR
    pool = [f"--concurrency={workers}", "--without-gossip", "--without-mingle", "--loglevel=WARNING"]
    services = ["pulse", "dispatch", *(["twin"] if settings.APC_DEMO else []), "collect"]
    return [
        Child("web", [sys.executable, "-m", "apcweb.web", str(door)], WEB, fds=[door]),
        Child("worker", [*CELERY, "worker", *pool], SERVICE),
        Child("beat", [*CELERY, "beat", f"--schedule={var / 'beat'}", "--pidfile=", "--loglevel=WARNING"], SERVICE),
        *(Child(name, manage(name), SERVICE) for name in services),
    ]


def demo_password() -> str:
    """The password that works: accounts keep the one they were made with, whatever the environment says later."""
    operator = User.objects.filter(username=DEMO_ACCOUNTS[0]).first()
    connections.close_all()
    fits = operator is not None and operator.check_password(settings.APC_DEMO_PASSWORD)
    return settings.APC_DEMO_PASSWORD if fits else "as it was when they were made, not APC_DEMO_PASSWORD as it is now"


def manage(*words: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]


def newest_static() -> float:
    """When the youngest static file was last changed, in epoch seconds."""
    found = ((storage, path) for finder in get_finders() for path, storage in finder.list([]))
    return max(storage.get_modified_time(path).timestamp() for storage, path in found)


def at(lock: Path) -> str:
    """Where the one that holds the lock serves, as a part of a sentence."""
    told = lock.read_text() if lock.exists() else ""
    return f", at {told}" if told else ""


def address() -> str:
    """Where a local visitor finds the pages."""
    host = local_name(settings.APC_BIND)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.APC_PORT}/"


def local_name(bound: str) -> str:
    """The bound address as a local visitor names it."""
    return "localhost" if ip_address(bound).is_unspecified else bound


def answers(host: str) -> bool:
    """Whether our web process serves; nobody else can be behind the socket we hold."""
    connection = HTTPConnection(host, settings.APC_PORT, timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Host": settings.ALLOWED_HOSTS[0].lstrip(".")})
        return connection.getresponse().status == HTTPStatus.OK
    except (HTTPException, OSError):
        return False
    finally:
        connection.close()
