"""Bells ring on commit, carry ids, and a Redis that is away neither stops nor delays anybody."""

import asyncio

import pytest
from channels.layers import get_channel_layer
from django.db import transaction

from control import events


async def heard(ring):
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(events.GROUP, channel)
    await asyncio.to_thread(ring)
    async with asyncio.timeout(10):
        return await layer.receive(channel)


@pytest.mark.django_db(transaction=True)
def test_a_bell_carries_ids_and_is_heard_after_the_commit():
    def ring():
        with transaction.atomic():
            events.publish("change", line_id=7, change_id=42)

    assert asyncio.run(heard(ring)) == {"type": "bell", "kind": "change", "line_id": 7, "change_id": 42}


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_rings_no_bell(monkeypatch):
    rung = []
    monkeypatch.setattr(events._Ringer, "ring", lambda _, bell: rung.append(bell))
    with transaction.atomic():
        events.publish("points", line_id=1, equipment_id=2)
        transaction.set_rollback(True)
    assert rung == []


@pytest.mark.django_db(transaction=True)
def test_a_channel_layer_that_fails_or_hangs_disturbs_nobody(monkeypatch):
    class Broken:
        asked = 0

        async def group_send(self, *_):
            Broken.asked += 1
            if Broken.asked == 1:
                raise ConnectionError
            await asyncio.sleep(60)

    monkeypatch.setattr(events, "get_channel_layer", Broken)
    monkeypatch.setattr(events, "_started", [])
    with transaction.atomic():
        events.publish("points", line_id=1, equipment_id=2)
    for i in range(events.PENDING + 50):
        events.publish("change", line_id=1, change_id=i)
    ringer = events._started[0]
    assert len(ringer.waiting) <= events.PENDING
