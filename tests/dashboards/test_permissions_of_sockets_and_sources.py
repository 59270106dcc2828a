"""Who may say what on the live socket, and who may send data: as the tables in docs/permissions.md say it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from websockets.exceptions import ConnectionClosed

from apcweb import ingest
from control.actions.plant import new_token
from control.models import Cursor
from dashboards import consumers, feeds
from tests import factories
from tests.dashboards.doors import ACTORS, BY_TOKEN, TOKEN, bearer
from tests.dashboards.serving import Served
from tests.dashboards.test_permissions import rows_of
from tests.factories import Plant

pytestmark = pytest.mark.django_db(transaction=True)
MESSAGES = [f"{said} {kind}" for said in consumers.ASKED for kind in feeds.KINDS]


@pytest.fixture
def plant(served: Served) -> Iterator[Plant]:
    ingest._desk.cache_clear()
    found = factories.plant()
    Cursor.objects.create(equipment=found.coater)
    new_token(found.source, TOKEN, actor="test", now=timezone.now())
    yield found
    if ingest._desk.cache_info().currsize:
        ingest._desk().pool.close()
    ingest._desk.cache_clear()


def keys(plant: Plant) -> dict[str, int]:
    return {"line": plant.line.pk, "equipment": plant.coater.pk, "lane": plant.streams["loading/1-top"].lane_id}


def session_of(served: Served, plant: Plant, actor: str) -> str | None:
    if actor in ("nobody", *BY_TOKEN):
        return None
    return served.cookie(plant.person({"superuser": "root"}.get(actor, actor)))


async def heard_of(served: Served, session: str | None, said: str, stream: str) -> str:
    """``yes``, or the code the socket was closed with."""
    async with served.socket(session) as socket:
        with suppress(ConnectionClosed):  # perhaps before everything is said
            await socket.say(type=said, stream=stream)
            await socket.say(type="no such thing")  # ends it, where nothing else does
            while json.loads(await socket.connection.recv())["type"] != "snapshot":
                pass
            return "yes"
        code = await socket.close_code()
    return "yes" if code == 4400 else str(code)


async def test_everybody_hears_what_the_table_says(served: Served, plant: Plant) -> None:
    expected, of = rows_of("SOCKET"), await sync_to_async(keys)(plant)
    met: dict[str, dict[str, str]] = {message: {} for message in MESSAGES}
    for actor in ACTORS:
        session = await sync_to_async(session_of)(served, plant, actor)
        for message in MESSAGES:
            said, kind = message.split()
            met[message][actor] = await heard_of(served, session, said, f"{kind}:{of[kind]}")
    assert met == {message: row for (_socket, message), row in expected.items()}


def test_only_a_source_sends_data(served: Served, plant: Plant) -> None:
    expected = rows_of("INGEST")
    met: dict[str, dict[str, str]] = {f"api/v1/ingest/{kind}": {} for kind in ingest.KINDS}
    for actor in ACTORS:
        session = session_of(served, plant, actor)
        headers = bearer(actor, plant)
        cookies = {"apc_session": session} if session else {}
        with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", cookies=cookies, headers=headers) as client:
            for address, row in met.items():
                status = client.post(f"/{address}", json={"rows": [{"equipment": "of another line"}]}).status_code
                row[actor] = {422: "yes"}.get(status, str(status))
    assert met == {address: row for (_ingest, address), row in expected.items()}
