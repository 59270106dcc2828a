"""HOLD is on although something else is busy with the line, and what could not be waited for is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections, transaction

from control.actions import leases, loops, watching, writing
from control.actions._lock import lock
from control.actions.situation import on_hold
from control.core.lifecycle import State
from control.core.modes import Mode
from control.models import Change, Loop
from tests.factories import NOW, Plant, alive, approved, grant, plant, snapshot
from tests.machine import Machine, Time

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def line() -> Iterator[Plant]:
    made = plant(mode=Mode.AUTO)
    snapshot(made)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    yield made
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


@contextmanager
def busy(line: Plant) -> Iterator[None]:
    """Somebody else works on the line, in a connection of his own, and does not end."""
    begun, let_go = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            lock(line.line.pk)
            begun.set()
            let_go.wait(30)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(10)
    try:
        yield
    finally:
        let_go.set()
        thread.join(10)


def test_hold_is_on_at_once_and_says_what_it_could_not_wait_for(line):
    with busy(line):
        held = loops.hold(line.line, actor=line.person("operator"), now=NOW)
        assert (on_hold(line.loop), held.settled) == (True, False)
    assert loops.hold(line.line, actor=line.person("operator"), now=NOW).settled
    assert Loop.objects.get().actual_mode == Mode.SUPERVISED


def test_a_loop_that_could_not_be_brought_down_then_is_so_with_the_next_look(line):
    with busy(line):
        loops.hold(line.line, actor=line.person("operator"), now=NOW)
        assert Loop.objects.get().actual_mode == Mode.AUTO
    alive(line.coater)
    watching.watch(NOW)
    assert (Loop.objects.get().actual_mode, Loop.objects.get().mode_reasons[0]["code"]) == ("supervised", "hold")


def test_nothing_is_taken_once_hold_is_on(line):
    Loop.objects.update(actual_mode=Mode.SUPERVISED)
    line.loop.refresh_from_db()
    change = approved(line)
    with busy(line):
        loops.hold(line.site, actor=_of_the_site(line), now=NOW)
    link, lease = Machine(Time()).connect(), leases.take(line.line.pk, "one")
    seen = writing.Seen(NOW, link.read()[-1].readings(), link.read_back(["pump_top"]))
    assert writing.take(change.pk, lease, seen, NOW) is None
    assert Change.objects.get().state == State.APPROVED


def _of_the_site(line: Plant):
    grant(line.person("operator"), "operator", site=line.site)
    return line.person("operator")
