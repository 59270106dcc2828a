"""One socket's way out: a bounded queue and the task that empties it, so that a slow browser slows only itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

Message = Mapping[str, Any]  # an ASGI event, made once and given to every socket that wants it
CAPACITY = 64  # messages; at one a stream and second, half a minute of a large page
PATIENCE_S = 5.0  # to a socket that was told to resync

SESSION_ENDED, NO_PERMISSION, TOO_SLOW, BAD_FRAME = 4401, 4403, 4408, 4400


def frame(**fields: Any) -> Message:
    text = json.dumps(fields, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return {"type": "websocket.send", "text": text}


class Outbox:
    """What one browser is still to be sent. ``closing`` is the code it will be closed with."""

    def __init__(self, send: Callable[[Any], Awaitable[None]]) -> None:
        self._send = send
        self._queue: asyncio.Queue[Message] = asyncio.Queue(CAPACITY)
        self._behind_since: float | None = None
        self.closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def put(self, message: Message) -> bool:
        """Queue a message; False when there is no room, and then what waits is replaced by a call to resync."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self._overflow()
            return False
        return True

    def close(self, code: int, reason: str) -> None:
        if not self.closing.done():
            self.closing.set_result((code, reason))

    def check_patience(self) -> None:
        """Give up on a socket that still has not taken its call to resync."""
        if self._behind_since is not None and time.monotonic() - self._behind_since > PATIENCE_S:
            self.close(TOO_SLOW, "too slow")

    async def write(self) -> None:
        """Send what is queued until cancelled; a connection that is gone ends it."""
        queue, send = self._queue, self._send
        with suppress(OSError):
            while True:
                await send(await queue.get())
                if queue.empty():
                    self._behind_since = None

    async def say_bye(self, code: int, reason: str) -> None:
        """Best effort: a socket that takes nothing cannot be told."""
        with suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(1):
                await self._send(frame(type="bye", code=code, reason=reason))
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _overflow(self) -> None:
        if self._behind_since is not None:
            self.close(TOO_SLOW, "too slow")
            return
        while not self._queue.empty():
            self._queue.get_nowait()
        self._behind_since = time.monotonic()
        self._queue.put_nowait(frame(type="resync", reason="too_slow"))
