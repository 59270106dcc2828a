"""What changes the foil at the coater is an event of the press when that foil is in its nip."""

import json
from datetime import timedelta

import pytest

from control.actions import carrying, process_events
from control.core.loop import State
from control.core.process_events import Event as Told
from control.core.process_events import Kind
from control.core.twin.scenario import Event
from control.models import AuditEntry, Cursor, ProcessEvent, Snapshot
from tests.factories import grant, user
from tests.running import running, shared

pytestmark = pytest.mark.django_db
WAY_S = 120  # from the die to the nip at 60 m/min


@pytest.fixture(scope="module")
def begun(django_db_setup, django_db_blocker):
    with shared(django_db_blocker):
        found = running(ran_s=WAY_S + 30)  # the foil of the first metres has gone through
        found.advance()
        yield found


@pytest.fixture
def line(begun):
    return begun.again()


def happen(line, *events: Event) -> None:
    for event in events:
        line.twin.disturb(event)
    line.run(5)
    line.advance()


def carry(line) -> int:
    return carrying.carry(line.now, actor="controller")


def at_the_press(line):
    return ProcessEvent.objects.filter(equipment=line.equipment[1]).order_by("at", "kind")


def test_it_comes_with_its_metre_and_not_before(line):
    happen(line, Event("solids_step", size=0.005))
    assert carry(line) == 0
    line.run(WAY_S - 10)
    line.advance()
    assert carry(line) == 0
    line.run(15)
    line.advance()
    assert carry(line) == 1
    origin = ProcessEvent.objects.get(equipment=line.equipment[0])
    (row,) = at_the_press(line)
    assert (row.kind, row.side, row.taken_at, row.recorded_by) == ("batch_change", "", None, None)
    assert (row.at - origin.at).total_seconds() == pytest.approx(WAY_S, abs=2)
    made, nip = (Snapshot.objects.get(equipment=one.equipment, at=one.at) for one in (origin, row))
    assert (nip.roll, nip.web_m) == (made.roll, pytest.approx(made.web_m, abs=1.0))
    assert row.note == f"coater, {made.roll}: {made.web_m:.1f} m"


def test_it_is_told_once_and_taken_by_the_next_pass_of_the_press(line):
    happen(line, Event("filter_change", side="top"))
    line.run(WAY_S + 5)
    line.advance()
    assert [carry(line), carry(line)] == [1, 0]
    line.run(2)
    line.advance()
    (row,) = at_the_press(line)
    assert row.taken_at == line.now
    stream = State.from_json(json.dumps(Cursor.objects.get(pk=row.equipment_id).state)).streams["density/1"]
    assert stream.stage_s == row.at.timestamp() or [event.kind for event in stream.waiting] == [Kind.FILTER_CHANGE]
    assert carry(line) == 0
    assert AuditEntry.objects.filter(action="process_event.record").count() == 2


def test_it_is_found_over_a_gap_in_the_record_of_the_coater(line):
    happen(line, Event("solids_step", size=0.005))
    line.run(WAY_S + 120)
    line.advance()
    origin = ProcessEvent.objects.get(equipment=line.equipment[0])
    gap = timedelta(seconds=90)  # longer than two events of one tag lie apart
    lost = Snapshot.objects.filter(equipment=origin.equipment, at__gte=origin.at, at__lt=origin.at + gap)
    assert lost.delete()[0] > 0
    assert carry(line) == 1
    (row,) = at_the_press(line)
    assert (row.at - origin.at).total_seconds() == pytest.approx(WAY_S + gap.total_seconds(), abs=3)


def test_a_snapshot_of_the_press_that_comes_late_makes_no_second_event(line):
    happen(line, Event("solids_step", size=0.005))
    line.run(WAY_S + 60)
    line.advance()
    origin = ProcessEvent.objects.get(equipment=line.equipment[0])
    made = Snapshot.objects.get(equipment=origin.equipment, at=origin.at)
    metres = {"roll": made.roll, "web_m__gte": made.web_m, "web_m__lt": made.web_m + 30}
    lost = Snapshot.objects.filter(equipment=line.equipment[1], **metres).order_by("at")
    late = lost.first()
    lost.delete()
    assert carry(line) == 1
    late.at = at_the_press(line).get().at - timedelta(seconds=80)
    late.save(force_insert=True)
    assert carry(line) == 0


def test_what_a_person_told_of_the_press_itself_is_not_told_again(line):
    person = user("operator")
    grant(person, "operator", line=line.line)
    happen(line, Event("solids_step", size=0.005))
    line.run(WAY_S + 5)
    line.advance()
    at = ProcessEvent.objects.get(equipment=line.equipment[0]).at + timedelta(seconds=WAY_S + 20)
    press = line.equipment[1]
    process_events.record(line.line, Kind.BATCH_CHANGE, at=at, actor=person, now=line.now, equipment=press)
    assert carry(line) == 0


def test_a_roll_tells_of_itself_and_history_is_left_alone(line):
    coater = line.equipment[0]
    found = {"actor": "controller", "now": line.now, "taken_at": line.now}
    at_s = line.now.timestamp() - WAY_S - 20
    process_events.seen(coater.pk, line.line.pk, [(Told(Kind.ROLL_CHANGE, at_s), "")], **found)
    assert carry(line) == 0
    process_events.seen(coater.pk, line.line.pk, [(Told(Kind.BATCH_CHANGE, at_s), "")], **found)
    assert carrying.carry(line.now + timedelta(hours=2), actor="controller") == 0
    assert carry(line) == 1


def test_the_last_machine_of_a_line_has_nobody_to_tell(line, django_assert_num_queries):
    press = line.equipment[1]
    process_events.caused(line.line, Kind.PRODUCT_CHANGE, actor="test", now=line.now - timedelta(seconds=5))
    ProcessEvent.objects.exclude(equipment=press).delete()
    with django_assert_num_queries(1):
        assert carry(line) == 0
