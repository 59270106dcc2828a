"""The web process: `python -m apcweb.web FD` serves on a listening socket that the supervisor holds.

The supervisor claims the port before anything else starts and keeps it while the web process is replaced, so nobody
else can answer in our place and a restart refuses no connection.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn

from apcweb.asgi import application
from dashboards.hub import Hub  # after the application has loaded Django

LARGEST_MESSAGE = 16 * 1024  # bytes; a page only ever subscribes
BYE_S = 0.2  # for the byes to leave


class Server(uvicorn.Server):
    """Says bye on the live sockets before they are closed."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        Hub.here().say_bye()
        await asyncio.sleep(BYE_S)
        await super().shutdown(sockets)


def main() -> None:
    config = uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,  # compressing for every socket anew would undo serialising once
        timeout_graceful_shutdown=5,
    )
    Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
