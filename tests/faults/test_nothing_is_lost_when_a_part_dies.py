"""kill -9, wipes and restarts under live data: the machine's own sequence, PostgreSQL and a socket say what happened.

The demo's twin keeps sending while parts die. A snapshot that was lost leaves a hole in the twin's sequence; a
prediction made twice or not at all shows against the snapshots; a chart's hole shows against the table.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.installation import Installation, wait_until
from tests.trials import SEED, trial

PREDICTED = 0
pytestmark = [pytest.mark.timeout(240)]


class Browser:
    """A page's socket: follows one equipment, comes back after every end, and asks for what it missed."""

    def __init__(self, site: Installation, equipment: int) -> None:
        self.site, self.stream = site, f"equipment:{equipment}"
        client = site.signed_in("viewer")
        self.cookie = f"apc_session={client.cookies['apc_session']}"
        self.first: int | None = None
        self.head = 0
        self.seen: list[int] = []
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        wait_until(lambda: self.first is not None, 20, "a first picture")

    def leave(self) -> None:
        self._left.set()
        self._thread.join(10)

    def _follow(self) -> None:
        while not self._left.is_set():
            try:
                self._once()
            except (OSError, ConnectionClosed, TimeoutError):
                time.sleep(0.3)

    def _once(self) -> None:
        address = f"ws://127.0.0.1:{self.site.port}/ws/v1/live"
        with connect(address, additional_headers={"Cookie": self.cookie}, origin=self.site.url) as socket:
            socket.send(json.dumps({"type": "sub", "stream": self.stream, "since": self.head or None}))
            while not self._left.is_set():
                self._hear(json.loads(socket.recv(timeout=5)))

    def _hear(self, message: dict) -> None:
        if message["type"] == "snapshot":
            assert self.first is None, "a second snapshot would hide a hole"
            self.first = self.head = message["seq_to"]
        elif message["type"] == "points":
            assert message["seq_from"] <= self.head + 1, "a hole nobody filled"
            self.seen += [point["seq"] for point in message["points"] if point["seq"] > self.head]
            self.head = max(self.head, message["seq_to"])


@pytest.fixture
def coater(installation: Installation) -> int:
    rows = installation.sql(
        "SELECT e.id FROM control_equipment e JOIN control_line l ON l.id = e.line_id"
        " WHERE e.key = 'coater' AND l.key = 'cathode-1'"
    )
    return rows[0][0]


@pytest.fixture
def browser(installation: Installation, coater: int) -> Iterator[Browser]:
    follower = Browser(installation, coater)
    yield follower
    follower.leave()


def kill_the_worker(site: Installation) -> None:
    site.kill("celery.*worker")


def kill_the_collector(site: Installation) -> None:
    site.kill("manage.py collect")


def kill_the_web(site: Installation) -> None:
    site.kill("apcweb.web")


def wipe_redis(site: Installation) -> None:
    site.redis().flushall()


def restart_redis(site: Installation) -> None:
    site.kill("valkey-server|redis-server")


def kill_postgres(site: Installation) -> None:
    site.kill_postgres()


Fault = Callable[[Installation], None]
FAULTS: list[Fault] = [kill_the_worker, kill_the_collector, kill_the_web, wipe_redis, restart_redis, kill_postgres]


def clock(site: Installation) -> datetime:
    return site.sql("SELECT now()")[0][0]


def newest(site: Installation, coater: int) -> datetime:
    return site.sql("SELECT max(at) FROM control_point WHERE equipment_id = %s AND by = %s", coater, PREDICTED)[0][0]


def holes(site: Installation, coater: int, since: datetime, until: datetime) -> int:
    """Sequence numbers of the twin that are not in the trace."""
    query = (
        "SELECT max(sequence) - min(sequence) + 1 - count(*) FROM control_snapshot"
        " WHERE equipment_id = %s AND at BETWEEN %s AND %s"
    )
    return site.sql(query, coater, since, until)[0][0]


def wrongly_predicted(site: Installation, coater: int, since: datetime, until: datetime) -> list[tuple]:
    """Snapshots that have not exactly one prediction for each of the coater's eight streams."""
    query = (
        "SELECT s.at, count(p.seq) FROM control_snapshot s LEFT JOIN control_point p"
        " ON p.equipment_id = s.equipment_id AND p.at = s.at AND p.by = %s"
        " WHERE s.equipment_id = %s AND s.at BETWEEN %s AND %s GROUP BY s.at HAVING count(p.seq) <> 8"
    )
    return site.sql(query, PREDICTED, coater, since, until)


@pytest.mark.parametrize(
    "faults",
    [*([fault] for fault in FAULTS), trial(random.Random(SEED).choices(FAULTS, k=25), "trial-25")],
    ids=lambda faults: faults[0].__name__,
)
def test_nothing_is_lost_or_doubled_and_the_chart_has_no_hole(
    installation: Installation, coater: int, browser: Browser, faults: list[Fault]
) -> None:
    began = clock(installation)
    wait_until(lambda: newest(installation, coater) > began, 20, "live data before the fault")
    for fault in faults:
        fault(installation)
        struck = wait_until(lambda: clock(installation), 20, "PostgreSQL answers again")
        fresh = lambda: (newest(installation, coater) - struck).total_seconds() > 3  # noqa: B023, E731
        wait_until(fresh, 60, "fresh predictions afterwards")
    until = newest(installation, coater)
    assert holes(installation, coater, began, until) == 0
    assert wrongly_predicted(installation, coater, began, until) == []
    head = installation.sql("SELECT head_seq FROM control_cursor WHERE equipment_id = %s", coater)[0][0]
    wait_until(lambda: browser.head >= head, 15, "the chart is current again")
    assert browser.first is not None
    assert browser.seen == list(range(browser.first + 1, browser.head + 1))


def test_the_site_is_ready_again_after_all_of_that(installation: Installation) -> None:
    wait_until(lambda: installation.signed_in("viewer").get("/readyz").json()["ready"], 30, "ready")
