"""Ids of another line, fields nobody asked for and values of other kinds, at every door: refused, and told nothing."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.utils import timezone

from control.actions import changes
from control.models import Change, Cursor, Intake, Line, ReasonCode, Tag
from dashboards import refused
from tests import factories
from tests.dashboards.doors import World, addresses, doors, who, world
from tests.factories import Plant
from tests.trials import SEED, trial

ACTORS = ("viewer", "operator", "supervisor", "engineer", "admin", "auditor")
DOORS = sorted({door for address in addresses() for door in doors(address)})
FOREIGN = "Line 0815 of somebody else"  # the name of the other line, which nobody here may read
FIELDS = ("id", "state", "line", "line_id", "decided_by", "actor", "is_superuser", "roles", "version", "scope", "at")
VALUES = (None, True, -1, 0, 2**63, 1.5, "", "x", "\0", "9" * 400, [], [[]], {}, {"id": 1}, ["x"] * 50)


class Two(NamedTuple):
    """The line of those who ask, and another of which they may know nothing."""

    own: Plant
    other: World


@pytest.fixture(scope="module")
def two(django_db_setup: None, django_db_blocker) -> Iterator[Two]:
    with django_db_blocker.unblock(), transaction.atomic():
        own = _line("cathode-1")
        other = _line("cathode-2", area=own.area)
        Line.objects.filter(pk=other.line.pk).update(name=FOREIGN)
        Tag.objects.filter(equipment=other.coater).update(name=FOREIGN)
        ReasonCode.objects.get_or_create(key="sensor_odd", defaults={"name": "Sensor odd"})
        factories.cause_code()
        yield Two(own, world(other, _change(other)))
        transaction.set_rollback(True)


def _line(key: str, **told: Any) -> Plant:
    plant = factories.plant(key, **told)
    Cursor.objects.get_or_create(equipment=plant.coater)
    Intake.objects.get_or_create(equipment=plant.coater)
    return plant


def _change(plant: Plant) -> Change:
    now = timezone.now()
    factories.snapshot(plant, now)
    told = {"evidence": {}, "actor": "pipeline", "now": now}
    found = changes.propose(loop=plant.loop, proposal=factories.proposal(now), **told)
    assert isinstance(found, Change)
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("course", [(60, 6), trial((5000, SEED), "trial-5000")], ids=str)
def test_what_is_foreign_or_odd_breaks_nothing_and_is_told_nothing(
    two: Two, course: tuple[int, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    count, seed = course
    chance, met = Random(seed), Counter[int]()
    monkeypatch.setattr(refused, "MOST", 10**6)
    caplog.set_level(logging.CRITICAL, "django")
    for _ in range(count):
        actor, door = chance.choice(ACTORS), chance.choice(DOORS)
        method, body = chance.choice(("GET", "POST", "POST")), odd(two.other.body(door), chance)
        client = who(actor, two.own)
        client.raise_request_exception = False
        with transaction.atomic():
            answer = asked(client, two.other, method, door, body)
            transaction.set_rollback(True)
        assert answer.status_code < 500, (actor, method, door, body)
        if not answer.streaming:
            assert FOREIGN not in answer.content.decode(errors="replace"), (actor, method, door)
        met[answer.status_code] += 1
    assert met[404] + met[405] + met[422] + met[403] + met[400] >= 0.7 * count, met


def odd(body: dict[str, Any], chance: Random) -> dict[str, Any]:
    """The body as it should be, with fields more or less, and values of other kinds."""
    told = dict(body)
    for _ in range(chance.randrange(3)):
        told[chance.choice(FIELDS)] = chance.choice(VALUES)
    if told and chance.random() < 0.5:
        told[chance.choice(sorted(told))] = chance.choice(VALUES)
    if told and chance.random() < 0.2:
        del told[chance.choice(sorted(told))]
    return told


def asked(client: Client, world: World, method: str, door: str, body: dict[str, Any]) -> Any:
    url = world.url(door)
    if method == "GET":
        return client.get(url + world.query())
    files = any(isinstance(value, SimpleUploadedFile) for value in body.values())
    if files or not door.startswith("api/"):
        form = {key: value if isinstance(value, SimpleUploadedFile) else str(value) for key, value in body.items()}
        return client.post(url, form, headers={"Idempotency-Key": "k"})
    return client.post(url, json.dumps(body), content_type="application/json", headers={"Idempotency-Key": "k"})
