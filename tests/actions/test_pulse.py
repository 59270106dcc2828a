"""The pulse asks for one pass at a time where data waits, and again where a message was lost."""

import pytest

from control import tasks
from control.actions import pipeline
from control.actions.ingest import raw
from control.management.commands.pulse import ASK_AGAIN_S, Command, Pulse
from control.models import Cursor, Intake
from tests.running import running


def test_an_equipment_is_asked_for_once_while_its_pass_waits():
    pulse = Pulse()
    assert pulse.due([(1, 10), (2, 0)], 100.0) == [1, 2]
    assert pulse.due([(1, 10), (2, 0)], 101.0) == []


def test_a_pass_that_moved_the_cursor_but_left_work_is_asked_for_again():
    pulse = Pulse()
    pulse.due([(1, 10)], 100.0)
    assert pulse.due([(1, 20)], 100.1) == [1]


def test_a_message_that_was_lost_is_sent_again():
    pulse = Pulse()
    pulse.due([(1, 10)], 100.0)
    assert pulse.due([(1, 10)], 100.0 + ASK_AGAIN_S) == [1]


def test_what_the_broker_did_not_take_is_asked_for_at_the_next_beat():
    pulse = Pulse()
    pulse.due([(1, 10)], 100.0)
    pulse.lost(1)
    assert pulse.due([(1, 10)], 100.1) == [1]


@pytest.mark.django_db
def test_a_broker_that_is_away_stops_nothing(monkeypatch):
    line = running()
    line.run(5)
    beaten = Command()
    beaten.ended = type("Never", (), {"wait": staticmethod(lambda _: None)})()

    def away(*_, **__):
        raise ConnectionError("no broker")

    monkeypatch.setattr(tasks.advance, "apply_async", away)

    pulse = Pulse()
    beaten.beat(raw(), pulse)
    assert pulse.asked == {}
    asked = []
    monkeypatch.setattr(tasks.advance, "apply_async", lambda args, **_: asked.append(args[0]))
    beaten.beat(raw(), pulse)
    assert sorted(asked) == sorted(machine.pk for machine in line.equipment)


@pytest.mark.django_db
def test_the_task_catches_up_and_leaves_nothing_behind():
    line = running()
    line.run(30)
    for machine in line.equipment:
        tasks.advance(machine.pk)
        assert pipeline.behind(machine.pk) == 0
    assert Cursor.objects.filter(processed__gt=0).count() == Intake.objects.filter(arrived__gt=0).count() == 2
