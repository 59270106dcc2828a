"""Every row is stored exactly once, however often, late or shuffled it comes."""

import random
import threading
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from control.actions import ingest
from control.models import Intake, Measurement, Roll, SetAside, Snapshot
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def plant():
    plant = factories.plant()
    Intake.objects.create(equipment=plant.coater)
    return plant


def snapshot(i, **more):
    at = NOW - timedelta(hours=2) + timedelta(seconds=i)
    values = {"pump_top": 60.0 + i, "web_position": float(i), "roll_number": 7}
    return {"equipment": "coater", "at": at.isoformat(), "sequence": i, "values": values} | more


def measurement(i, **more):
    at = NOW - timedelta(hours=2) + timedelta(seconds=i)
    row = {"equipment": "coater", "at": at.isoformat(), "sequence": i, "stream": "loading/1-top", "value": 20.0 + i}
    return row | {"roll": 7, "web_m": float(i)} | more


def trace():
    return list(Snapshot.objects.order_by("at", "sequence").values_list("at", "sequence", "values", "arrival"))


def test_a_row_becomes_a_snapshot_with_its_place_on_the_web(plant):
    receipt = ingest.store(plant.source, [snapshot(5)], now=NOW)
    assert (receipt.stored, receipt.doubled, receipt.set_aside) == (1, 0, [])
    row = Snapshot.objects.get()
    assert (row.roll, row.web_m, row.sequence, row.arrival) == (7, 5.0, 5, 1)
    assert row.values[0] == 65.0
    assert row.values[1] is None
    assert (row.quality[0], row.quality[1]) == (0, 3)


def test_a_new_roll_number_begins_a_roll_under_the_active_recipe(plant):
    rows = [snapshot(i, values={"web_position": float(i), "roll_number": 8}) for i in (3, 2)]
    ingest.store(plant.source, rows, now=NOW)
    roll = Roll.objects.get(number=8)
    assert roll.recipe == plant.recipe
    assert roll.started_at == NOW - timedelta(hours=2) + timedelta(seconds=2)


def test_a_roll_belongs_to_the_recipe_that_is_active_by_then_however_long_the_source_is_known(plant):
    who = ingest.known(ingest.raw(), plant.source.pk)
    plant.recipe.state = "superseded"
    plant.recipe.save()
    recipe = factories.make_recipe(plant.line, number=2)
    begun = snapshot(2, values={"web_position": 2.0, "roll_number": 8})
    ingest.store_batch(ingest.raw(), who, ingest.batch_of_rows(who, [begun], [], now=NOW), now=NOW)
    assert Roll.objects.get(number=8).recipe == recipe


def test_doubled_shuffled_and_late_rows_are_stored_exactly_once(plant):
    seed = 20261121
    rng = random.Random(seed)
    rows = [snapshot(i) for i in range(500)]
    sent = rows + rng.sample(rows, 100)
    rng.shuffle(sent)
    stored = doubled = 0
    while sent:
        body, sent = sent[:37], sent[37:]
        receipt = ingest.store(plant.source, body, now=NOW)
        stored, doubled = stored + receipt.stored, doubled + receipt.doubled
    assert (stored, doubled) == (500, 100)
    assert [(sequence, values[0]) for _, sequence, values, _ in trace()] == [(i, 60.0 + i) for i in range(500)]


def test_a_second_run_changes_no_row(plant):
    rows, pieces = [snapshot(i) for i in range(50)], [measurement(i) for i in range(20)]
    bad = [{"equipment": "coater"}]
    ingest.store(plant.source, rows + bad, pieces, now=NOW)
    before = trace(), list(Measurement.objects.order_by("at").values_list()), list(Intake.objects.values_list())
    again = ingest.store(plant.source, rows + bad, pieces, now=NOW + timedelta(minutes=1))
    assert (again.stored, again.doubled) == (0, 70)
    assert before == (
        trace(),
        list(Measurement.objects.order_by("at").values_list()),
        list(Intake.objects.values_list()),
    )
    assert SetAside.objects.get().times == 2


def test_the_same_instant_with_another_sequence_is_another_row(plant):
    assert ingest.store(plant.source, [snapshot(1), snapshot(1, sequence=2)], now=NOW).stored == 2


def test_a_measurement_keeps_its_place_and_who_measured_it(plant):
    ingest.store(plant.source, (), [measurement(4, by="lab"), measurement(5, roll=None, web_m=None)], now=NOW)
    lab, gauge = Measurement.objects.order_by("at")
    assert (lab.roll, lab.web_m, lab.value, lab.by) == (7, 4.0, 24.0, 2)
    assert (gauge.roll, gauge.web_m, gauge.by) == (None, None, 1)


def test_a_row_without_an_encoder_value_stays_where_the_row_before_was(plant):
    ingest.store(plant.source, [snapshot(1)], now=NOW)
    ingest.store(plant.source, [snapshot(2, values={"pump_top": 60.0}), snapshot(3)], now=NOW)
    assert list(Snapshot.objects.order_by("at").values_list("roll", "web_m")) == [(7, 1.0), (7, 1.0), (7, 3.0)]


def test_rows_of_a_past_day_get_a_partition_and_very_old_ones_do_not(plant):
    ingest.store(plant.source, [snapshot(1), snapshot(2, at="2019-03-06T11:13:00Z")], now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM control_snapshot ORDER BY at")
        assert [name for (name,) in cursor.fetchall()] == ["control_snapshot_other", "control_snapshot_20261121"]


@pytest.mark.django_db(transaction=True)
def test_arrivals_are_in_commit_order_so_a_reader_that_remembers_the_last_misses_none(plant):
    seen, last, done = [], 0, threading.Event()
    conninfo = connection.get_connection_params()
    options = {key: conninfo[key] for key in ("dbname", "user", "host") if key in conninfo}

    def write(start):
        with psycopg.connect(**options, autocommit=True) as conn:
            who = ingest.known(conn, plant.source.pk)
            for i in range(start, start + 40):
                ingest.store_batch(conn, who, ingest.batch_of_rows(who, [snapshot(i)], now=NOW), now=NOW)

    writers = [threading.Thread(target=write, args=(start,)) for start in (0, 1000, 2000, 3000)]
    for writer in writers:
        writer.start()
    while not done.is_set() or writers:
        if not any(writer.is_alive() for writer in writers):
            writers.clear()
            done.set()
        for arrival in Snapshot.objects.filter(arrival__gt=last).order_by("arrival").values_list("arrival", flat=True):
            seen.append(arrival)
            last = arrival
    assert len(seen) == len(set(seen)) == 160
    assert Intake.objects.get().arrived == 160
