"""A browser that takes nothing costs the others nothing: it is told to resync, then closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from dashboards import outbox
from dashboards.outbox import CAPACITY, TOO_SLOW, Outbox, frame


class Connection:
    """A server's end of a socket, whose browser takes messages or not."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.writable = asyncio.Event()
        self.writable.set()

    async def send(self, message: Mapping[str, Any]) -> None:
        await self.writable.wait()
        self.taken.append(json.loads(message["text"])["type"])


@pytest.fixture
async def connection() -> Connection:
    return Connection()


async def test_what_can_go_goes_at_once(connection: Connection) -> None:
    box = Outbox(connection.send)
    assert box.put(frame(type="one"))
    assert connection.taken == ["one"]


async def test_what_must_wait_goes_in_order_when_it_can(connection: Connection) -> None:
    box = Outbox(connection.send)
    writer = asyncio.create_task(box.write())
    connection.writable.clear()
    for number in range(10):
        assert box.put(frame(type=str(number)))
    await asyncio.sleep(0.01)
    assert connection.taken == []
    connection.writable.set()
    await asyncio.sleep(0.01)
    box.put(frame(type="last"))
    assert connection.taken == [*(str(number) for number in range(10)), "last"]
    writer.cancel()


async def test_a_full_queue_becomes_a_call_to_resync(connection: Connection) -> None:
    box = Outbox(connection.send)
    writer = asyncio.create_task(box.write())
    connection.writable.clear()
    took = [box.put(frame(type="points")) for _ in range(CAPACITY + 2)]
    assert (took[-2], took[-1]) == (True, False)
    connection.writable.set()
    await asyncio.sleep(0.01)
    assert connection.taken == ["points", "resync"]
    writer.cancel()


async def test_who_does_not_even_take_the_call_is_closed(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PATIENCE_S", 0.0)
    box = Outbox(connection.send)
    connection.writable.clear()
    while box.put(frame(type="points")):
        pass
    await asyncio.sleep(0.01)
    box.check_patience()
    assert box.closing.result() == (TOO_SLOW, "too slow")


async def test_who_fills_up_a_second_time_is_closed(connection: Connection) -> None:
    box = Outbox(connection.send)
    connection.writable.clear()
    for _ in range(2):
        while box.put(frame(type="points")):
            pass
    assert box.closing.result() == (TOO_SLOW, "too slow")


async def test_ending_while_something_is_on_its_way_leaves_nothing_behind(connection: Connection) -> None:
    box = Outbox(connection.send)
    writer = asyncio.create_task(box.write())
    connection.writable.clear()
    box.put(frame(type="points"))
    await asyncio.sleep(0.01)
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    connection.writable.set()
    await asyncio.sleep(0.01)
    assert connection.taken == []


async def test_a_connection_that_is_gone_is_no_error() -> None:
    async def gone(message: Mapping[str, Any]) -> None:
        raise OSError("gone")

    assert Outbox(gone).put(frame(type="points")) is False
