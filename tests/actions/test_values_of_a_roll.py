"""Dual phase: a roll keeps the value said at once and gets a second one when it was measured, however late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from control.actions import rollvalues
from control.core.types import MeasuredBy, Quality
from control.models import Cursor, Point, Roll, RollValue
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
STREAM = "loading/1-top"


@pytest.fixture
def plant():
    plant = factories.plant()
    Cursor.objects.create(equipment=plant.coater)
    Roll.objects.create(equipment=plant.coater, number=8, started_at=NOW + timedelta(minutes=30))
    return plant


def made(plant, second, value, *, by=MeasuredBy.PREDICTION, roll=7, quality=Quality.GOOD, known_s=0, half=0.2):
    cursor = Cursor.objects.get(pk=plant.coater.pk)
    cursor.head_seq += 1
    cursor.save()
    at = NOW + timedelta(seconds=second)
    interval = {"low": value - half, "high": value + half} if by == MeasuredBy.PREDICTION else {}
    return Point.objects.create(
        equipment=plant.coater, seq=cursor.head_seq, at=at, known_at=at + timedelta(seconds=known_s),
        stream=plant.streams[STREAM], by=by, roll=roll, web_m=second, value=value, quality=quality, verdict=0, rules=0,
        **interval,
    )  # fmt: skip


def value(plant, minutes=60):
    return rollvalues.value(plant.coater, NOW + timedelta(minutes=minutes))


def test_phase_one_is_there_at_once_and_phase_two_when_the_lab_answers_an_hour_later(plant):
    for second in range(10):
        made(plant, second, 20.0 + second / 100)
    assert value(plant, minutes=1) == 1
    row = RollValue.objects.get(stream=plant.streams[STREAM], roll=7)
    assert (row.first, row.first_n) == (pytest.approx(20.045), 10)
    assert row.first_high - row.first == pytest.approx(0.2)
    assert (row.second, row.measured, row.by) == (None, None, None)
    made(plant, 4, 20.14, by=MeasuredBy.LAB, known_s=3600)
    assert value(plant) == 1
    row.refresh_from_db()
    assert row.first == pytest.approx(20.045)
    assert (row.second, row.measured, row.by) == (pytest.approx(20.145), pytest.approx(20.14), MeasuredBy.LAB)
    assert row.second_at == NOW + timedelta(seconds=3604)
    assert row.second_high - row.second == pytest.approx(0.2)


def test_a_value_that_was_not_believed_makes_no_second_phase(plant):
    for second in range(5):
        made(plant, second, 20.0)
    made(plant, 3, 26.0, by=MeasuredBy.GAUGE, quality=Quality.DOUBTFUL)
    value(plant)
    assert RollValue.objects.get().second is None


def test_the_gauge_speaks_before_the_laboratory_where_both_do(plant):
    for second in range(5):
        made(plant, second, 20.0)
        made(plant, second, 20.1, by=MeasuredBy.GAUGE)
    made(plant, 2, 20.4, by=MeasuredBy.LAB)
    value(plant)
    row = RollValue.objects.get()
    assert (row.by, row.measured_n, row.second) == (MeasuredBy.GAUGE, 5, pytest.approx(20.1))


def test_rolls_without_news_are_left_alone(plant):
    made(plant, 1, 20.0)
    made(plant, 1801, 21.0, roll=8)
    assert value(plant) == 2
    assert value(plant) == 0
    made(plant, 1802, 21.0, roll=8)
    assert value(plant) == 1
    assert RollValue.objects.get(roll=7).first_n == 1


def test_points_without_a_prediction_are_looked_through_once(plant, monkeypatch):
    monkeypatch.setattr(rollvalues, "MOST_POINTS", 3)
    for second in range(3):
        made(plant, second, 20.0, by=MeasuredBy.GAUGE)
    made(plant, 1801, 20.0, roll=8)
    assert value(plant) == 0
    assert value(plant) == 1
    assert value(plant) == 0


def test_where_rolls_are_not_counted_the_newest_hours_are_one_value(plant):
    made(plant, 1801, 21.0, roll=8)
    made(plant, 1801 + 9 * 3600, 20.0, roll=8)
    assert value(plant, minutes=11 * 60) == 1
    assert RollValue.objects.values_list("first", "first_n").get() == (20.0, 1)


def test_a_sample_of_an_old_roll_is_answered_days_later(plant):
    made(plant, 1801, 21.0, roll=8)
    value(plant)
    made(plant, 1801, 21.5, roll=8, by=MeasuredBy.LAB, known_s=3 * 86400)
    assert value(plant, minutes=4 * 24 * 60) == 1
    assert RollValue.objects.get().second == pytest.approx(21.5)
