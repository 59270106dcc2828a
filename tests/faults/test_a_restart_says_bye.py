"""The web process is told to end: whoever follows is told so, and can come back at once."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.installation import Installation, wait_until

pytestmark = [pytest.mark.timeout(120)]


def test_a_socket_hears_bye_before_the_web_process_ends(installation: Installation) -> None:
    cookie = f"apc_session={installation.signed_in('viewer').cookies['apc_session']}"
    address = f"ws://127.0.0.1:{installation.port}/ws/v1/live"
    heard = []
    with connect(address, additional_headers={"Cookie": cookie}, origin=installation.url) as socket:
        socket.send(json.dumps({"type": "sub", "stream": "line:1", "since": None}))
        heard.append(json.loads(socket.recv(timeout=10)))
        for process in installation.processes("apcweb.web"):
            process.terminate()
        with suppress(ConnectionClosed):
            while True:
                heard.append(json.loads(socket.recv(timeout=10)))
    assert (heard[-1]["type"], heard[-1]["code"]) == ("bye", 1012)
    assert socket.close_code == 1012
    wait_until(lambda: installation.signed_in("viewer").get("/").status_code == 200, 30, "the next web process")
