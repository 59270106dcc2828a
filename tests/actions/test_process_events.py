"""An event of the process is told once, by whoever may, and is a row of the audit."""

from datetime import timedelta

import pytest

from control.actions import plant as plants
from control.actions import process_events
from control.actions.errors import Conflict, Invalid, NoPermission
from control.core.process_events import Event, Kind
from control.models import AuditEntry, Equipment, ProcessEvent, Roll
from control.plantfile import parse
from control.queries.process_events import stages
from tests.core.twins import table
from tests.factories import NOW, Plant, plant

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def line() -> Plant:
    return plant()


def told(line: Plant, kind: Kind = Kind.FILTER_CHANGE, who: str = "operator", **more) -> list[ProcessEvent]:
    return process_events.record(line.line, kind, **{"at": NOW, "actor": line.person(who), "now": NOW, **more})


def test_the_kinds_in_the_database_are_those_of_the_core():
    assert ProcessEvent.Kind.values == list(Kind)


@pytest.mark.parametrize("who", ["operator", "supervisor", "engineer"])
def test_who_works_on_the_line_tells_of_an_event(line, who):
    (row,) = told(line, who=who, side="top", note=" new cartridge ")
    assert (row.equipment, row.kind, row.side, row.at) == (line.coater, "filter_change", "top", NOW)
    assert (row.note, row.recorded_by, row.taken_at) == ("new cartridge", line.person(who), None)
    entry = AuditEntry.objects.get(action="process_event.record")
    assert (entry.actor, entry.line_id, entry.reason) == (line.person(who), line.line.pk, "new cartridge")


@pytest.mark.parametrize("who", ["viewer", "admin", "auditor", "outsider", "root"])
def test_others_are_refused_and_that_is_recorded(line, who):
    with pytest.raises(NoPermission):
        told(line, who=who)
    assert not ProcessEvent.objects.exists()
    assert AuditEntry.objects.get().action == "process_event.record.refused"


def test_an_event_of_the_line_concerns_every_machine_of_it(line):
    press = Equipment.objects.create(line=line.line, key="press", name="Press", kind="press", position=1)
    assert {row.equipment for row in told(line, Kind.PRODUCT_CHANGE)} == {line.coater, press}
    assert [row.equipment for row in told(line, Kind.MAINTENANCE, equipment=press)] == [press]


def test_the_same_event_is_recorded_once(line):
    told(line)
    with pytest.raises(Conflict):
        told(line, who="supervisor")
    told(line, side="top")
    told(line, at=NOW - MINUTE)
    assert ProcessEvent.objects.count() == 3


@pytest.mark.parametrize("at", [NOW + 2 * MINUTE, NOW - timedelta(days=8)], ids=["ahead", "long ago"])
def test_an_event_that_is_not_of_these_days_is_refused(line, at):
    with pytest.raises(Invalid):
        told(line, at=at)


def test_what_a_pass_saw_is_taken_already_and_nobodys(line):
    found = [(Event(Kind.BATCH_CHANGE, NOW.timestamp()), "batch_number 41 → 42")]
    (row,) = process_events.seen(
        line.coater.pk, line.line.pk, found, actor="controller", now=NOW + MINUTE, taken_at=NOW + MINUTE
    )
    assert (row.at, row.taken_at, row.recorded_by) == (NOW, NOW + MINUTE, None)
    assert AuditEntry.objects.get().actor_name == "controller"


def test_a_stage_of_a_stream_ends_at_what_breaks_it_on_its_side(line):
    stream = line.streams["loading/1-top"]
    told(line, Kind.BATCH_CHANGE)
    told(line, Kind.SPLICE, at=NOW - MINUTE)
    told(line, Kind.FILTER_CHANGE, at=NOW - 2 * MINUTE, side="bottom")
    told(line, Kind.FILTER_CHANGE, at=NOW - 3 * MINUTE, side="top")
    told(line, Kind.MAINTENANCE, at=NOW - 5 * MINUTE)
    found = stages(stream, NOW - 5 * MINUTE, NOW)
    assert found == [(NOW - 3 * MINUTE, Kind.FILTER_CHANGE), (NOW, Kind.BATCH_CHANGE)]


def test_stages_may_be_cut_by_roll_too(line):
    Roll.objects.create(equipment=line.coater, number=8, started_at=NOW + MINUTE)
    stream = line.streams["loading/1-top"]
    assert stages(stream, NOW, NOW + 2 * MINUTE) == []
    by_roll = stages(stream, NOW, NOW + 2 * MINUTE, kinds=[Kind.ROLL_CHANGE])
    assert by_roll == [(NOW + MINUTE, Kind.ROLL_CHANGE)]


def test_a_recipe_that_comes_into_force_is_a_product_change_of_every_machine():
    document = table("plants/cathode.toml")
    plants.store(parse(document), actor="test", reason="", now=NOW)
    plants.store(parse(document), actor="test", reason="", now=NOW + MINUTE)
    assert not ProcessEvent.objects.exists()
    document["equipment"][0]["characteristics"][0] |= {"lower": 19.6}
    plants.store(parse(document), actor="test", reason="", now=NOW + 2 * MINUTE)
    rows = ProcessEvent.objects.order_by("equipment__position")
    assert [(row.equipment.key, row.kind, row.at) for row in rows] == [
        ("coater", "product_change", NOW + 2 * MINUTE),
        ("press", "product_change", NOW + 2 * MINUTE),
    ]
    assert rows[0].note == "NMC 811, 20 mg/cm² v1 → NMC 811, 20 mg/cm² v2"
    watched = rows[0].equipment.events
    assert watched[1] == {"tag": "filter_changes_top", "kind": "filter_change", "side": "top"}
