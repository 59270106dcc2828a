"""A pass takes every event once: those people told of, and those a status tag tells of."""

import json
from datetime import timedelta

import pytest

from control.actions import pipeline, process_events
from control.core.loop import State
from control.core.process_events import Kind
from control.core.twin.scenario import Event
from control.models import AuditEntry, Cursor, ProcessEvent
from tests.factories import grant, user
from tests.running import running, shared

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def begun(django_db_setup, django_db_blocker):
    with shared(django_db_blocker):
        found = running(ran_s=30)
        found.advance()
        yield found


@pytest.fixture
def line(begun):
    return begun.again()


@pytest.fixture
def operator(line):
    person = user("operator")
    grant(person, "operator", line=line.line)
    return person


def state_of(machine) -> State:
    return State.from_json(json.dumps(Cursor.objects.get(pk=machine.pk).state))


def test_a_new_batch_and_a_filter_tell_of_themselves(line):
    coater, press = line.equipment
    line.twin.disturb(Event("solids_step", size=0.005))
    line.twin.disturb(Event("filter_change", side="top"))
    line.run(5)
    line.advance()
    rows = ProcessEvent.objects.filter(equipment=coater).order_by("kind")
    assert [(row.kind, row.side, row.note) for row in rows] == [
        ("batch_change", "", "batch_number 0 → 1"),
        ("filter_change", "top", "filter_changes_top 0 → 1"),
    ]
    assert all(row.recorded_by is None and row.taken_at == line.now for row in rows)
    assert rows[0].at == line.now - timedelta(seconds=4)
    assert not ProcessEvent.objects.filter(equipment=press).exists()
    assert AuditEntry.objects.filter(action="process_event.record", actor_name="controller").count() == 2
    waiting = state_of(coater).streams["loading/1-top"].waiting
    assert [event.kind for event in waiting] == [Kind.BATCH_CHANGE, Kind.FILTER_CHANGE]
    assert [event.kind for event in state_of(coater).streams["loading/1-bottom"].waiting] == [Kind.BATCH_CHANGE]


def test_what_a_person_told_is_taken_by_the_next_pass_and_by_no_other(line, operator):
    coater = line.equipment[0]
    (row,) = process_events.record(
        line.line, Kind.MAINTENANCE, at=line.now, actor=operator, now=line.now, equipment=coater
    )
    line.run(5)
    line.advance()
    row.refresh_from_db()
    assert row.taken_at == line.now
    state = state_of(coater)
    assert [event.kind for event in state.streams["loading/1-top"].waiting] == [Kind.MAINTENANCE]
    line.run(90)
    line.advance()
    stream = state_of(coater).streams["loading/1-top"]
    assert (stream.waiting, stream.stage_s) == ((), row.at.timestamp())
    line.run(5)
    line.advance()
    assert state_of(coater).streams["loading/1-top"].waiting == ()


def test_a_pass_that_fails_leaves_its_events_for_the_next(line, operator):
    coater = line.equipment[0]
    process_events.record(line.line, Kind.SPLICE, at=line.now, actor=operator, now=line.now, equipment=coater)
    line.twin.disturb(Event("pump_service", side="bottom"))
    line.run(5)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(pipeline, "_note_signals", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.advance(coater.pk, now=line.now)
    assert list(ProcessEvent.objects.values_list("kind", "taken_at")) == [("splice", None)]
    line.advance()
    assert set(ProcessEvent.objects.values_list("kind", "taken_at")) == {
        ("splice", line.now),
        ("pump_service", line.now),
    }
    assert AuditEntry.objects.filter(action="process_event.record").count() == 2


def test_a_tag_that_the_plant_file_does_not_name_tells_of_nothing(line):
    coater = line.equipment[0]
    coater.events = []
    coater.save()
    line.twin.disturb(Event("solids_step", size=0.005))
    line.run(5)
    line.advance()
    assert not ProcessEvent.objects.exists()
