"""One socket's way out: what it can take goes at once, the rest waits in a bounded queue.

A slow browser so slows only itself, and a message costs no task switch where the browser keeps up.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from types import coroutine
from typing import Any

Message = Mapping[str, Any]  # an ASGI event, made once and given to every socket that wants it
Sending = Coroutine[Any, Any, None]
CAPACITY = 64  # messages; at one a stream and second, half a minute of a large page
PATIENCE_S = 5.0  # to a socket that was told to resync

SESSION_ENDED, NO_PERMISSION, TOO_SLOW, BAD_FRAME = 4401, 4403, 4408, 4400
RIGHTS_CHANGED = 4409  # something on the page may no longer be done: it is drawn anew
RESTART = 1012


def frame(**fields: Any) -> Message:
    text = json.dumps(fields, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return {"type": "websocket.send", "text": text}


class Outbox:
    """What one browser is still to be sent. ``closing`` is the code and reason it will be closed with."""

    def __init__(self, send: Callable[[Message], Sending]) -> None:
        self._send = send
        self._queue: deque[Message] = deque()
        self._begun: tuple[Sending, Any] | None = None  # a message on its way, and what it waits for
        self._some = asyncio.Event()
        self._behind_since: float | None = None
        self.closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def put(self, message: Message) -> bool:
        """Send or queue a message; False when there is no room: what waits is then replaced by a call to resync."""
        if self._begun is None and not self._queue:
            sending = self._send(message)  # begun outside any task; only if it must wait the writer takes it over
            try:
                self._begun = sending, sending.send(None)
            except StopIteration:
                return True
            except OSError:
                return False  # gone; the reader hears of it
            self._some.set()
            return True
        if len(self._queue) >= CAPACITY:
            self._overflow()
            return False
        self._queue.append(message)
        return True

    def close(self, code: int, reason: str) -> None:
        if not self.closing.done():
            self.closing.set_result((code, reason))

    def check_patience(self) -> None:
        """Give up on a socket that still has not taken its call to resync."""
        if self._behind_since is not None and time.monotonic() - self._behind_since > PATIENCE_S:
            self.close(TOO_SLOW, "too slow")

    async def write(self) -> None:
        """Send what could not go at once until cancelled; a connection that is gone ends it."""
        with suppress(OSError):
            while await self._some.wait():
                if self._begun is not None:
                    await _rest(*self._begun)
                while self._queue:
                    await self._send(self._queue.popleft())
                self._begun = self._behind_since = None
                self._some.clear()

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
        self._queue.clear()
        self._behind_since = time.monotonic()
        self._queue.append(frame(type="resync", reason="too_slow"))


@coroutine
def _rest(sending: Sending, waits_for: Any) -> Generator[Any, Any, None]:
    """Go on, in a task, with a coroutine that was begun outside one and stopped at ``waits_for``."""
    try:
        while True:
            yield waits_for
            waits_for = sending.send(None)
    except StopIteration:
        return
    finally:
        sending.close()
