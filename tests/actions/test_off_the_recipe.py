"""A machine that stands elsewhere than its recipe and the changes under it say: one signal, until somebody answers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from control import tasks
from control.actions import drifting, recipes, signals, versions
from control.actions.loops import demote
from control.core.demotion import Trigger
from control.core.modes import Mode
from control.models import Change, Line, Loop, Product, SetPointMove, Signal
from control.queries import handover
from control.queries.signals import board
from tests import factories
from tests.factories import NOW, Plant, snapshot

pytestmark = pytest.mark.django_db
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SETTLED = 70  # seconds


@pytest.fixture
def plant() -> Plant:
    return factories.plant()


def stood(plant: Plant, at: datetime, seconds: Iterable[int] = range(0, SETTLED + 1, 5), **values: float) -> None:
    """Scans before and at an instant that show these values."""
    for second in seconds:
        snapshot(plant, at - second * SECOND, **values)
    drifting.watch(at)


def told() -> list[tuple[str, int]]:
    rows = Signal.objects.filter(kind="recipe_drift", closed_at__isnull=True)
    return list(rows.values_list("detail", "points"))


def answered(plant: Plant, at: datetime) -> None:
    row = Signal.objects.get(kind="recipe_drift", closed_at__isnull=True)
    cause = factories.cause_code("set_point_change", "Set-point change")
    signals.close(row, cause=cause, action=factories.action_code(), actor=plant.person("operator"), now=at)


def applied(plant: Plant, at: datetime, **to: float) -> Change:
    """A change that was written."""
    now = Change.objects.create(
        loop=plant.loop, line=plant.line, state="effective", proposed_at=at, expires_at=at, state_since=at,
        size_percent=0.5, needs="operator", evidence={}, applied_at=at,
    )  # fmt: skip
    for key, value in to.items():
        SetPointMove.objects.create(change=now, tag=plant.tags[key], from_value=factories.USUAL[key], to_value=value)
    return now


def test_a_machine_where_its_recipe_says_is_no_news(plant: Plant) -> None:
    stood(plant, NOW, pump_top=60.01)
    assert told() == []


def test_it_names_parameter_expected_and_found_and_calls_at_priority_2(plant: Plant) -> None:
    stood(plant, NOW, pump_top=60.8)
    row = Signal.objects.get()
    assert (row.kind, row.detail) == ("recipe_drift", "coater.pump_top 60 → 60.8 rpm")
    assert (row.line, row.priority, row.called_at, row.loop) == (plant.line, 2, NOW, None)
    assert board(plant.line, NOW).calling == [row]
    assert handover.report(plant.line, NOW - MINUTE, NOW + MINUTE)["signals"]["open"][0]["detail"] == row.detail


def test_it_is_told_only_after_the_settling_time(plant: Plant) -> None:
    stood(plant, NOW, range(0, 50, 5), pump_top=60.8)
    assert told() == []
    stood(plant, NOW, range(50, SETTLED + 1, 5), pump_top=60.0)  # it came there less than a minute ago
    assert told() == []


@pytest.mark.parametrize("kept", [{"line_speed": 0.0}, {"line_speed": 3.0}])
def test_while_the_web_stands_a_pump_may_too(plant: Plant, kept: dict[str, float]) -> None:
    stood(plant, NOW, pump_top=0.0, **kept)
    assert told() == []


def test_a_machine_that_is_not_heard_of_is_not_judged(plant: Plant) -> None:
    for second in range(0, SETTLED + 1, 5):
        snapshot(plant, NOW - second * SECOND, pump_top=60.8)
    drifting.watch(NOW + MINUTE)
    assert told() == []


def test_a_bad_reading_is_no_difference(plant: Plant) -> None:
    for second in range(0, SETTLED + 1, 5):
        snapshot(plant, NOW - second * SECOND, bad=("pump_top",))
    drifting.watch(NOW)
    assert told() == []


def test_as_long_as_it_lasts_it_is_one_signal(plant: Plant) -> None:
    for minute in range(3):
        stood(plant, NOW + minute * 2 * MINUTE, pump_top=60.8)
    assert told() == [("coater.pump_top 60 → 60.8 rpm", 1)]
    assert Signal.objects.get().last_at == NOW + 4 * MINUTE


def test_another_parameter_joins_the_signal(plant: Plant) -> None:
    stood(plant, NOW, pump_top=60.8)
    stood(plant, NOW + 2 * MINUTE, pump_top=60.8, bolt_top_2=490.0)
    assert told() == [("coater.pump_top 60 → 60.8 rpm, coater.bolt_top_2 500 → 490 um", 2)]


def test_what_was_answered_is_told_again_only_after_the_machine_was_back(plant: Plant) -> None:
    stood(plant, NOW, pump_top=60.8)
    answered(plant, NOW)
    stood(plant, NOW + 2 * MINUTE, pump_top=60.82)
    assert told() == []
    stood(plant, NOW + 4 * MINUTE, pump_top=60.0)
    stood(plant, NOW + 6 * MINUTE, pump_top=60.8)
    assert told() == [("coater.pump_top 60 → 60.8 rpm", 1)]


def test_another_difference_than_the_answered_one_is_told(plant: Plant) -> None:
    stood(plant, NOW, pump_top=60.8)
    answered(plant, NOW)
    stood(plant, NOW + 2 * MINUTE, pump_top=62.0)
    assert told() == [("coater.pump_top 60 → 62 rpm", 1)]


def test_an_open_signal_stays_for_its_cause_though_the_machine_is_back(plant: Plant) -> None:
    stood(plant, NOW, pump_top=60.8)
    stood(plant, NOW + 2 * MINUTE, pump_top=60.0)
    assert Signal.objects.get(closed_at__isnull=True).told == {}


def test_a_change_says_where_the_machine_should_be(plant: Plant) -> None:
    applied(plant, NOW - 10 * MINUTE, pump_top=60.8)
    stood(plant, NOW, pump_top=60.8)
    assert told() == []
    stood(plant, NOW + 2 * MINUTE, pump_top=60.0)  # somebody has set it back to the recipe by hand
    assert told() == [("coater.pump_top 60.8 → 60 rpm", 1)]


def test_the_newest_change_counts_and_what_was_left_out_does_not(plant: Plant) -> None:
    applied(plant, NOW - 20 * MINUTE, pump_top=60.4)
    applied(plant, NOW - 10 * MINUTE, pump_top=60.8)
    applied(plant, NOW - 5 * MINUTE, pump_top=61.0).moves.update(left_out=True)
    stood(plant, NOW, pump_top=60.8)
    assert told() == []


def test_a_parameter_has_the_settling_time_after_a_write(plant: Plant) -> None:
    applied(plant, NOW - 30 * SECOND, pump_top=60.8)
    stood(plant, NOW)
    assert told() == []
    stood(plant, NOW + 40 * SECOND)
    assert told() == [("coater.pump_top 60.8 → 60 rpm", 1)]


def test_of_a_parameter_that_is_being_written_nothing_is_said(plant: Plant) -> None:
    applied(plant, NOW - 10 * MINUTE, pump_top=60.8).moves.update(in_flight=True)
    stood(plant, NOW)
    assert told() == []


def content(plant: Plant, **told: float) -> dict[str, object]:
    points = plant.recipe.content["set_points"] | {f"coater.{key}": value for key, value in told.items()}
    return plant.recipe.content | {"set_points": points}


def test_what_a_new_recipe_sets_otherwise_is_off_and_what_it_leaves_keeps_its_changes(plant: Plant) -> None:
    applied(plant, NOW - 10 * MINUTE, pump_top=60.8, bolt_top_1=503.0)
    product, at = Product.objects.get(), NOW - 5 * MINUTE
    recipes.put_in_force(plant.line, product, content(plant, bolt_top_1=505.0), actor="test", now=at)
    stood(plant, NOW, pump_top=60.8, bolt_top_1=503.0)
    assert told() == [("coater.bolt_top_1 505 → 503 um", 1)]
    applied(plant, NOW + MINUTE, bolt_top_1=505.0)
    stood(plant, NOW + 3 * MINUTE, pump_top=60.8, bolt_top_1=505.0)
    assert Signal.objects.get().told == {}


def test_a_set_point_that_was_changed_and_changed_back_has_lost_its_changes(plant: Plant) -> None:
    applied(plant, NOW - 20 * MINUTE, pump_top=60.8)
    product = Product.objects.get()
    for minutes, value in ((15, 61.0), (10, 60.0)):
        recipes.put_in_force(
            plant.line, product, content(plant, pump_top=value), actor="test", now=NOW - minutes * MINUTE
        )
    stood(plant, NOW, pump_top=60.8)
    assert told() == [("coater.pump_top 60 → 60.8 rpm", 1)]


def test_a_hand_that_took_the_loop_down_is_not_told_twice(plant: Plant) -> None:
    Loop.objects.update(actual_mode=Mode.AUTO, requested_mode=Mode.AUTO)
    loop = Loop.objects.select_related("equipment").get()
    demote(loop, Mode.SUPERVISED, actor="watch", code=Trigger.HAND_MOVE, detail="pump_top", now=NOW - MINUTE)
    stood(plant, NOW, pump_top=60.8, bolt_top_2=490.0)
    assert told() == [("coater.bolt_top_2 500 → 490 um", 1)]


def test_a_failed_write_is_not_told_twice(plant: Plant) -> None:
    signals.raise_(plant.line, Signal.Kind.WRITE_FAILED, loop=plant.loop, now=NOW - MINUTE, detail="#1")
    stood(plant, NOW, pump_top=60.8)
    assert told() == []


def test_each_line_has_its_own_signal_and_its_own_settling_time(plant: Plant) -> None:
    other = factories.plant("cathode-2", area=plant.area)
    version = versions.install(
        "figures", other.line, other.line.pk, versions.present("figures", other.line.pk, other.line)
        | {"recipe_settle_s": 300.0}, actor="test", now=NOW - 10 * MINUTE,
    )  # fmt: skip
    assert version.state == "active"
    for one in (plant, other):
        stood(one, NOW, pump_top=60.8)
    assert [row.line for row in Signal.objects.all()] == [plant.line]
    stood(other, NOW, range(0, 311, 5), pump_top=60.8)
    assert Signal.objects.filter(line=other.line).count() == 1


def test_a_line_without_a_recipe_has_nothing_to_be_off(plant: Plant) -> None:
    plant.line.recipes.update(state="superseded", effective_to=NOW - MINUTE)
    stood(plant, NOW, pump_top=60.8)
    assert told() == []
    assert Line.objects.exists()


def test_where_all_is_well_a_look_at_every_line_is_two_queries(plant: Plant, django_assert_num_queries) -> None:
    stood(plant, NOW)
    with django_assert_num_queries(2):
        drifting.watch(NOW)


def test_it_is_looked_at_by_the_clock(plant: Plant) -> None:
    now = timezone.now()
    for second in range(0, SETTLED + 1, 5):
        snapshot(plant, now - second * SECOND, pump_top=60.8)
    assert "control.watch_recipes" in {one["task"] for one in settings.CELERY_BEAT_SCHEDULE.values()}
    tasks.watch_recipes()
    assert told() == [("coater.pump_top 60 → 60.8 rpm", 1)]
