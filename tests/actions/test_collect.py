"""Reading machines: every scan is stored once, whatever breaks in between."""

import threading
from datetime import timedelta

import pytest

from control.connectors.base import ConnectorError
from control.management.commands import collect
from control.management.commands.collect import Reader, last_sequence
from control.models import Snapshot, Source
from tests.running import running

pytestmark = pytest.mark.django_db


class Backlog:
    """A machine that keeps its scans, and breaks when told to."""

    def __init__(self, scans):
        self.scans, self.broken, self.asked, self.closed = scans, 0, [], 0

    def read(self, since=0, *, wait_s=0.0):
        self.asked.append(since)
        if self.broken:
            self.broken -= 1
            raise ConnectorError("the link broke", sent=True)
        return tuple(scan for scan in self.scans if scan.sequence > since)[:10]

    def close(self):
        self.closed += 1


@pytest.fixture
def line(monkeypatch):
    line = running()
    line.now = collect.timezone.now() - timedelta(seconds=60)
    monkeypatch.setattr(collect.connections, "close_all", lambda: None)  # the test's own connection stays
    return line


@pytest.fixture
def machine(line, monkeypatch):
    machine = Backlog([scan for scan in line.scans(25) if scan.equipment == "coater"])
    monkeypatch.setattr(collect, "open_connector", lambda *_: machine)
    return machine


@pytest.fixture
def reader(line, machine):
    return Reader(line.equipment[0], Source.objects.get(line=line.line), threading.Event())


def stored():
    return list(Snapshot.objects.order_by("sequence").values_list("sequence", flat=True))


def test_each_reading_asks_for_what_came_after_the_last_scan_stored(reader, machine):
    for _ in range(3):
        reader.read_once()
    assert machine.asked == [0, machine.scans[9].sequence, machine.scans[19].sequence]
    assert stored() == [scan.sequence for scan in machine.scans]


def test_a_new_start_goes_on_after_what_the_database_has(reader, machine, line):
    reader.read_once()
    again = Reader(line.equipment[0], reader.source, threading.Event())
    again.read_once()
    assert machine.asked == [0, machine.scans[9].sequence]
    assert last_sequence(again.equipment, again.source) == machine.scans[19].sequence


def test_a_broken_link_is_let_go_and_nothing_is_lost(reader, machine, monkeypatch):
    machine.broken = 1

    def rest(_):
        if len(stored()) == 25:
            reader.ended.set()

    monkeypatch.setattr(reader.ended, "wait", rest)
    real = reader.read_once

    def until_done():
        real()
        rest(None)

    monkeypatch.setattr(reader, "read_once", until_done)
    reader.run()
    assert machine.closed >= 1
    assert stored() == [scan.sequence for scan in machine.scans]


def test_a_tag_the_plant_does_not_have_stores_nothing_and_says_so(reader, machine):
    reader.equipment.tags.filter(key="viscosity").update(key="renamed")
    with pytest.raises(LookupError, match="coater sends viscosity, which the plant does not have"):
        reader.read_once()
    assert stored() == []
