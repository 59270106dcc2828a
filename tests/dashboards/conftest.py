"""A small plant with people who can sign in, and the whole application served on a port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from control.actions import changes
from control.models import Change, Cursor, Intake, ReasonCode
from tests import factories
from tests.dashboards.serving import Served, serving
from tests.factories import Plant

PASSWORD = "a long enough one"


@pytest.fixture
def plant(db: None) -> Plant:
    return equipped()


def equipped() -> Plant:
    """A plant with what people choose from."""
    found = factories.plant()
    ReasonCode.objects.get_or_create(key="other_reason", defaults={"name": "Other", "needs_text": True})
    ReasonCode.objects.get_or_create(key="sensor_odd", defaults={"name": "Sensor odd", "name_ko": "센서 이상"})
    factories.cause_code()
    factories.action_code()
    factories.action_code("other", needs_text=True)
    Cursor.objects.get_or_create(equipment=found.coater)
    Intake.objects.get_or_create(equipment=found.coater)
    return found


@pytest.fixture
def change(plant: Plant) -> Change:
    """A change that waits for the operator, on data that is fresh."""
    now = timezone.now()
    factories.snapshot(plant, now)
    found = changes.propose(loop=plant.loop, proposal=factories.proposal(now), evidence={}, actor="pipeline", now=now)
    assert found is not None
    return found


@pytest.fixture
def with_password(plant: Plant) -> Callable[[str], User]:
    """Somebody of the plant, who can be asked for the password ``PASSWORD``."""

    def give(name: str) -> User:
        person = plant.person(name)
        person.set_password(PASSWORD)
        person.save()
        return person

    return give


@pytest.fixture
def signed_in(plant: Plant) -> Callable[[str], Client]:
    """A browser in which somebody of the plant is signed in."""

    def sign_in(name: str) -> Client:
        client = Client()
        client.force_login(plant.person(name))
        return client

    return sign_in


@pytest.fixture
def served(transactional_db: None) -> Iterator[Served]:
    with serving() as found:
        yield found
