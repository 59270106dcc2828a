"""The trace of a pass comes as a few arrays; it is what the rows say, one by one."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection

from control.actions import _window, estimators, machines
from control.actions._copy import unpack
from control.actions.ingest import raw
from control.core.types import Quality
from control.models import Intake, Snapshot
from tests.running import START, running

pytestmark = pytest.mark.django_db


@pytest.fixture
def line():
    """Two minutes around the full hour, with a hole in the third tag, the first half from before the last six tags."""
    made = running()
    made.now = START + timedelta(minutes=59)
    made.run(120)
    coater = made.equipment[0].pk
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE control_snapshot SET "values"[3] = NULL, quality[3] = 3'
            " WHERE equipment_id = %s AND date_part('second', at)::int %% 7 = 0",
            [coater],
        )
        cursor.execute(
            'UPDATE control_snapshot SET "values" = "values"[1:20], quality = quality[1:20]'
            " WHERE equipment_id = %s AND at < %s",
            [coater, START + timedelta(minutes=60, seconds=10)],
        )
    return made


def stored(machine, tags):
    """Instants, values and quality of the rows, read one by one."""
    rows = list(Snapshot.objects.filter(equipment=machine).order_by("at"))
    values = np.full((len(rows), tags), np.nan)
    quality = np.full((len(rows), tags), int(Quality.MISSING))
    for i, row in enumerate(rows):
        values[i, : len(row.values)] = [np.nan if value is None else value for value in row.values]
        quality[i, : len(row.quality)] = row.quality
    return rows, values, quality


def test_holes_hours_and_tags_added_later_come_as_they_were_stored(line):
    coater = line.equipment[0]
    built = machines.built(coater.pk)
    arrived = Intake.objects.get(pk=coater.pk).arrived
    span = _window.Span(coater.pk, 60, arrived, START)  # snapshots are numbered before measurements
    fresh = _window.read(raw(), span, built.stream_ids, len(built.tags), coater.cycle_s)
    rows, values, quality = stored(coater, len(built.tags))
    assert len({len(row.values) for row in rows}) == 2
    assert np.array_equal(fresh.trace.values, values, equal_nan=True)
    assert np.array_equal(fresh.trace.quality, quality)
    assert fresh.trace.at_s.tolist() == [row.at.timestamp() for row in rows]
    assert fresh.trace.web_m.tolist() == [row.web_m for row in rows]
    assert fresh.trace.roll.tolist() == [row.roll for row in rows]
    assert fresh.received_s.tolist() == [row.received_at.timestamp() for row in rows]
    assert fresh.new.tolist() == [row.arrival > 60 for row in rows]


def test_training_reads_the_same(line):
    coater = line.equipment[0]
    past = estimators.history(coater, START, line.now + timedelta(seconds=1))
    rows, values, quality = stored(coater, len(past.tags))
    assert np.array_equal(past.trace.values, values, equal_nan=True)
    assert np.array_equal(past.trace.quality, quality)
    assert past.trace.at_s.tolist() == [row.at.timestamp() for row in rows]


def test_where_nothing_was_stored_the_trace_is_empty(line):
    past = estimators.history(line.equipment[0], START - timedelta(days=2), START - timedelta(days=1))
    assert past.trace.values.shape == (0, len(past.tags))
    assert len(past.measured) == 0


def test_an_array_that_numpy_cannot_hold_is_refused():
    with _window.binary_cursor(raw()) as cursor:
        told = cursor.execute("SELECT '{}'::float8[], '{{1,2},{3,4}}'::int8[], '{1.5,NaN}'::float8[]").fetchone()
        assert [array.shape for array in told] == [(0,), (2, 2), (2,)]
        assert told[1].tolist() == [[1, 2], [3, 4]]
        with pytest.raises(ValueError, match="NULL"):
            cursor.execute("SELECT '{1,NULL}'::float8[]").fetchone()
    with pytest.raises(KeyError):
        unpack(bytes.fromhex("00000001 00000000 00000017 00000000 00000001"))
