"""The dispatch command serves a line from a thread of its own, woken by the database."""

import threading
import time

import pytest
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


def _until(reached) -> None:
    """Wait as long as it takes; the time limit of the test run ends a hang."""
    while not reached():
        time.sleep(0.05)
