"""Redis stands still (SIGSTOP) while an account is disabled: its next request is refused, and its sockets close."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.installation import Installation
from tests.trials import rounds

LONGEST_S = 10.0
pytestmark = [pytest.mark.timeout(120)]


@contextmanager
def without_redis(site: Installation) -> Iterator[None]:
    servers = site.processes("valkey-server|redis-server")
    for server in servers:
        server.suspend()
    try:
        yield
    finally:
        for server in servers:
            server.resume()


@contextmanager
def without_the_account(site: Installation, name: str) -> Iterator[None]:
    site.sql("UPDATE auth_user SET is_active = false WHERE username = %s", name)
    try:
        yield
    finally:
        site.sql("UPDATE auth_user SET is_active = true WHERE username = %s", name)


def close_code(socket: ClientConnection, until: float) -> int | None:
    """What it was closed with; None if it was not in time."""
    try:
        while (left := until - time.monotonic()) > 0:
            socket.recv(timeout=left)
    except ConnectionClosed:
        return socket.close_code
    except TimeoutError:
        pass
    return None


@pytest.mark.parametrize("sockets", rounds(2, 50))
def test_a_disabled_account_is_out_within_ten_seconds_also_without_redis(
    installation: Installation, sockets: int
) -> None:
    client = installation.signed_in("viewer")
    cookie, address = f"apc_session={client.cookies['apc_session']}", f"ws://127.0.0.1:{installation.port}/ws/v1/live"
    with ExitStack() as held:
        told = {"additional_headers": {"Cookie": cookie}, "origin": installation.url}
        links = [held.enter_context(connect(address, **told)) for _ in range(sockets)]
        for link in links:
            link.send(json.dumps({"type": "sub", "stream": "line:1", "since": None}))
        with without_redis(installation), without_the_account(installation, "viewer"):
            until = time.monotonic() + LONGEST_S
            assert client.get("/api/v1/me").status_code == 401
            assert {close_code(link, until) for link in links} == {4401}
