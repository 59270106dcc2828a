"""The twin disguised as a PLC: lines that run by themselves, and a Unix socket at which their users ask and command.

One event loop owns every line, so a command and a step never meet. A command's entry is on disk before it is
answered; if the disk refuses, the machine stops without an answer, as one with a broken memory should.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from control.connectors import wire
from control.connectors.memory import RetentiveMemory
from control.core.exchange import Scan
from control.core.twin.line import Line
from control.core.twin.scenario import Event, ScenarioError

log = logging.getLogger(__name__)

BACKLOG_SCANS = 3600  # kept for a collector that was away
SAVE_EVERY_S = 5.0
LONGEST_WAIT_S = 10.0
ANSWER_WITHIN_S = 10.0  # a client that does not take its answer is dropped
CLIENTS = 64
BEHIND_S = 5.0  # later than this, lost time is skipped instead of caught up


class Hosted:
    """A line, its memory on disk, and the last scans of each of its equipment."""

    def __init__(self, line: Line, memory: RetentiveMemory) -> None:
        self.line, self.memory = line, memory
        self.key = line.parameters.key
        memory.restore(line)
        line.restart_scenario()
        self.backlog: dict[str, deque[Scan]] = {key: deque(maxlen=BACKLOG_SCANS) for key in line.stations}
        self.news = asyncio.Event()

    def step(self, dt_s: float, at: float) -> None:
        for scan in self.line.step(dt_s, at):
            self.backlog[scan.equipment].append(scan)
        self.news.set()
        self.news = asyncio.Event()

    def since(self, equipment: str, sequence: int) -> list[Scan]:
        """Kept scans after ``sequence``, oldest first; all of them if it was never reached."""
        kept = self.backlog[equipment]
        if not kept or sequence > kept[-1].sequence:
            sequence = 0
        first = max(sequence + 1 - kept[0].sequence, 0) if kept else 0
        return [kept[index] for index in range(first, min(first + wire.SCANS_PER_READ, len(kept)))]

    def save(self, *, clean: bool) -> None:
        self.memory.save(self.line.snapshot(), clean=clean)


class Plc:
    """Hosts lines in real time, or ``speed`` times faster: a step is always one second of process."""

    def __init__(
        self, lines: Iterable[Hosted], socket_path: Path, speed: float = 1.0, clock: Callable[[], float] = time.time
    ) -> None:
        self.lines = {hosted.key: hosted for hosted in lines}
        self.socket_path, self.speed, self.clock = socket_path, speed, clock
        self._ended = asyncio.Event()
        self._failure: Exception | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._operations = {
            "read": self._read,
            "write": self._write,
            "read_back": self._read_back,
            "disturb": self._disturb,
        }

    def stop(self) -> None:
        self._ended.set()

    async def run(self) -> None:
        """Serve until ``stop``; then save every line. The caller holds the lock on the socket's folder."""
        server = await asyncio.start_unix_server(self._serve, sock=_bind(self.socket_path), limit=wire.REQUEST_BYTES)
        ticking, saving = (asyncio.create_task(self._watched(work())) for work in (self._tick, self._keep_saving))
        async with server:
            await self._ended.wait()
            for task in (ticking, *self._clients):
                task.cancel()
            await asyncio.gather(ticking, saving, *self._clients, return_exceptions=True)
        self.socket_path.unlink(missing_ok=True)
        if self._failure is not None:
            raise self._failure
        for hosted in self.lines.values():
            hosted.save(clean=True)

    async def _watched(self, work: Any) -> None:
        """A line that cannot step or save is a machine that is down."""
        try:
            await work
        except Exception as error:  # whatever it was, it ends the process
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._ended.set()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += 1 / self.speed
            late = loop.time() - due
            if late > BEHIND_S:
                log.warning("the twin was held up for %.1f s; it goes on from now", late)
                due = loop.time()
            await asyncio.sleep(max(due - loop.time(), 0))
            at = round(self.clock(), 3)
            for hosted in self.lines.values():
                hosted.step(1.0, at)

    async def _keep_saving(self) -> None:
        """Never cancelled, so that two saves cannot meet; and no state is taken once something has failed."""
        while not self._ended.is_set():
            for hosted in self.lines.values():
                if not self._ended.is_set():
                    await asyncio.to_thread(hosted.memory.save, hosted.line.snapshot(), clean=False)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), SAVE_EVERY_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._clients) >= CLIENTS:
            writer.close()
            return
        self._clients.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the client went away, or we end; a task that ends cancelled is told as an error (Python 3.11)
        finally:
            self._clients.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self._ended.is_set():  # wait_for may swallow the cancellation that ends us (Python 3.11)
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                writer.write(wire.dump({"error": f"a request is at most {wire.REQUEST_BYTES} bytes"}))
                return
            writer.write(await self.answer(line))
            await asyncio.wait_for(writer.drain(), ANSWER_WITHIN_S)

    async def answer(self, line: bytes) -> bytes:
        """One request to one answer; whatever is wrong with the request is said in the answer."""
        try:
            request = wire.load(line)
            operation = self._operations.get(str(request.get("op")))
            if operation is None:
                raise wire.WireError(f"op must be one of {', '.join(self._operations)}")
            key, _, equipment = wire.text(request.get("address"), "address").partition("/")
            hosted = self.lines.get(key)
            if hosted is None or equipment not in hosted.backlog:
                raise wire.WireError(f"there is no equipment {key}/{equipment}")
            return wire.dump({"result": await operation(hosted, equipment, request)})
        except (wire.WireError, ScenarioError) as error:
            return wire.dump({"error": str(error)})

    async def _read(self, hosted: Hosted, equipment: str, request: Mapping[str, Any]) -> dict[str, Any]:
        since = wire.whole(request.get("since", 0), "since", 0, wire.LARGEST_FENCE)
        wait_s = min(max(wire.number(request.get("wait_s", 0), "wait_s"), 0.0), LONGEST_WAIT_S)
        scans = hosted.since(equipment, since)
        if not scans and wait_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hosted.news.wait(), wait_s)
            scans = hosted.since(equipment, since)
        tags = hosted.line.stations[equipment].sensors.tags
        return {"tags": list(tags), "scans": [wire.scan_to_wire(scan) for scan in scans]}

    async def _write(self, hosted: Hosted, equipment: str, request: Mapping[str, Any]) -> dict[str, Any]:
        command = wire.command_from_wire(request.get("command"))
        ack = hosted.line.write(equipment, command, round(self.clock(), 3))
        try:
            hosted.memory.log(hosted.line.take_unlogged())
        except OSError as error:
            self._fail(error)
            raise
        return wire.ack_to_wire(ack)

    async def _read_back(self, hosted: Hosted, equipment: str, request: Mapping[str, Any]) -> dict[str, Any]:
        tags = wire.texts(request.get("tags"), "tags")
        return wire.readings_to_wire(hosted.line.read_back(equipment, tags, round(self.clock(), 3)))

    async def _disturb(self, hosted: Hosted, equipment: str, request: Mapping[str, Any]) -> None:
        event = request.get("event")
        if not isinstance(event, dict):
            raise wire.WireError("event must be an object")
        hosted.line.disturb(Event.from_dict(event))


def _bind(path: Path) -> socket.socket:
    """A socket only its owner may open. What a killed twin left behind is removed."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        bound.bind(str(path))
    finally:
        os.umask(mask)
    return bound
