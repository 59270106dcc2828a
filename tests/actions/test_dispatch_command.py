"""The dispatch command serves a line from a thread of its own, woken by the database."""

import threading
import time

import pytest
from django.db import connection
from django.utils import timezone

from control.core.lifecycle import State
from control.management.commands import dispatch
from control.models import Change, Lease
from tests.factories import approved, plant, snapshot
from tests.machine import Machine, Time

pytestmark = pytest.mark.django_db(transaction=True)


class RealTime(Time):
    def now(self):
        return timezone.now()


def test_an_approval_wakes_the_dispatcher_and_stopping_hands_the_lease_back(monkeypatch):
    line, machine, ended = plant(), Machine(RealTime()), threading.Event()
    monkeypatch.setattr(dispatch, "connect", machine.connect)
    serving = threading.Thread(target=dispatch.serve, args=(line.line.pk, "one", ended))
    serving.start()
    try:
        now = timezone.now()
        snapshot(line, now)
        change = approved(line, now)
        _until(lambda: Change.objects.get(pk=change.pk).state == State.APPLIED)
    finally:
        ended.set()
        serving.join(20)
    assert len(machine.applied) == 1
    assert Lease.objects.get().expires_at is None


def test_a_connection_that_the_database_ended_is_made_again_and_an_approval_is_still_written(monkeypatch):
    line, machine, ended = plant(), Machine(RealTime()), threading.Event()
    monkeypatch.setattr(dispatch, "connect", machine.connect)
    monkeypatch.setattr(dispatch, "POLL_S", 0.2)
    serving = threading.Thread(target=dispatch.serve, args=(line.line.pk, "one", ended))
    serving.start()
    try:
        _until(lambda: Lease.objects.filter(expires_at__isnull=False).exists())
        assert _end_every_other_connection()
        now = timezone.now()
        snapshot(line, now)
        change = approved(line, now)
        _until(lambda: Change.objects.get(pk=change.pk).state == State.APPLIED)
    finally:
        ended.set()
        serving.join(20)
    assert len(machine.applied) == 1


def test_a_thread_that_died_is_replaced_and_what_ended_it_is_said(monkeypatch, caplog):
    begun = []

    def serve(line_id, holder, ended):
        begun.append(line_id)
        if len(begun) == 1:
            raise ZeroDivisionError("unforeseen")
        ended.wait()

    monkeypatch.setattr(dispatch, "serve", serve)
    threads, ended = {}, threading.Event()
    dispatch.start_missing(threads, [7], "one", ended)
    threads[7].join(20)
    dispatch.start_missing(threads, [7], "one", ended)
    dispatch.start_missing(threads, [7], "one", ended)
    ended.set()
    threads[7].join(20)
    assert begun == [7, 7]
    assert "unforeseen" in caplog.text


def _end_every_other_connection() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


def _until(reached) -> None:
    """Wait as long as it takes; the time limit of the test run ends a hang."""
    while not reached():
        time.sleep(0.05)
