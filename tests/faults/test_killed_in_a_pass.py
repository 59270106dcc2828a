"""Killed (-9) in the middle of a pass: nothing half-done remains, and the next pass does it all exactly once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from control.actions import pipeline
from control.core.twin.scenario import Event
from control.models import Cursor, Intake, Point, ProcessEvent
from tests.running import running

CHILD = """
import sys, time, django
django.setup()
from django.utils import timezone
from control.actions import pipeline

def hang(*_, **__):
    print("in the middle", flush=True)
    time.sleep(60)

setattr(pipeline, sys.argv[2], hang)
pipeline.advance(int(sys.argv[1]), now=timezone.now())
"""


@pytest.fixture
def line():
    return running(scenario="shift", ran_s=300)


@contextmanager
def hanging(equipment_id: int, place: str) -> Iterator[None]:
    """A process in the middle of a pass, at ``place``; killed at the end."""
    url = urlsplit(os.environ["DATABASE_URL"])
    here = os.environ | {"DATABASE_URL": urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))}
    command = [sys.executable, "-c", CHILD, str(equipment_id), place]
    with subprocess.Popen(command, env=here, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "in the middle\n"
        yield
        child.kill()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["_note_signals", "_copy", "_points"])
def test_a_pass_killed_anywhere_doubles_and_loses_nothing(line, place):
    coater = line.equipment[0]
    with hanging(coater.pk, place):
        pass
    assert not Point.objects.filter(equipment=coater).exists()
    assert Cursor.objects.get(pk=coater.pk).processed == 0
    while pipeline.behind(coater.pk):  # the server may take a moment to let go of the dead process's lock
        pipeline.advance(coater.pk, now=line.now)
    cursor = Cursor.objects.get(pk=coater.pk)
    seqs = list(Point.objects.filter(equipment=coater).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, cursor.head_seq + 1))
    assert cursor.processed == Intake.objects.get(pk=coater.pk).arrived


@pytest.mark.django_db(transaction=True)
def test_a_killed_pass_takes_no_event_and_the_next_takes_it_once(line):
    coater = line.equipment[0]
    while pipeline.behind(coater.pk):
        pipeline.advance(coater.pk, now=line.now)
    line.twin.disturb(Event("filter_change", side="top"))
    line.run(10)
    ProcessEvent.objects.create(equipment=coater, kind="splice", at=line.now, recorded_at=line.now)
    with hanging(coater.pk, "_copy"):
        pass
    assert list(ProcessEvent.objects.values_list("kind", "taken_at")) == [("splice", None)]
    while pipeline.behind(coater.pk):
        pipeline.advance(coater.pk, now=line.now)
    taken = ProcessEvent.objects.filter(taken_at=line.now).order_by("kind")
    assert [row.kind for row in taken] == ["filter_change", "splice"]


@pytest.mark.django_db(transaction=True)
def test_while_one_pass_is_at_work_another_does_nothing(line):
    coater = line.equipment[0]
    with hanging(coater.pk, "_note_signals"):
        assert pipeline.advance(coater.pk, now=line.now) == pipeline.Advanced()
