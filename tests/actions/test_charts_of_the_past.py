"""The small charts of a lane: found from what is stored, equal to the verdicts that were given, and nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from control.actions import estimators, limits, process_events, retracing, versions
from control.actions.chart_choice import Choice
from control.core.process_events import Kind
from control.core.types import MeasuredBy, Quality, Rule
from control.epoch import instant
from control.models import Limits, Point, Stream
from tests.factories import grant, hand, user
from tests.running import START, Running, running, shared

pytestmark = pytest.mark.django_db
ALL = ("moving_range", "ewma", "cusum", "residual", "t2", "mewma")
TIGHT = {  # so that every chart has something to say
    "ewma": {"width": 1.2},
    "cusum": {"h": 1.0, "head_start": 0.5},
    "t2": {"alpha": 0.2},
    "mewma": {"h": 3.0},
}
OF_PANEL = {
    "ewma": Rule.EWMA,
    "cusum": Rule.CUSUM,
    "mr": Rule.MOVING_RANGE,
    "error": Rule.RESIDUAL,
    "t2": Rule.MULTIVARIATE,
    "mewma": Rule.MULTIVARIATE,
}


@pytest.fixture(scope="module")
def begun(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Running]:
    with shared(django_db_blocker):
        found = running(ran_s=900)
        found.advance()
        coater = found.equipment[0]
        estimators.train(coater, since=START, until=found.now, actor="test", now=found.now)
        limits.draw(coater, since=START, until=found.now, actor="test", now=found.now)
        run(found, 300)
        yield found


@pytest.fixture
def line(begun: Running) -> Running:
    return begun.again()


@pytest.fixture
def stream(line: Running) -> Stream:
    return Stream.objects.filter(lane__equipment=line.equipment[0]).order_by("id").first()


@pytest.fixture
def people(line: Running) -> dict[str, User]:
    found = {role: user(role) for role in ("engineer", "supervisor")}
    for role, person in found.items():
        grant(person, role, line=line.line)
    return found


def put_in_force(
    line: Running, stream: Stream, people: dict[str, User], choice: Choice, *, mean_off: float = 0.0
) -> None:
    """A version of the choice; its charts are made to say more, with their mean so many sigma off."""
    asked = {"actor": people["engineer"], "now": line.now}
    version = limits.draft(stream, choice, reason="to be tried", **asked)
    versions.submit(version.pk, **asked)
    by = hand(people["supervisor"], line.now)
    versions.approve(version.pk, seen=version.sha256, by=by, now=line.now, then="now")
    for row in Limits.objects.filter(stream=stream, number=version.number):
        told = {**row.parameters, **TIGHT.get(row.chart, {})}
        Limits.objects.filter(pk=row.pk).update(parameters=told, mean=row.mean + mean_off * row.sigma)


def run(line: Running, *seconds: int) -> None:
    for portion in seconds:
        line.run(portion)
        line.advance()


def stored(stream: Stream, rule: Rule, since: datetime = START) -> set[float]:
    points = Point.objects.filter(stream=stream, by=MeasuredBy.GAUGE, quality=Quality.GOOD, at__gte=since)
    return {at.timestamp() for at, bits in points.values_list("at", "rules") if bits & rule}


def beyond(series: retracing.Series) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (series.value > series.upper) | (series.value < series.lower)


def test_every_chart_is_drawn_as_it_was_judged_over_versions_stages_and_late_values(
    line: Running, stream: Stream, people: dict[str, User]
) -> None:
    begun = line.now
    put_in_force(line, stream, people, Choice(START, line.now, charts=ALL))
    run(line, 240, 30, 90)
    process_events.caused(line.line, Kind.FILTER_CHANGE, actor="test", now=line.now)
    run(line, 240)
    put_in_force(line, stream, people, Choice(START, begun, charts=ALL), mean_off=0.4)
    held = line.scans(20)
    run(line, 200)
    line.store(held)
    run(line, 120)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        drawn = {panel: retracing.drawn(stream.lane, panel, begun, line.now) for panel in OF_PANEL}
    assert not [one["sql"] for one in asked if not one["sql"].lstrip().upper().startswith(("SELECT", "WITH"))]
    for panel, rule in OF_PANEL.items():
        (own,) = [one for one in drawn[panel] if one.stream == stream]
        marked = {at for series in own.series for at in series.at_s[series.rules != 0].tolist()}
        outside = {at for series in own.series for at in series.at_s[beyond(series)].tolist()}
        assert outside <= marked if panel == "error" else marked == outside
        assert len(marked) > 2 or panel == "mr"
        if rule != Rule.MULTIVARIATE:
            assert marked == stored(stream, rule, begun)
    both = set[float]().union(
        *(
            {
                at
                for one in drawn[panel]
                if one.stream == stream
                for s in one.series
                for at in s.at_s[s.rules != 0].tolist()
            }
            for panel in ("t2", "mewma")
        )
    )
    assert both == stored(stream, Rule.MULTIVARIATE, begun)


@pytest.mark.parametrize("basis", ["xbar_r", "three_way"])
def test_groups_are_drawn_as_they_were_judged(
    line: Running, stream: Stream, people: dict[str, User], basis: str
) -> None:
    begun = line.now
    put_in_force(line, stream, people, Choice(START, line.now, basis=basis, group=3), mean_off=1.5)
    run(line, 240, 7, 11, 240)
    (drawn,) = retracing.drawn(stream.lane, "mean", begun, line.now)
    (mean,) = drawn.series
    assert list(mean.rules & int(Rule.BEYOND_3_SIGMA) != 0) == list(beyond(mean))
    assert {*mean.at_s[mean.rules != 0].tolist()} == stored(
        stream, Rule.BEYOND_3_SIGMA | Rule.RUN_ONE_SIDE | Rule.TWO_OF_THREE | Rule.FOUR_OF_FIVE, begun
    )
    assert len(stored(stream, Rule.RUN_ONE_SIDE, begun)) > 0
    assert set(retracing.panels(stream.lane)) >= {"mean", "spread"}


def test_a_window_in_the_middle_is_drawn_as_the_same_part_of_the_whole(
    line: Running, stream: Stream, people: dict[str, User]
) -> None:
    begun = line.now
    put_in_force(line, stream, people, Choice(START, line.now, charts=("cusum",)))
    run(line, 600)
    middle = begun + timedelta(seconds=300)
    ((whole, *_),), ((part, *_),) = (
        [one.series for one in retracing.drawn(stream.lane, "cusum", since, line.now)] for since in (begun, middle)
    )
    assert list(part.value) == list(whole.since(middle.timestamp()).value)


def test_before_there_were_limits_nothing_is_drawn(line: Running, stream: Stream) -> None:
    ((one,), *_) = (drawn.series for drawn in retracing.drawn(stream.lane, "ewma", START, line.now))
    assert START + timedelta(seconds=840) < instant(one.at_s[0]) < START + timedelta(seconds=960)
