"""A lab sample is held against what the gauge said of the same metres; a press against what should come in."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from control.actions import _samples
from control.actions._incoming import incoming
from control.actions.ingest import raw
from control.core.types import Measured, MeasuredBy, Quality
from control.core.vm.metrology import Doubt
from control.models import Equipment, Point, Recipe
from tests import factories
from tests.factories import NOW
from tests.running import running

pytestmark = pytest.mark.django_db


def lab(by: MeasuredBy, web_m: float) -> Measured:
    """One value of the first lane, cut half an hour after the roll began."""
    i = np.zeros(1, np.int64)
    at_s = np.array([(NOW + timedelta(minutes=30)).timestamp()])
    return Measured(at_s, i + 7, np.array([web_m]), i, np.array([20.0]), i, i + int(by))


@pytest.fixture
def plant():
    """The gauge said 20.1 between 450 and 550 m, 20.5 further on; one wild value, and one it is blamed for already."""
    plant = factories.plant()
    said = [(450 + 10 * i, 20.1, Quality.GOOD, Doubt.NONE) for i in range(11)]
    said += [(700, 20.5, Quality.GOOD, Doubt.NONE), (500, 26.0, Quality.DOUBTFUL, Doubt.ALONE)]
    said += [(505, 20.1, Quality.DOUBTFUL, Doubt.GAUGE_LAB)]
    for seq, (web_m, value, quality, doubt) in enumerate(said, 1):
        Point.objects.create(
            equipment=plant.coater, seq=seq, at=NOW + timedelta(seconds=web_m), known_at=NOW, by=MeasuredBy.GAUGE,
            stream=plant.streams["loading/1-top"], roll=7, web_m=web_m, value=value, quality=quality, verdict=0,
            rules=0, doubt=doubt,
        )  # fmt: skip
    return plant


def beside(plant, measured):
    ids = [plant.streams["loading/1-top"].pk]
    return _samples.beside(raw(), plant.coater.pk, ids, measured)


def test_a_lab_sample_is_held_against_the_believed_gauge_values_around_its_metre(plant):
    assert beside(plant, lab(MeasuredBy.LAB, 500.0)) == pytest.approx([20.1])


def test_where_the_gauge_said_nothing_there_is_nothing_to_hold_it_against(plant):
    assert np.isnan(beside(plant, lab(MeasuredBy.LAB, 5000.0))).all()
    assert beside(plant, lab(MeasuredBy.GAUGE, 500.0)) is None


def test_a_press_is_told_the_loading_of_both_sides_by_lane():
    line = running()
    recipe = Recipe.objects.get(line=line.line)
    coater, press = Equipment.objects.filter(line=line.line).order_by("position")
    assert incoming(coater, recipe) == {}
    told = incoming(press, recipe)
    assert set(told) == {"1", "2", "3", "4"}
    assert told["1"] == (pytest.approx(40.0), pytest.approx(0.015))
    assert incoming(press, None) == {}
