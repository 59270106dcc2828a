"""One hub a process: it hears the doorbell, reads what is new once, and hands it to its own sockets.

The channel layer may lose every bell: the record is the sequence number in PostgreSQL, looked at once a second anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from control.events import GROUP
from control.queries import live
from control.queries.points import utc
from dashboards import feeds
from dashboards.feeds import BATCH, Stream
from dashboards.outbox import NO_PERMISSION, RESTART, RIGHTS_CHANGED, SESSION_ENDED, Message, Outbox, frame
from dashboards.sessions import Standing, standing

POLL_S, TICK_S, CHECK_S = 1.0, 2.0, 4.0
GATHER_S = 0.02  # bells that ring together are answered together
MOST_STREAMS = 64  # a client may follow

log = logging.getLogger(__name__)
_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class Client:
    """One socket: whose it is, what it follows, and its way out."""

    session_key: str | None
    standing: Standing
    outbox: Outbox
    streams: dict[str, Stream] = field(default_factory=dict)


class Hub:
    """Sockets by stream, and how far each feed has been told."""

    def __init__(self) -> None:
        self.clients: set[Client] = set()
        self.rooms: dict[str, set[Client]] = defaultdict(set)
        self.told: dict[str, int] = {}
        self._pictures: dict[str, tuple[int, Message]] = {}
        self._rung = asyncio.Event()
        self._reading = feeds.Threads(2)
        self._checking = feeds.Threads(1)
        self._jobs: list[asyncio.Task[None]] = []

    @classmethod
    def here(cls) -> Hub:
        """The hub of this process (of its event loop)."""
        return _hubs.setdefault(asyncio.get_running_loop(), cls())

    async def admit(self, session_key: str | None, outbox: Outbox) -> Client | None:
        """Let a signed-in person in; None when there is no such session."""
        found = await self._checking.run(standing, session_key, now())
        if found is None:
            return None
        epoch = await self._reading.run(live.epoch)  # before anyone is counted in: the database may be away
        client = Client(session_key, found, outbox)
        if not self.clients:
            jobs = (self._listen(), self._every(0, self._answer), self._every(TICK_S, self._tick))
            self._jobs = [asyncio.create_task(job) for job in (*jobs, self._every(CHECK_S, self._check))]
        self.clients.add(client)
        outbox.put(frame(type="hello", epoch=epoch, server_time=utc(now())))
        return client

    def say_bye(self) -> None:
        """This process is about to end: everybody is told, and comes back to the next one."""
        for client in self.clients:
            client.outbox.close(RESTART, "restart")

    def dismiss(self, client: Client) -> None:
        self.leave_all(client)
        self.clients.discard(client)
        if not self.clients:
            for job in self._jobs:
                job.cancel()
            self.told.clear()
            self._pictures.clear()

    async def subscribe(self, client: Client, name: object, since: int | None) -> None:
        """Bring a client up to date on a stream, then keep it so. No point is left out or told twice."""
        stream = await self._reading.run(feeds.find, name)
        if stream is None or stream.line_id not in client.standing.line_ids or len(client.streams) >= MOST_STREAMS:
            client.outbox.close(NO_PERMISSION, "no such stream for you")
            return
        if stream.feed not in self.told:
            heads = await self._reading.run(feeds.heads, [stream.feed])
            self.told.setdefault(stream.feed, heads[stream.feed])
        at = since
        while at is None or at != self.told[stream.feed]:
            at = await self._bring(client, stream, at)
        client.streams[str(stream)] = stream
        self.rooms[str(stream)].add(client)

    def leave(self, client: Client, name: str) -> None:
        if client.streams.pop(name, None):
            self.rooms[name].discard(client)

    def leave_all(self, client: Client) -> None:
        for name in list(client.streams):
            self.leave(client, name)

    def publish(self, name: str, message: Message) -> None:
        """Hand one message to everybody who follows a stream."""
        for client in [client for client in self.rooms.get(name, ()) if not client.outbox.put(message)]:
            self.leave_all(client)  # told to resync: it subscribes again when it can

    async def _bring(self, client: Client, stream: Stream, since: int | None) -> int:
        """Send what lies between ``since`` and what others were told; returns where the client now stands."""
        until = self.told[stream.feed]
        if since is not None and since > until:
            client.outbox.put(frame(type="resync", stream=str(stream), reason="ahead"))
            since = None
        if since is not None:
            points = await self._reading.run(feeds.missed, stream, since, until)
            if len(points) <= BATCH:
                client.outbox.put(_points(str(stream), since, until, points))
                return until
            client.outbox.put(frame(type="resync", stream=str(stream), reason="too_far"))
        client.outbox.put(await self._picture(stream, until))
        return until

    async def _picture(self, stream: Stream, until: int) -> Message:
        """The snapshot of a stream; 200 browsers that come at once share one."""
        kept = self._pictures.get(str(stream))
        if kept is None or kept[0] != until:
            points = await self._reading.run(feeds.first_picture, stream, until)
            kept = until, frame(type="snapshot", stream=str(stream), seq_to=until, points=points)
            self._pictures[str(stream)] = kept
        return kept[1]

    async def _listen(self) -> None:
        """Hear the doorbell; when it cannot be heard, try again, for the poll goes on meanwhile."""
        while True:
            with suppress(OSError):
                await self._hear()
            await asyncio.sleep(POLL_S)

    async def _hear(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        try:
            await layer.group_add(GROUP, channel)
            while True:
                await layer.receive(channel)
                self._rung.set()
        finally:
            with suppress(OSError):
                await layer.group_discard(GROUP, channel)

    async def _answer(self) -> None:
        """At a bell, or after a second without one: read what is new on every feed that is followed, and tell it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), POLL_S)
            await asyncio.sleep(GATHER_S)
        self._rung.clear()
        if not self.told:
            return
        for feed, head in (await self._reading.run(feeds.heads, list(self.told))).items():
            if feed not in self.told or head == self.told[feed]:
                continue
            since = self.told[feed]
            told = await self._reading.run(feeds.news, feed, since, head)
            self._tell(feed, since, head, told)

    def _tell(self, feed: str, since: int, head: int, told: dict[str, list[Any]]) -> None:
        """Tell everyone on the feed, in one go, so that a subscription never falls between."""
        self.told[feed] = head
        too_much = head < since or _cut_short(feed, told)
        for name in [name for name, room in self.rooms.items() if room and self._feed_of(name) == feed]:
            if too_much:
                self._call_back(name)
            else:
                self.publish(name, _points(name, since, head, told.get(name, [])))

    def _call_back(self, name: str) -> None:
        """Too much came at once for a message: whoever follows asks again, from where it stands."""
        for client in list(self.rooms[name]):
            self.leave(client, name)
            client.outbox.put(frame(type="resync", stream=name, reason="too_far"))

    def _feed_of(self, name: str) -> str:
        return next(iter(self.rooms[name])).streams[name].feed

    async def _tick(self) -> None:
        server_time = utc(now())
        for name, room in list(self.rooms.items()):
            if room:
                head = self.told[self._feed_of(name)]
                self.publish(name, frame(type="tick", stream=name, head_seq=head, server_time=server_time))

    async def _check(self) -> None:
        """Whoever signed out, was disabled or lost a line is shown out; whoever takes nothing too."""
        sessions = {client.session_key for client in self.clients}
        found = {key: await self._checking.run(standing, key, now()) for key in sessions}
        for client in self.clients:
            client.outbox.check_patience()
            if client.session_key in found:
                _recheck(client, found[client.session_key])

    async def _every(self, period_s: float, work: Callable[[], Awaitable[None]]) -> None:
        """A job that outlives the database being away."""
        while True:
            await asyncio.sleep(period_s)
            try:
                await work()
            except Exception:
                log.exception("the live hub could not read; it tries again")
                await asyncio.sleep(POLL_S)


def _recheck(client: Client, found: Standing | None) -> None:
    if found is None or found.user_id != client.standing.user_id:
        client.outbox.close(SESSION_ENDED, "session ended")
        return
    lost, client.standing = client.standing.roles - found.roles, found
    if any(stream.line_id not in found.line_ids for stream in client.streams.values()):
        client.outbox.close(NO_PERMISSION, "permission ended")
    elif lost:
        client.outbox.close(RIGHTS_CHANGED, "rights changed")


def _cut_short(feed: str, told: dict[str, list[Any]]) -> bool:
    """Whether a read stopped at its limit, so that what any stream was told may lack its end.

    An equipment's own stream has all its points, its lanes the same once more; the events of lines share one limit.
    """
    return (sum(map(len, told.values())) if feed == "line" else len(told.get(feed, ()))) > BATCH


def _points(name: str, since: int, head: int, points: Iterable[Any]) -> Message:
    return frame(type="points", stream=name, seq_from=since + 1, seq_to=head, points=list(points))
