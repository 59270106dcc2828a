"""Points the settings at private embedded servers, and starts them when a collected test can need them.

It is loaded before pytest-django reads the settings (`addopts = -p tests.plugin`). Given DATABASE_URL and REDIS_URL the
named servers are used and nothing is started. Tests of the pure core never start a server.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from apcweb.places import embedded_database_url, embedded_redis_url, wipe
from apcweb.servers import Postgres, Servers

ROOT = Path(__file__).parent.parent
PURE = ROOT / "tests" / "core"

var = Path(tempfile.mkdtemp(prefix="apc-test-"))
var.chmod(0o711 if os.geteuid() == 0 else 0o700)  # the account that runs PostgreSQL for root passes through
(var / "static").mkdir()  # whitenoise warns of a missing folder
ours = os.environ.get("APC_TEST_OWN_SERVERS", "")  # a second process of the same run starts its own, too
wants_postgres, wants_valkey = (url in ours or not os.environ.get(url) for url in ("DATABASE_URL", "REDIS_URL"))
servers = Servers(var, postgres=wants_postgres, valkey=wants_valkey)

os.environ.update(
    DJANGO_SETTINGS_MODULE="apcweb.settings",
    APC_VAR=str(var),
    APC_SECRET_KEY=secrets.token_urlsafe(50),
    APC_AUDIT_KEY=secrets.token_urlsafe(50),
    APC_DEBUG="0",
    APC_DEMO="0",
    APC_HTTPS="0",
    OMP_NUM_THREADS="1",  # small matrices: more threads only get in each other's way
    OPENBLAS_NUM_THREADS="1",
)
os.environ.setdefault("APC_SEED", str(secrets.randbelow(10**6)))  # the workers of a run draw the same trials
if wants_postgres:
    os.environ["DATABASE_URL"] = embedded_database_url(var)
if wants_valkey:
    os.environ["REDIS_URL"] = embedded_redis_url(var)
os.environ["APC_TEST_OWN_SERVERS"] = "DATABASE_URL " * wants_postgres + "REDIS_URL" * wants_valkey


# Files whose tests share what is dear to set up, each lot on one worker. By name: xdist 3.8 writes
# the group of its marker where pytest 9.2 no longer reads, so that each worker started a line of its own.
# They run in this order: one batch of slurry brings a change to the first two, and what came of it is known minutes
# later, in which parts may die and no change is wanted
TOGETHER = {
    "tests/browser/test_the_whole_path.py": "installation",
    "tests/faults/test_a_write_survives_its_writer.py": "installation",
    "tests/faults/test_nothing_is_lost_when_a_part_dies.py": "installation",
    "tests/browser/test_what_came_of_it.py": "installation",
    "tests/faults/test_many_approvals.py": "installation",
    "tests/faults/test_rights_end_without_redis.py": "installation",
    "tests/faults/test_a_restart_says_bye.py": "installation",
    "tests/faults/test_a_stop_holds_within_a_second.py": "installation",
    "tests/faults/test_a_second_start_finds_its_data.py": "installation",
    "tests/launch/test_up.py": "up",
    "tests/test_seed_demo.py": "demo",
}


class Together(LoadScopeScheduling):
    """Hands out whole files, since their tests share what one of them had made, and those of a lot together, first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return TOGETHER.get(file, file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(TOGETHER)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    config.option.loadscopereorder = False  # the order above, not the file with the most tests first
    return Together(config, log)  # type: ignore[arg-type]


def pytest_collection_finish(session: pytest.Session) -> None:
    if any(not item.path.is_relative_to(PURE) for item in session.items) and not session.config.option.collectonly:
        servers.start()
        for server in servers.all:
            if isinstance(server, Postgres):
                forget_at_power_failure(server)


def forget_at_power_failure(server: Postgres) -> None:
    """What tests wrote is thrown away, so no commit need wait for the disk; kill -9 still loses nothing."""
    with server.connect() as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.markexpr == "trial":
        terminalreporter.write_line(f"The same trials again: APC_SEED={os.environ['APC_SEED']} make trials")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    servers.stop()
    wipe(var)
    shutil.rmtree(var, ignore_errors=True)


@pytest.fixture(scope="session")
def embedded_servers() -> Servers:
    """The running embedded servers, for tests that stop or kill one; skipped when the servers were named by URL."""
    if not (wants_postgres and wants_valkey):
        pytest.skip("the servers were named by DATABASE_URL and REDIS_URL")
    return servers
