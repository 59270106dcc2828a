"""Who may say what on the live socket, and who may send data: as the tables in docs/permissions.md say it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from apcweb import ingest
from control.actions.plant import new_token
from control.models import Cursor
from dashboards import consumers, feeds
from tests import factories
from tests.dashboards.doors import ACTORS, TOKEN
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


async def heard_of(served: Served, plant: Plant, session: str | None, message: str) -> str:
    """``yes``, or the code the socket was closed with."""
    said, kind = message.split()
    keys = {"line": plant.line.pk, "equipment": plant.coater.pk, "lane": plant.coater.lanes.order_by("pk").first().pk}
    async with served.socket(session) as socket:
        await socket.say(type=said, stream=f"{kind}:{keys[kind]}")
        await socket.say(type="no such thing")  # ends it, where nothing else did
        while (told := json.loads(await socket.connection.recv()))["type"] not in ("snapshot", "bye"):
            pass
        return "yes" if told["type"] == "snapshot" or told["code"] == 4400 else str(told["code"])


async def test_everybody_hears_what_the_table_says(served: Served, plant: Plant) -> None:
    expected, met = rows_of("SOCKET"), {}
    for actor in ACTORS:
        person = {"superuser": "root"}.get(actor, actor)
        signed_in = actor not in ("nobody", "source")
        session = await sync_to_async(lambda who=person: served.cookie(plant.person(who)))() if signed_in else None
        for message in MESSAGES:
            met.setdefault(message, {})[actor] = await heard_of(served, plant, session, message)
    assert met == {message: row for (_socket, message), row in expected.items()}


def test_only_a_source_sends_data(served: Served, plant: Plant) -> None:
    expected, met = rows_of("INGEST"), {}
    for actor in ACTORS:
        person = {"superuser": "root"}.get(actor, actor)
        cookies = {} if actor in ("nobody", "source") else {"apc_session": served.cookie(plant.person(person))}
        headers = {"Authorization": f"Bearer {TOKEN}"} if actor == "source" else {}
        with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", cookies=cookies, headers=headers) as client:
            for kind in ingest.KINDS:
                address = f"api/v1/ingest/{kind}"
                answer = client.post(f"/{address}", json={"rows": [{"equipment": "of another line"}]})
                told = {422: "yes"}.get(answer.status_code, str(answer.status_code))
                met.setdefault(address, {})[actor] = told
    assert met == {address: row for (_ingest, address), row in expected.items()}
