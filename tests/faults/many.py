"""Many changes approved over HTTP on a whole installation; what came of them, by the twin's log, HTTP and SQL alone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import httpx
import psycopg

from tests.installation import ROOT, Installation

ENDS_WITHIN_S = 60.0
TRIES = 6
FIRST_S, EACH_S = 180.0, 1.5  # for a first change, and for each
UNDER_WAY = ("approved", "writing")
DONE = ("applied", "verifying", "effective", "ineffective", "reverted")
UNCONFIRMED = "unconfirmed"
T = TypeVar("T")


class Place(NamedTuple):
    """A parameter of a loop, and a step of it that an operator may approve."""

    line: str
    loop: str
    tag: str
    step: float


PLACES = (
    Place("cathode-1", "loading-top", "pump_top", 0.3),
    Place("cathode-1", "loading-bottom", "pump_bottom", 0.3),
    Place("cathode-1", "thickness", "line_force", 2.0),
    Place("anode-1", "loading-top", "pump_top", 0.3),
    Place("anode-1", "loading-bottom", "pump_bottom", 0.3),
    Place("anode-1", "thickness", "line_force", 1.0),
)


class Offers:
    """Changes put before people one at a time, by a process with the installation's settings."""

    def __init__(self, site: Installation) -> None:
        env = site.env | {"DJANGO_SETTINGS_MODULE": "apcweb.settings"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.offers"],
            cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.turn = threading.Lock()

    def __enter__(self) -> Offers:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)

    def next(self, place: Place) -> int | None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self.turn:
            self.process.stdin.write(json.dumps(place._asdict()) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())


@dataclass
class Asked:
    """A change, and what each of those who approved it was told in the end; None where no answer came."""

    change: int
    answers: dict[str, int | None] = field(default_factory=dict)

    @property
    def acknowledged(self) -> list[str]:
        return [name for name, status in self.answers.items() if status == 200]


@dataclass
class Crowd:
    """People who approve whatever comes before them, all at once, loop by loop.

    An answer that did not come, or that ``loses`` says was lost, is asked for again under the same key.
    """

    site: Installation
    loses: Callable[[], bool] = lambda: False
    names: tuple[str, ...] = ("operator", "supervisor")
    asked: list[Asked] = field(default_factory=list)
    wanted: int = 0
    until: float = 0.0

    def approve(self, count: int) -> list[Asked]:
        """At least so many changes, spread over the loops, each approved by all of them at once."""
        self.wanted, self.until = count, time.monotonic() + FIRST_S + EACH_S * count
        people = {name: persistently(partial(self.site.signed_in, name)) for name in self.names}
        with Offers(self.site) as offers, ThreadPoolExecutor(len(PLACES)) as pool:
            for work in [pool.submit(self._work, place, offers, people) for place in PLACES]:
                work.result()
        return self.asked

    def _work(self, place: Place, offers: Offers, people: dict[str, httpx.Client]) -> None:
        with ThreadPoolExecutor(len(people)) as at_once:
            while sum(bool(one.acknowledged) for one in list(self.asked)) < self.wanted:
                assert time.monotonic() < self.until, "too few changes could be approved in the time there was"
                one = self._decided(offers.next(place), people, at_once)
                if one is not None:
                    self.asked.append(one)
                    self._wait_for(one.change, people["supervisor"])

    def _decided(
        self, change: int | None, people: dict[str, httpx.Client], at_once: ThreadPoolExecutor
    ) -> Asked | None:
        if change is None:  # there is no room for one yet
            time.sleep(0.3)
            return None
        path, start = f"/api/v1/changes/{change}", threading.Barrier(len(people))
        version = persistently(lambda: next(iter(people.values())).get(path).raise_for_status()).json()["version"]

        def post(client: httpx.Client) -> int | None:
            start.wait(60)
            return self._posted(client, f"{path}/approve", {"version": version, "reason": ""})

        return Asked(change, dict(zip(people, at_once.map(post, people.values()), strict=True)))

    def _posted(self, client: httpx.Client, path: str, body: dict[str, Any]) -> int | None:
        """What was answered in the end. The same key with another body is refused, and changes nothing."""
        key, told = uuid.uuid4().hex, None
        for _ in range(TRIES):
            answer = self._answer(client, path, body, key)
            if answer is None or answer.status_code >= 500:
                time.sleep(0.5)
                continue
            assert told in (None, (answer.status_code, answer.json())), (told, answer.text)
            told = answer.status_code, answer.json()
            if not self.loses():
                return told[0]
        if told:
            other = self._answer(client, path, body | {"reason": "another"}, key)
            assert other is None or other.status_code in (422, 503), other.text
        return told[0] if told else None

    def _answer(self, client: httpx.Client, path: str, body: dict[str, Any], key: str) -> httpx.Response | None:
        try:
            return self.site.post(client, path, body, **{"Idempotency-Key": key})
        except httpx.TransportError:
            return None

    def _wait_for(self, change: int, supervisor: httpx.Client) -> None:
        """Until it has ended, whatever comes between. What is unconfirmed a supervisor looks up at the machine."""
        state = persistently(lambda: self._ended(change))
        if state == UNCONFIRMED:
            [(version,)] = self.site.sql("SELECT version FROM control_change WHERE id = %s", change)
            body = {"version": version, "applied": bool(found(self.site, [change])[change].done), "reason": "panel"}
            self._posted(supervisor, f"/api/v1/changes/{change}/resolve", body)

    def _ended(self, change: int) -> str:
        deadline = time.monotonic() + ENDS_WITHIN_S
        while time.monotonic() < deadline:
            [(state,)] = self.site.sql("SELECT state FROM control_change WHERE id = %s", change)
            if state not in UNDER_WAY:
                return str(state)
            time.sleep(0.3)
        raise AssertionError(f"change {change} is still {state} after {ENDS_WITHIN_S:g} s")


def persistently(ask: Callable[[], T], within_s: float = 90.0) -> T:
    """The answer, as often as it takes while parts of the site are away."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return ask()
        except (httpx.HTTPError, psycopg.OperationalError, KeyError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


class Found(NamedTuple):
    """What SQL and the twins' logs say of one change; ``told`` are the rows of the audit, by their action."""

    state: str
    version: int
    decided_by: str | None
    told: Counter[str]
    done: int

    @property
    def lost(self) -> bool:
        return bool(self.told["change.lose"])

    @property
    def followed(self) -> bool:
        """It was seen to stand at the machine without having been written."""
        return bool(self.told["change.follow"])


def found(site: Installation, changes: Iterable[int]) -> dict[int, Found]:
    ids = list(changes)
    rows = site.sql(
        "SELECT c.id, c.state, c.version, u.username, c.command_id::text FROM control_change c"
        " LEFT JOIN auth_user u ON u.id = c.decided_by_id WHERE c.id = ANY(%s)",
        ids,
    )
    told: dict[int, Counter[str]] = {change: Counter() for change in ids}
    for change, action, count in site.sql(
        "SELECT object_id::bigint, action, count(*) FROM control_auditentry"
        " WHERE object_type = 'change' AND object_id = ANY(%s) GROUP BY 1, 2",
        [str(change) for change in ids],
    ):
        told[change][action] = count
    entries = [entry for line in {place.line for place in PLACES} for entry in site.written(line)]
    done = Counter(entry["command_id"] for entry in entries if entry["applied"])
    return {
        change: Found(state, version, by, told[change], done[command] if command else 0)
        for change, state, version, by, command in rows
    }


def check(site: Installation, asked: list[Asked]) -> Counter[str]:
    """Nothing acknowledged is lost, nothing done twice, nothing unknown guessed, every step told; how they ended."""
    came = found(site, {one.change for one in asked})
    acknowledged = [(one.change, name) for one in asked for name in one.acknowledged]
    assert len(acknowledged) == len({change for change, _ in acknowledged}), "a change was approved twice"
    for change, name in acknowledged:
        assert (came[change].decided_by, came[change].told["change.approve"]) == (name, 1), (change, came[change])
    for change, what in came.items():
        assert what.state not in UNDER_WAY, (change, what)
        assert what.done <= what.told["change.approve"] <= 1, (change, what)
        assert what.lost or what.followed or what.done == (what.state in DONE), (change, what)
        steps = sum(count for action, count in what.told.items() if not action.endswith(".refused"))
        assert steps == what.version, (change, what)
    return Counter("looked up" if what.lost else what.state for what in came.values())
