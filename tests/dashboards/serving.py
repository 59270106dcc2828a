"""The whole ASGI application on a free port of this machine, in a thread."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from asgiref.sync import SyncToAsync
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect

from apcweb import asgi


@dataclass(frozen=True)
class Served:
    port: int

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def cookie(self, user: User) -> str:
        """The session cookie of somebody who has just signed in."""
        client = Client()
        client.force_login(user)
        return client.cookies["apc_session"].value

    @asynccontextmanager
    async def socket(self, session: str | None, origin: str | None = "") -> AsyncIterator[Heard]:
        """A socket from the application's own pages, those of another origin, or (None) from a script."""
        headers = {"Cookie": f"apc_session={session}"} if session else {}
        address = f"ws://localhost:{self.port}/ws/v1/live"
        async with connect(
            address, additional_headers=headers, origin=self.origin if origin == "" else origin
        ) as connection:
            yield Heard(connection)


@dataclass(frozen=True)
class Heard:
    """A client of the live socket that waits for what it is asked to expect."""

    connection: ClientConnection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def next(self, kind: str, patience_s: float = 15.0, **like: Any) -> dict[str, Any]:
        """The next message of a kind; others that come before it are passed over."""
        async with asyncio.timeout(patience_s):
            while True:
                message = json.loads(await self.connection.recv())
                if message["type"] == kind and all(message.get(key) == value for key, value in like.items()):
                    return dict(message)

    async def close_code(self, patience_s: float = 15.0) -> int | None:
        async with asyncio.timeout(patience_s):
            await self.connection.wait_closed()
        return self.connection.close_code


@contextmanager
def serving() -> Iterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    served = Served(listener.getsockname()[1])
    allowed = list(asgi.live.allowed_origins)
    asgi.live.allowed_origins.append(served.origin)
    server = uvicorn.Server(uvicorn.Config(asgi.application, log_config=None, lifespan="off", ws_ping_interval=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield served
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        # whatever was asked of the database from a coroutine, here or in a test, was asked by this one thread
        SyncToAsync.single_thread_executor.submit(connections.close_all).result(10)
        listener.close()
        asgi.live.allowed_origins[:] = allowed
