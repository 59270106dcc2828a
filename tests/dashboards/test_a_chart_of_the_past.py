"""A chart of the past is drawn with the specification and the limits that were in force then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from control.models import Limits, Recipe, Roll, VersionState
from dashboards.frames import SpecStep, frame
from tests import factories
from tests.factories import Plant

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SPEC = {"lower": 19.7, "target": 20.0, "upper": 20.3}
TIGHTER = {"lower": 19.8, "target": 20.0, "upper": 20.2}


@pytest.fixture
def plant() -> Plant:
    return factories.plant()


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def forget(plant: Plant) -> None:
    Roll.objects.update(recipe=None)
    plant.line.recipes.all().delete()


def recipes(plant: Plant, *begins: tuple[datetime, dict[str, float]]) -> None:
    """Recipes that came into force one after the other."""
    forget(plant)
    ends: list[datetime | None] = [*(at for at, _ in begins[1:]), None]
    for number, ((at, spec), until) in enumerate(zip(begins, ends, strict=True), 1):
        told: dict[str, Any] = {"content": {"set_points": {}, "specs": {"coater.loading": spec}}}
        state = VersionState.SUPERSEDED if until else VersionState.ACTIVE
        Recipe.objects.create(
            line=plant.line,
            product=plant.recipe.product,
            number=number,
            state=state,
            effective_from=at,
            effective_to=until,
            **told,
        )


def specs(plant: Plant, start: datetime, end: datetime) -> list[SpecStep]:
    stream = plant.streams["loading/1-top"]
    (found,) = [one for one in frame(stream.lane, start, end).streams if one.id == stream.pk]
    last = found.specs[-1] if found.specs else None
    assert (found.lower, found.upper) == ((last.lower, last.upper) if last else (None, None))
    return found.specs


def test_before_a_recipe_came_into_force_its_specification_is_not_drawn(plant: Plant, now: datetime) -> None:
    recipes(plant, (now - 9 * HOUR, SPEC), (now - 3 * HOUR, TIGHTER))
    (step,) = specs(plant, now - 8 * HOUR, now - 4 * HOUR)
    assert (step.lower, step.end) == (19.7, now - 3 * HOUR)
    (step,) = specs(plant, now - 2 * HOUR, now)
    assert (step.lower, step.end) == (19.8, None)


def test_where_it_changed_within_the_range_it_steps(plant: Plant, now: datetime) -> None:
    recipes(plant, (now - 9 * HOUR, SPEC), (now - 3 * HOUR, TIGHTER))
    before, after = specs(plant, now - 8 * HOUR, now)
    assert (before.upper, before.end, after.start, after.upper) == (20.3, now - 3 * HOUR, now - 3 * HOUR, 20.2)


def test_a_recipe_that_says_the_same_makes_no_step(plant: Plant, now: datetime) -> None:
    recipes(plant, (now - 9 * HOUR, SPEC), (now - 5 * HOUR, SPEC), (now - 3 * HOUR, TIGHTER), (now - HOUR, SPEC))
    steps = specs(plant, now - 8 * HOUR, now)
    assert [(step.lower, step.end) for step in steps] == [(19.7, now - 3 * HOUR), (19.8, now - HOUR), (19.7, None)]


def test_foil_made_before_the_first_recipe_is_drawn_under_it(plant: Plant, now: datetime) -> None:
    recipes(plant, (now - HOUR, SPEC))
    (step,) = specs(plant, now - 8 * HOUR, now - 4 * HOUR)
    assert (step.lower, step.start) == (19.7, now - 8 * HOUR)


def test_without_a_recipe_there_is_no_specification(plant: Plant, now: datetime) -> None:
    forget(plant)
    assert specs(plant, now - HOUR, now) == []


def limits(plant: Plant, start: datetime, end: datetime) -> list[tuple[float, datetime, datetime | None]]:
    stream = plant.streams["loading/1-top"]
    (found,) = [one for one in frame(stream.lane, start, end).streams if one.id == stream.pk]
    return [(step.mean, step.start, step.end) for step in found.limits]


def in_force(plant: Plant, number: int, **told: Any) -> None:
    about = {"stream": plant.streams["loading/1-top"], "chart": Limits.Chart.INDIVIDUALS, "method": "moving_range"}
    window = {"window_from": told["effective_from"], "window_to": told["effective_from"]}
    Limits.objects.create(**about, **window, number=number, sigma=0.03, n=100, rules=1, **told)


def test_limits_step_and_foil_made_before_the_first_is_drawn_under_them(plant: Plant, now: datetime) -> None:
    Limits.objects.all().delete()
    first, second = now - 3 * HOUR, now - HOUR
    in_force(plant, 1, mean=20.0, state=VersionState.SUPERSEDED, effective_from=first, effective_to=second)
    in_force(plant, 2, mean=20.1, state=VersionState.ACTIVE, effective_from=second)
    begun, years = now - 8 * HOUR, timedelta(days=2000)
    assert limits(plant, begun, now) == [(20.0, begun, second), (20.1, second, None)]
    assert limits(plant, now - HOUR / 2, now) == [(20.1, second, None)]
    assert limits(plant, now - years, now - years + HOUR) == [(20.0, now - years, second)]
