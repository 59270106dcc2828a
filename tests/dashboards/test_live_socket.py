"""The live socket, spoken to over a real server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from websockets.exceptions import InvalidStatus

from control.actions import audit, grants
from control.models import Area, Cursor, Line, Point
from control.queries import live
from dashboards import feeds, hub
from dashboards.outbox import Outbox
from tests import factories
from tests.dashboards.serving import Served
from tests.factories import Plant
from tests.trials import rounds

pytestmark = pytest.mark.django_db(transaction=True)
LANE = "loading/1-top"


@pytest.fixture
def line(served: Served) -> Plant:
    found = factories.plant()
    Cursor.objects.create(equipment=found.coater)
    return found


@sync_to_async
def arrive(plant: Plant, *values: float, stream: str = LANE) -> int:
    """Points as a pass would store them; nobody rings, so the poll must find them."""
    cursor = Cursor.objects.get(pk=plant.coater.pk)
    for value in values:
        cursor.head_seq += 1
        Point.objects.create(
            equipment=plant.coater, seq=cursor.head_seq, at=timezone.now(), known_at=timezone.now(),
            stream=plant.streams[stream], by=0, roll=7, web_m=1.0, value=value, quality=0, verdict=0, rules=0,
        )  # fmt: skip
    cursor.save()
    return int(cursor.head_seq)


def lane_of(plant: Plant, stream: str = LANE) -> str:
    return f"lane:{plant.streams[stream].lane_id}"


async def session(served: Served, plant: Plant, name: str = "viewer") -> str:
    return await sync_to_async(served.cookie)(plant.person(name))


async def test_a_first_picture_then_every_point_once_and_in_order(served: Served, line: Plant) -> None:
    lane = await sync_to_async(lane_of)(line)
    await arrive(line, 20.0, 20.1)
    async with served.socket(await session(served, line)) as heard:
        assert {"epoch", "server_time"} <= set(await heard.next("hello"))
        await heard.say(type="sub", stream=lane, since=None)
        picture = await heard.next("snapshot")
        assert [point["value"] for point in picture["points"]] == [20.0, 20.1]
        await arrive(line, 20.2)
        await arrive(line, 20.3, stream="loading/2-top")
        await arrive(line, 20.4)
        seen, at = [], picture["seq_to"]
        while at < 5:
            news = await heard.next("points")
            assert news["seq_from"] == at + 1
            at, seen = news["seq_to"], seen + [point["value"] for point in news["points"]]
        assert seen == [20.2, 20.4]


async def test_an_equipment_brings_all_its_lanes(served: Served, line: Plant) -> None:
    async with served.socket(await session(served, line)) as heard:
        await heard.say(type="sub", stream=f"equipment:{line.coater.pk}", since=0)
        await arrive(line, 20.0)
        await arrive(line, 21.0, stream="loading/4-top")
        values: list[float] = []
        while len(values) < 2:
            values += [point["value"] for point in (await heard.next("points"))["points"]]
        assert values == [20.0, 21.0]


async def test_who_was_away_gets_what_he_missed_and_no_more(served: Served, line: Plant) -> None:
    lane, cookie = await sync_to_async(lane_of)(line), await session(served, line)
    await arrive(line, 1.0, 2.0, 3.0)
    async with served.socket(cookie) as heard:
        await heard.say(type="sub", stream=lane, since=1)
        missed = await heard.next("points")
        assert (missed["seq_from"], missed["seq_to"]) == (2, 3)
        assert [point["value"] for point in missed["points"]] == [2.0, 3.0]


async def test_who_is_ahead_of_the_record_is_told_to_start_again(served: Served, line: Plant) -> None:
    lane = await sync_to_async(lane_of)(line)
    async with served.socket(await session(served, line)) as heard:
        await heard.say(type="sub", stream=lane, since=999)
        assert (await heard.next("resync"))["reason"] == "ahead"
        assert (await heard.next("snapshot"))["seq_to"] == 0


async def test_an_idle_stream_ticks(served: Served, line: Plant) -> None:
    lane = await sync_to_async(lane_of)(line)
    async with served.socket(await session(served, line)) as heard:
        await heard.say(type="sub", stream=lane, since=0)
        for _ in range(2):
            tick = await heard.next("tick", stream=lane)
            assert (tick["head_seq"], "server_time" in tick) == (0, True)


async def test_a_line_tells_what_was_recorded_by_name_only(served: Served, line: Plant) -> None:
    def record() -> None:
        with audit.atomic():
            audit.record(actor="test", action="change.offer", obj=("change", 5), now=timezone.now(), line=line.line)

    async with served.socket(await session(served, line)) as heard:
        await heard.say(type="sub", stream=f"line:{line.line.pk}", since=None)
        await heard.next("snapshot")
        await sync_to_async(record)()
        news = await heard.next("points")
        assert [(event["action"], event["object"], event["id"]) for event in news["points"]] == [
            ("change.offer", "change", "5")
        ]


async def test_more_events_than_a_message_holds_are_a_call_to_resync_for_every_line(
    served: Served, line: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await sync_to_async(_second_line)(line)
    monkeypatch.setattr(feeds, "BATCH", 3)
    monkeypatch.setattr(hub, "BATCH", 3)
    names = [f"line:{one.pk}" for one in (line.line, other)]
    async with served.socket(await session(served, line)) as heard:
        for name in names:
            await heard.say(type="sub", stream=name, since=None)
            await heard.next("snapshot", stream=name)
        await sync_to_async(_record)([line.line, line.line, other, other])
        called = {(await heard.next("resync", reason="too_far"))["stream"] for _ in names}
        assert called == set(names)


def _second_line(plant: Plant) -> Line:
    other = Line.objects.create(area=plant.line.area, key="second", name="Second")
    factories.grant(plant.person("viewer"), "viewer", line=other)
    return other


def _record(lines: list[Line]) -> None:
    with audit.atomic():
        for line in lines:
            audit.record(actor="test", action="change.offer", obj=("change", 5), now=timezone.now(), line=line)


async def test_whoever_comes_while_the_database_is_away_leaves_nobody_behind(
    served: Served, line: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> str:
        raise OperationalError("away")

    cookie, here = await session(served, line), hub.Hub()
    monkeypatch.setattr(live, "epoch", away)
    with pytest.raises(OperationalError):
        await here.admit(cookie, Outbox(_nowhere))
    assert here.clients == set()


async def _nowhere(_message: object) -> None:
    """Where an outbox that nobody listens to sends."""


async def test_without_a_session_the_answer_is_4401(served: Served, line: Plant) -> None:
    async with served.socket(None) as heard:
        assert (await heard.next("bye"))["code"] == 4401
        assert await heard.close_code() == 4401


@pytest.mark.parametrize("name", ["lane:999999", "equipment:0", "line:x", "user:1", "", "lane:٣"])
async def test_what_does_not_exist_and_what_is_not_yours_are_alike(served: Served, line: Plant, name: str) -> None:
    async with served.socket(await session(served, line)) as heard:
        await heard.say(type="sub", stream=name, since=None)
        assert (await heard.next("bye"))["code"] == 4403


async def test_an_outsider_subscribes_to_nothing(served: Served, line: Plant) -> None:
    lane = await sync_to_async(lane_of)(line)
    async with served.socket(await session(served, line, "outsider")) as heard:
        await heard.say(type="sub", stream=lane, since=None)
        assert await heard.close_code() == 4403


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", "{}", json.dumps({"type": "approve", "id": 1}), "x" * 600, '{"type": "sub", "since": -1}',
     '{"type": "sub", "since": true}', '{"type": "sub", "since": 1e400}', "[" * 400],
)  # fmt: skip
async def test_a_frame_outside_the_protocol_ends_the_socket(served: Served, line: Plant, text: str) -> None:
    async with served.socket(await session(served, line)) as heard:
        await heard.connection.send(text)
        assert await heard.close_code() == 4400


async def test_a_client_that_talks_without_end_is_shown_out(served: Served, line: Plant) -> None:
    lane = await sync_to_async(lane_of)(line)
    async with served.socket(await session(served, line)) as heard:
        for _ in range(60):
            await heard.say(type="unsub", stream=lane)
        assert await heard.close_code() == 4400


async def test_signing_out_closes_the_socket(served: Served, line: Plant) -> None:
    cookie = await session(served, line)
    async with served.socket(cookie) as heard:
        await heard.next("hello")
        await Session.objects.filter(session_key=cookie).adelete()
        assert await heard.close_code() == 4401


async def test_a_disabled_account_closes_the_socket(served: Served, line: Plant) -> None:
    async with served.socket(await session(served, line)) as heard:
        await heard.next("hello")
        person = line.person("viewer")
        person.is_active = False
        await person.asave()
        assert await heard.close_code() == 4401


async def test_a_role_taken_away_closes_what_it_opened(served: Served, line: Plant) -> None:
    lane = await sync_to_async(lane_of)(line)
    async with served.socket(await session(served, line)) as heard:
        await heard.say(type="sub", stream=lane, since=None)
        await heard.next("snapshot")
        await line.person("viewer").grants.all().aupdate(valid_to=timezone.now())
        assert await heard.close_code() == 4403


def _out(line: Plant, cookie: str) -> None:
    Session.objects.filter(session_key=cookie).delete()


def _password(line: Plant, cookie: str) -> None:
    person = line.person("supervisor")
    person.set_password("another long enough one")
    person.save()


def _disabled(line: Plant, cookie: str) -> None:
    User.objects.filter(pk=line.person("supervisor").pk).update(is_active=False)


def _role(line: Plant, cookie: str) -> None:
    given = line.person("supervisor").grants.get(role="supervisor")
    grants.end(given, by=factories.hand(line.person("root"), timezone.now()), now=timezone.now(), reason="moved on")


def _scope(line: Plant, cookie: str) -> None:
    elsewhere = Area.objects.create(site=line.site, key="elsewhere", name="Elsewhere")
    line.person("supervisor").grants.filter(role="supervisor").update(line=None, area=elsewhere)


def _date(line: Plant, cookie: str) -> None:
    line.person("supervisor").grants.filter(role="supervisor").update(valid_to=timezone.now() + timedelta(seconds=1))
    time.sleep(1)


WAYS = {_out: 4401, _password: 4401, _disabled: 4401, _role: 4409, _scope: 4409, _date: 4409}


@pytest.mark.parametrize("sockets", rounds(1, 50))
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
async def test_what_is_taken_away_is_refused_at_once_and_closes_the_socket_in_ten_seconds(
    served: Served, line: Plant, way: Callable[[Plant, str], None], sockets: int
) -> None:
    """Also who may still look, as a viewer: what he could do besides is gone."""
    await sync_to_async(factories.grant)(line.person("supervisor"), "viewer", line=line.line)
    cookie, lane = await session(served, line, "supervisor"), await sync_to_async(lane_of)(line)
    async with AsyncExitStack() as held:
        heard = [await held.enter_async_context(served.socket(cookie)) for _ in range(sockets)]
        for one in heard:
            await one.say(type="sub", stream=lane, since=None)
            await one.next("snapshot")
        await sync_to_async(way)(line, cookie)
        assert await sync_to_async(_holds)(line, cookie) in (302, 403)
        assert set(await asyncio.gather(*(one.close_code(10.0) for one in heard))) == {WAYS[way]}


def _holds(line: Plant, cookie: str) -> int:
    client = Client()
    client.cookies["apc_session"] = cookie
    return client.post(f"/lines/{line.line.key}/hold/").status_code


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost"])
async def test_a_page_of_another_origin_is_not_let_in(served: Served, line: Plant, origin: str) -> None:
    cookie = await session(served, line)
    with pytest.raises(InvalidStatus):
        async with served.socket(cookie, origin=origin):
            pass


async def test_a_script_that_names_no_origin_is_let_in_with_a_session_only(served: Served, line: Plant) -> None:
    async with served.socket(await session(served, line), origin=None) as heard:
        assert await heard.next("hello")
    async with served.socket(None, origin=None) as heard:
        assert await heard.close_code() == 4401
