"""The live socket: it only brings. Commands are POSTs.

An ASGI application of its own rather than a Channels consumer, whose every message to every socket hops through a
thread, ten times slower; nor does Channels' session middleware stand in every message's way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import parse_cookie

from dashboards.hub import Client, Hub
from dashboards.outbox import BAD_FRAME, SESSION_ENDED, Outbox

LONGEST_FRAME = 512  # characters; a subscription is some 60
FRAMES_A_SECOND = 20
ASKED = ("sub", "unsub")  # all that a client can say: of which stream it wants, or no longer wants, to hear

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Any], Awaitable[None]]


class BadFrameError(Exception):
    """What a client said is not in the protocol."""


async def live(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one socket from its handshake to its end."""
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    hub, outbox = Hub.here(), Outbox(send)
    client = await hub.admit(_session_key(scope), outbox)
    if client is None:
        await outbox.say_bye(SESSION_ENDED, "sign in first")
        return
    writer, reader = asyncio.create_task(outbox.write()), asyncio.create_task(_read(hub, client, receive))
    try:
        await asyncio.wait({writer, reader, outbox.closing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.dismiss(client)
        await _end(writer, reader)
    if outbox.closing.done():
        await outbox.say_bye(*outbox.closing.result())


def _session_key(scope: Scope) -> str | None:
    """The session's key as the browser sent it; the hub asks the database what it is worth."""
    sent = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return parse_cookie(sent.decode("latin-1")).get(settings.SESSION_COOKIE_NAME)


async def _read(hub: Hub, client: Client, receive: Receive) -> None:
    """Take subscriptions until the browser leaves, says something strange or talks too much."""
    loop, allowance, seen = asyncio.get_running_loop(), float(FRAMES_A_SECOND), 0.0
    while (event := await receive())["type"] != "websocket.disconnect":
        at = loop.time()
        allowance = min(FRAMES_A_SECOND, allowance + (at - seen) * FRAMES_A_SECOND) - 1
        seen = at
        try:
            if allowance < 0:
                raise BadFrameError("too many frames")
            await _obey(hub, client, event.get("text"))
        except BadFrameError as error:
            client.outbox.close(BAD_FRAME, str(error))
            return


async def _obey(hub: Hub, client: Client, text: str | None) -> None:
    asked = _parsed(text)
    since = asked.get("since")
    if since is not None and (type(since) is not int or not 0 <= since < 2**63):
        raise BadFrameError("since must be a whole number or null")
    kind, stream = asked.get("type"), asked.get("stream")
    if kind not in ASKED:
        raise BadFrameError("type must be sub or unsub")
    hub.leave(client, str(stream))
    if kind == "sub":
        await hub.subscribe(client, stream, since)


def _parsed(text: str | None) -> dict[str, Any]:
    if not text or len(text) > LONGEST_FRAME:
        raise BadFrameError(f"a frame is text of at most {LONGEST_FRAME} characters")
    try:
        asked = json.loads(text)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise BadFrameError("a frame is a JSON object")
    return asked


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
