"""From a POST to the browser: deliveries a second beside a bare broadcast, and how long a point is under way.

Deliveries: 200 sockets in another process, one frame of a coater's second for all of them, rounds of the hub and of
`websockets.broadcast` in turns, both in one server process. A round ends when the slowest socket has its last byte, and
neither way closes a socket meanwhile: pings, which these clients leave unanswered, are off for both. Under way: a
snapshot POSTed ten times a second through the ingest door, the pulse, a Celery worker, the pipeline, the bell and the
hub, until its point is on the socket, with 1 and with 200 sockets; the slowest of the sockets counts.
Run: python -m bench.fanout
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles

from bench.scratch import ROOT, installation, table

CLIENTS, ROUNDS, MESSAGES = 200, 15, 60  # a round fits into what a socket may have waiting
POSTS, PERIOD_S, WARM_UP = 200, 0.1, 20
BARE_PORT, OURS_PORT = 18_431, 18_432
STALLED_S = 60  # without a byte for any socket: what is missing will not come


class Client(asyncio.Protocol):
    """A browser's end of a socket: shakes hands, asks for a stream, keeps what comes. As little work as can be."""

    def __init__(self, path: str, port: int, headers: str, ask: str, keep: bool) -> None:
        self.hello = (
            f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
        )
        self.ask, self.keep = ask, keep
        self.ready = asyncio.get_running_loop().create_future()
        self.followed = asyncio.Event()  # set by the first tick: the subscription stands
        self.bytes, self.seen, self._rest = 0, {}, b""

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(self.hello.encode())

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            head, _, data = data.partition(b"\r\n\r\n")
            assert b" 101 " in head, head
            self.ready.set_result(None)
            self.transport.write(masked(self.ask))
        self.bytes += len(data)
        if not self.followed.is_set() and b'"tick"' in data:
            self.followed.set()
        if self.keep:
            self._note(data)

    def _note(self, data: bytes) -> None:
        """When each instant of foil was first seen, by its place in the text of the frame."""
        at = time.perf_counter()
        parts = (self._rest + data).split(b'"web_m":')
        for part in parts[1:-1]:
            self.seen.setdefault(part.partition(b",")[0], at)
        last = parts[-1]
        if len(parts) > 1 and b"," in last:
            self.seen.setdefault(last.partition(b",")[0], at)
            self._rest = b""
        else:
            self._rest = (b'"web_m":' if len(parts) > 1 else b"") + last[-64:]


def masked(text: str) -> bytes:
    payload, mask = text.encode(), secrets.token_bytes(4)
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
    return b"\x81" + length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


async def connected(count: int, port: int, path: str, headers: str, ask: str, *, keep: bool = False) -> list[Client]:
    """That many sockets, each with its subscription in force; a bare server has none."""
    loop, clients = asyncio.get_running_loop(), []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: Client(path, port, headers, ask, keep), "127.0.0.1", port)
        await client.ready
        clients.append(client)
    if port == OURS_PORT:
        async with asyncio.timeout(60):
            for client in clients:
                await client.followed.wait()
    await asyncio.sleep(1)
    return clients


def serve(pipe) -> None:
    """The server process: our application and a bare broadcast on one event loop, told over a pipe what to send."""
    import django
    import uvloop

    django.setup()
    logging.disable(logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as uvicorn runs by itself
        runner.run(_serve(pipe))


async def _serve(pipe) -> None:
    import uvicorn
    from websockets.asyncio.server import broadcast
    from websockets.asyncio.server import serve as serve_bare

    from apcweb import asgi
    from dashboards.hub import Hub

    sockets: set = set()

    async def stay(socket) -> None:
        sockets.add(socket)
        await socket.wait_closed()

    config = uvicorn.Config(
        asgi.application, port=OURS_PORT, log_config=None, lifespan="off", ws_per_message_deflate=False,
        ws_ping_interval=None,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task, loop = asyncio.create_task(server.serve()), asyncio.get_running_loop()
    async with serve_bare(stay, "127.0.0.1", BARE_PORT, compression=None, ping_interval=None):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
            await asyncio.sleep(0.01)
        pipe.send("ready")
        while (order := await loop.run_in_executor(None, pipe.recv)) is not None:
            way, name, text = order
            message = {"type": "websocket.send", "text": text}
            for _ in range(MESSAGES):
                if way == "bare":
                    broadcast(sockets, text)
                else:
                    Hub.here().publish(name, message)
                await asyncio.sleep(0)
        server.should_exit = server.force_exit = True
        await task


async def deliveries(pipe, headers: str, equipment: int) -> None:
    name = f"equipment:{equipment}"
    ask = await asyncio.to_thread(_ask, equipment)
    clients = {
        "bare": await connected(CLIENTS, BARE_PORT, "/", "", ask),
        "hub": await connected(CLIENTS, OURS_PORT, "/ws/v1/live", headers, ask),
    }
    text = json.dumps({"type": "points", "stream": name, "points": [dict.fromkeys("abcdefgh", 20.123456)] * 8})
    rates: dict[str, list[float]] = {"bare": [], "hub": []}
    for _ in range(ROUNDS):
        for way, group in clients.items():
            rates[way].append(await _round(pipe, group, way, name, text))
    told = {way: median(found) for way, found in rates.items()}
    ratio = median(hub / bare for hub, bare in zip(rates["hub"], rates["bare"], strict=True))
    table(
        f"Deliveries a second to {CLIENTS} sockets, frames of {len(text)} bytes, median of {ROUNDS} interleaved rounds",
        ["websockets.broadcast", "the hub", "hub / bare"],
        [[f"{told['bare']:.0f}", f"{told['hub']:.0f}", f"{ratio:.2f}"]],
    )
    for client in (*clients["bare"], *clients["hub"]):
        client.transport.abort()


async def _round(pipe, group: list[Client], way: str, name: str, text: str) -> float:
    before = [client.bytes for client in group]
    begin = time.perf_counter()
    pipe.send((way, name, text))
    size = MESSAGES * (len(text) + (2 if len(text) < 126 else 4))
    came, moved = sum(before), begin
    while any(client.bytes - was < size for client, was in zip(group, before, strict=True)):
        await asyncio.sleep(0.002)
        if came != (came := sum(client.bytes for client in group)):
            moved = time.perf_counter()
        elif time.perf_counter() - moved > STALLED_S:
            raise SystemExit(f"{way}: frames were lost")
    return CLIENTS * MESSAGES / (time.perf_counter() - begin)


async def arrival(headers: str, equipment: int, token: str, line) -> None:
    rows = []
    for count in (1, CLIENTS):
        ask = await asyncio.to_thread(_ask, equipment)
        clients = await connected(count, OURS_PORT, "/ws/v1/live", headers, ask, keep=True)
        sent = await asyncio.to_thread(_post_all, token, line)
        await asyncio.sleep(3)
        took = [
            max(client.seen[key] for client in clients) - at
            for key, at in list(sent.items())[WARM_UP:]
            if all(key in client.seen for client in clients)
        ]
        lost = POSTS - WARM_UP - len(took)
        cuts = quantiles(took, n=100)
        rows.append([count, f"{cuts[49] * 1e3:.0f} ms", f"{cuts[98] * 1e3:.0f} ms", f"{max(took) * 1e3:.0f} ms", lost])
        for client in clients:
            client.transport.abort()
    table(
        f"From POST to the last socket, {1 / PERIOD_S:.0f} snapshots a second",
        ["sockets", "p50", "p99", "max", "lost"],
        rows,
    )


def _post_all(token: str, line) -> dict[bytes, float]:
    """One snapshot every tenth of a second; when each was sent, by its web position."""
    import httpx

    sent, start = {}, datetime.now(UTC)
    template = [scan for scan in line.scans(5) if scan.equipment == "coater"][-1]
    values = dict(zip(template.tags, template.values, strict=True))
    first = secrets.randbelow(10**6) + 10**6
    with httpx.Client(base_url=f"http://127.0.0.1:{OURS_PORT}", headers={"Authorization": f"Bearer {token}"}) as client:
        for i in range(POSTS):
            place = first + i * 0.5 + 0.25
            at = start + timedelta(seconds=PERIOD_S * i)
            row = {"equipment": "coater", "at": at.isoformat(), "sequence": first + i, "roll": 1, "web_m": place}
            sent[str(place).encode()] = time.perf_counter()
            answer = client.post("/api/v1/ingest/snapshots", json={"rows": [{**row, "values": values}]})
            assert answer.status_code == 200, answer.text
            time.sleep(max(0.0, (at + timedelta(seconds=PERIOD_S) - datetime.now(UTC)).total_seconds()))
    return sent


def _signed_in(line) -> str:
    """A viewer of the line, and the header that says so."""
    from django.contrib.auth.models import User
    from django.test import Client as Browser

    from control.models import Grant

    user = User.objects.create(username="bench")
    Grant.objects.create(user=user, role="viewer", line=line, valid_from=datetime.now(UTC) - timedelta(days=1))
    browser = Browser()
    browser.force_login(user)
    session = browser.cookies["apc_session"].value
    return f"Cookie: apc_session={session}\r\nOrigin: http://127.0.0.1:8000\r\n"


def _ask(equipment: int) -> str:
    """Subscribe as a page does that was drawn a moment ago."""
    from django.db import connection

    from control.queries import points

    since = points.head(equipment)
    connection.close()
    return json.dumps({"type": "sub", "stream": f"equipment:{equipment}", "since": since})


def _token(line) -> str:
    from control.actions.plant import new_token
    from control.models import Source

    token = secrets.token_urlsafe(24)
    new_token(Source.objects.create(line=line, key="bench"), token, actor="bench", now=datetime.now(UTC))
    return token


def _children() -> list[subprocess.Popen]:
    worker = ["celery", "-A", "apcweb", "worker", "-c", "2", "-l", "error", "--without-gossip", "--without-mingle"]
    env = {**os.environ, "APC_ROLE": "service", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    commands = [["manage.py", "pulse"], ["-m", *worker]]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return [subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, **quiet) for command in commands]


def main() -> None:
    with installation(valkey=True):
        logging.disable(logging.WARNING)
        from django.db import connections

        from tests.running import running

        line = running("cathode")
        line.run(1800)
        line.advance()
        line.train()
        headers, token, coater = _signed_in(line.line), _token(line.line), line.equipment[0].pk
        connections.close_all()
        pipe, other = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(other,), daemon=True)
        server.start()
        children = _children()
        try:
            assert pipe.recv() == "ready"
            asyncio.run(deliveries(pipe, headers, coater))
            asyncio.run(arrival(headers, coater, token, line))
            pipe.send(None)
        finally:
            for child in children:
                child.terminate()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(10)
                child.kill()
            server.terminate()
            threading.Event().wait(0.5)
            connections.close_all()


if __name__ == "__main__":
    main()
