"""Who meets what at every address: as the table in docs/permissions.md says it, and every address is in that table."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.test import RequestFactory
from django.urls import get_resolver
from django.utils import timezone

from control.actions import changes
from control.models import Change
from dashboards import refused
from dashboards.api import api
from tests import factories
from tests.dashboards.conftest import equipped
from tests.dashboards.doors import ACTORS, METHODS, PARAMETER, REFUSED, World, addresses, doors, knock, said, who, world
from tests.running import shared
from tests.trials import trial

TABLE = Path(settings.BASE_DIR) / "docs" / "permissions.md"
DOORS = sorted({door for address in addresses() for door in doors(address)})


def rows_of(*firsts: str) -> dict[tuple[str, str], dict[str, str]]:
    """Of the table's lines that begin with one of these: (first, what is asked for) -> what each actor meets there."""
    told = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if cells[0] in firsts:
            told[cells[0], cells[1]] = dict(zip(ACTORS, cells[2:], strict=True))
    return told


NAMED = re.compile(r"\(\?P<(\w+)>[^)]*\)")  # a place in an address that is a pattern
OPEN = ("admin/login/", "admin/logout/", "admin/password_change/")  # of the administration, to anybody
EXPECTED = rows_of(*METHODS)


@pytest.fixture(scope="module")
def everything(django_db_setup: None, django_db_blocker) -> Iterator[World]:
    with shared(django_db_blocker):
        plant, now = equipped(), timezone.now()
        factories.snapshot(plant, now)
        told = {"evidence": {}, "actor": "pipeline", "now": now}
        change = changes.propose(loop=plant.loop, proposal=factories.proposal(now), **told)
        assert isinstance(change, Change)
        yield world(plant, change)


@pytest.fixture(autouse=True)
def every_refusal_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Not only so many a minute; and not in the log."""
    monkeypatch.setattr(refused.Heard, "first_time", lambda *told: True)
    caplog.set_level(logging.ERROR, "django.request")


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    assert sorted({door for _method, door in EXPECTED}) == DOORS


def test_every_operation_of_the_api_has_a_row() -> None:
    described = {
        (method.upper(), path.removeprefix("/").replace("{", "<").replace("}", ">"))
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
        if not path.startswith("/api/v1/ingest/")  # a door of its own, below
    }
    asked = {(method, door) for method, address in described for door in doors(address)}
    assert asked - set(EXPECTED) == set()


def asked_by(actor: str) -> Iterator[tuple[str, str]]:
    """Everything that the table tells of; and of what it does not, which nobody is served, an equal share for each."""
    besides = [(method, door) for door in DOORS for method in METHODS if (method, door) not in EXPECTED]
    yield from EXPECTED
    yield from besides[ACTORS.index(actor) :: len(ACTORS)]


@pytest.mark.django_db
@pytest.mark.parametrize("actor", ACTORS)
def test_everybody_meets_what_the_table_says_and_changes_nothing_where_he_may_not(
    everything: World, actor: str
) -> None:
    client, odd = who(actor, everything.plant), {}
    for method, door in asked_by(actor):
        met, row = knock(client, everything, method, door), EXPECTED.get((method, door))
        if met.what not in ([row[actor]] if row else REFUSED):
            odd[method, door] = f"{met.what}, not {row[actor] if row else 'refused'}"
        elif met.changed:
            odd[method, door] = f"{met.what}, but something is stored"
        elif not met.told and method == "POST" and met.what in ("403", "404"):
            odd[method, door] = f"{met.what}, which is not in the audit"
    assert odd == {}


def opened(actor: str) -> int:
    """How many doors of the table are not shut to somebody."""
    return sum(row[actor] not in REFUSED for row in EXPECTED.values())


def turned_away(actor: str, *, everywhere: bool) -> Iterator[str]:
    """Doors at which somebody is refused: of all who hear the same at a door it is who may most elsewhere, and another,
    in turn, who is sent there; or everybody."""
    posts = [(door, row) for (method, door), row in EXPECTED.items() if method == "POST"]
    for turn, (door, row) in enumerate(posts):
        alike = sorted((one for one in ACTORS if row[one] == row[actor]), key=opened)
        sent = {alike[-1], alike[turn % len(alike)]}
        if row[actor] in REFUSED and (everywhere or actor in sent):
            yield door


EMPTY_HANDED = [
    *((actor, False) for actor in ACTORS),
    *(trial((actor, True), f"{actor}-everywhere") for actor in ACTORS),
]


@pytest.mark.django_db
@pytest.mark.parametrize("asked", EMPTY_HANDED, ids=lambda asked: asked[0])
def test_whoever_may_not_is_told_no_more_for_an_empty_request(everything: World, asked: tuple[str, bool]) -> None:
    actor, everywhere = asked
    client, odd = who(actor, everything.plant), {}
    for door in turned_away(actor, everywhere=everywhere):
        met = knock(client, everything, "POST", door, body=said(door))
        if met.what not in REFUSED or met.changed or (met.what in ("403", "404") and not met.told):
            odd[door] = met
    assert odd == {}


# --- the administration -----------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_only_staff_enters_the_administration(everything: World) -> None:
    """Every address of it, tried by everybody else in turn."""
    strangers = [actor for actor in ACTORS if actor != "superuser"]
    clients = [who(actor, everything.plant) for actor in strangers]
    entered = []
    for n, address in enumerate(administered()):
        url, client = PARAMETER.sub("1", NAMED.sub(r"\1", address)).strip("^$"), clients[n % len(clients)]
        answer = client.get(f"/{url}") if n % 3 else client.post(f"/{url}")
        door = answer.status_code == 302 and answer.headers["Location"].startswith("/admin/login/?next=")
        if not (door or address in OPEN):
            entered.append((strangers[n % len(clients)], url, answer.status_code))
    assert entered == []


@pytest.mark.django_db
def test_a_superuser_does_in_the_administration_what_the_table_says(everything: World) -> None:
    request = RequestFactory().get("/admin/")
    request.user = everything.plant.person("root")
    told = {}
    admin.autodiscover()  # as the addresses do
    for model, its in admin.site._registry.items():
        may = (its.has_view_permission, its.has_add_permission, its.has_change_permission, its.has_delete_permission)
        told[model._meta.model_name] = ["yes" if one(request) else "no" for one in may]
    assert told == administration()


def administered() -> list[str]:
    """Every address of the administration."""
    [found] = [one for one in get_resolver().url_patterns if getattr(one, "namespace", None) == "admin"]
    return sorted(set(addresses(found, str(found.pattern))))


def administration() -> dict[str, list[str]]:
    """What is kept there -> whether a superuser looks at, adds, changes and deletes it."""
    text = TABLE.read_text().partition("## In the administration")[2]
    lines = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {name: may for name, *may in lines if len(may) == 4 and set(may) <= {"yes", "no"}}
