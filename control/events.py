"""Bells: short messages that say what may have changed, sent when the transaction commits.

A bell carries ids, never a fact, and may be lost: whoever hears one looks in the database, and looks by itself now and
then. Redis is therefore only ever touched by a thread of its own, so that a slow or dead one delays nobody.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from functools import partial
from typing import Any, Literal, NotRequired, TypedDict

from channels.layers import get_channel_layer
from django.db import transaction

GROUP = "bells"
PENDING = 1000  # bells waiting for Redis; more are dropped
PATIENCE_S = 1.0

log = logging.getLogger(__name__)

Kind = Literal["points", "signal", "change", "loop", "hold", "plant", "event", "version", "shift"]


class Bell(TypedDict):
    """What the channel layer carries; ``type`` names the handler of a consumer."""

    type: Literal["bell"]
    kind: Kind
    line_id: int
    equipment_id: NotRequired[int]
    change_id: NotRequired[int]
    loop_id: NotRequired[int]


def publish(kind: Kind, *, line_id: int, **ids: int) -> None:
    """Ring when the present transaction commits (at once if there is none). Never raises, never waits."""
    bell: dict[str, Any] = {"type": "bell", "kind": kind, "line_id": line_id, **ids}
    transaction.on_commit(partial(_ringer().ring, bell), robust=True)


class _Ringer:
    """A thread with an event loop that hands bells to the channel layer, the same bell once however often it waits."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.waiting: dict[frozenset[tuple[str, Any]], dict[str, Any]] = {}  # touched by the loop's thread only
        self.some = asyncio.Event()
        threading.Thread(target=self._run, name="bells", daemon=True).start()

    def ring(self, bell: dict[str, Any]) -> None:
        self.loop.call_soon_threadsafe(self._note, bell)

    def _note(self, bell: dict[str, Any]) -> None:
        if len(self.waiting) < PENDING:
            self.waiting[frozenset(bell.items())] = bell
            self.some.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._work())

    async def _work(self) -> None:
        layer = get_channel_layer()
        while await self.some.wait():
            bell = self.waiting.pop(next(iter(self.waiting)))
            if not self.waiting:
                self.some.clear()
            try:
                await asyncio.wait_for(layer.group_send(GROUP, bell), PATIENCE_S)
            except Exception as error:  # whatever Redis does, the next bell is tried
                log.debug("bell lost: %s: %r", bell, error)


_started: list[_Ringer] = []
_starting = threading.Lock()


def _ringer() -> _Ringer:
    """This process's ringer; threads do not survive a fork, so a child starts its own."""
    with _starting:
        if not _started or _started[0].pid != os.getpid():
            _started[:] = [_Ringer()]
        return _started[0]
