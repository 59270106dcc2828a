"""What a stream of the socket brings, read from the record by sequence number. Runs in the hub's threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import connection

from control.queries import live, points

P = ParamSpec("P")
R = TypeVar("R")
BATCH = 2000  # points in one message at most: it stays under 1 MiB, where socket libraries stop by default
SNAPSHOT = 1000  # points of a first picture, some 300 kB; the page asks the API for more
REACH = 60_000  # sequence numbers a snapshot looks back over
KINDS = ("line", "equipment", "lane")


@dataclass(frozen=True, slots=True)
class Stream:
    """A name a client can subscribe to, and the feed that numbers it: an equipment (lanes share it) or a line."""

    kind: str
    key: int
    equipment_id: int  # 0 for a line
    line_id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"

    @property
    def feed(self) -> str:
        return f"equipment:{self.equipment_id}" if self.equipment_id else "line"


def find(name: object) -> Stream | None:
    """The stream of that name, if there is such a thing in the plant."""
    kind, _, key = name.partition(":") if isinstance(name, str) else ("", "", "")
    if kind not in KINDS or not key.isascii() or not key.isdigit() or len(key) > 18:
        return None
    place = live.place_of(kind, int(key))
    return None if place is None else Stream(kind, int(key), *place)


def heads(feeds: Iterable[str]) -> dict[str, int]:
    """The last sequence number of each feed."""
    machines = [int(feed.partition(":")[2]) for feed in feeds if feed != "line"]
    found = {f"equipment:{key}": seq for key, seq in points.heads(machines).items()}
    return {f"equipment:{key}": 0 for key in machines} | found | {"line": live.audit_head()}


def first_picture(stream: Stream, until: int) -> list[Any]:
    if stream.kind == "line":
        return []
    lane = stream.key if stream.kind == "lane" else None
    return points.newest(stream.equipment_id, until=until, limit=SNAPSHOT, reach=REACH, lane_id=lane)


def missed(stream: Stream, since: int, until: int) -> list[Any]:
    """What came after ``since``; one more than ``BATCH`` when there was too much."""
    if stream.kind == "line":
        events = live.events_after(since, until=until, limit=BATCH + 1, line_id=stream.key)
        return list(events.get(stream.key, []))
    lane = stream.key if stream.kind == "lane" else None
    return list(points.since(stream.equipment_id, since, until=until, limit=BATCH + 1, lane_id=lane))


def news(feed: str, since: int, until: int) -> dict[str, list[Any]]:
    """What came on a feed, by the name of the stream that tells it; one more than ``BATCH`` when there was too much."""
    if feed == "line":
        return {f"line:{key}": told for key, told in live.events_after(since, until=until, limit=BATCH + 1).items()}
    told: dict[str, list[Any]] = {feed: []}
    for point in points.since(int(feed.partition(":")[2]), since, until=until, limit=BATCH + 1):
        told[feed].append(point)
        told.setdefault(f"lane:{point['lane']}", []).append(point)
    return told


class Threads:
    """A few threads with their own database connections: the event loop never waits for PostgreSQL."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="live")

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(_with_connection, partial(work, *args, **kwargs)))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _with_connection(work: Callable[[], R]) -> R:
    try:
        return work()
    finally:
        connection.close()  # back to the pool, where there is one
