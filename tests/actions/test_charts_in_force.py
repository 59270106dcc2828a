"""The charts of a version in force judge what the line sends, and what they break becomes a signal."""

from __future__ import annotations

import numpy as np
import pytest

from control.actions import chart_rows, estimators, limits, versions
from control.actions.chart_choice import Choice
from control.actions.errors import Invalid
from control.core.spc import cusum, ewma, group_chart, individuals
from control.core.spc.rules import NELSON, SETS, RuleSet
from control.core.types import Quality, Rule
from control.models import Limits, Point, Signal, Stream
from tests.factories import grant, hand, user
from tests.running import START, running, shared

pytestmark = pytest.mark.django_db
ALL = ("moving_range", "ewma", "cusum", "residual")


@pytest.fixture(scope="module")
def begun(django_db_setup, django_db_blocker):
    with shared(django_db_blocker):
        found = running(ran_s=900)
        found.advance()
        yield found


@pytest.fixture
def line(begun):
    return begun.again()


@pytest.fixture
def stream(line) -> Stream:
    coater = line.equipment[0]
    return Stream.objects.filter(lane__equipment=coater).order_by("id").first()


def put_in_force(line, stream, **told):
    engineer = user("engineer")
    grant(engineer, "engineer", line=line.line)
    supervisor = user("supervisor")
    grant(supervisor, "supervisor", line=line.line)
    asked = {"actor": engineer, "now": line.now}
    version = limits.draft(stream, Choice(START, line.now, **told), reason="a first hour", **asked)
    versions.submit(version.pk, **asked)
    by = hand(supervisor, line.now)
    versions.approve(version.pk, seen=version.sha256, by=by, now=line.now, then="now")
    return {row.chart: row for row in Limits.objects.filter(stream=stream, number=version.number)}


def judged_since(stream, seq):
    points = Point.objects.filter(stream=stream, by=1, quality=Quality.GOOD, seq__gt=seq).order_by("seq")
    return np.array(points.values_list("value", "predicted", "rules"), float)


def test_every_chart_of_a_version_says_live_what_it_says_of_the_same_values_alone(line, stream):
    coater = stream.lane.equipment
    estimators.train(coater, since=START, until=line.now, actor="test", now=line.now)
    line.run(600)
    line.advance()
    rows = put_in_force(line, stream, charts=ALL, rule_set="nelson")
    assert set(rows) == {"i_mr", "ewma", "cusum", "residual"}
    before = Point.objects.filter(stream=stream).order_by("-seq").values_list("seq", flat=True).first()
    line.run(900)
    line.advance()
    value, predicted, rules = judged_since(stream, before).T
    single, errors = rows["i_mr"], rows["residual"]
    z = (value - single.mean) / single.sigma
    with_range = RuleSet.of(NELSON.rules | Rule.MOVING_RANGE, NELSON.parameters)
    expected = individuals.judge(value, single.mean, single.sigma, with_range)[0]
    expected |= ewma.judge(z, 0.2, 2.962).beyond * int(Rule.EWMA)
    expected |= cusum.judge(z, cusum.Design()).beyond * int(Rule.CUSUM)
    unforeseen = individuals.judge(value - predicted, errors.mean, errors.sigma, NELSON)[0]
    expected |= (unforeseen != 0) * int(Rule.RESIDUAL)
    assert len(value) > 50
    assert expected.any()
    assert list(rules.astype(int) & ~int(Rule.OUT_OF_SPEC)) == list(expected)


def test_a_broken_rule_of_any_chart_is_one_open_signal(line, stream):
    rows = put_in_force(line, stream, charts=("cusum",), rule_set="beyond_3_sigma")
    Limits.objects.filter(pk=rows["cusum"].pk).update(parameters={"k": 0.0, "h": 0.5, "head_start": 0.4})
    line.run(600)
    line.advance()
    assert Signal.objects.filter(stream=stream, rule=Rule.CUSUM).count() == 1


def test_a_version_of_single_values_alone_keeps_no_average_and_no_sums(line, stream):
    put_in_force(line, stream, rule_set="western_electric")
    line.run(120)
    line.advance()
    coater = line.equipment[0]
    coater.cursor.refresh_from_db()
    told = coater.cursor.state["streams"][stream.key]
    assert (told["chart"]["ewma"], told["chart"]["cusum"], told["residual"]) == (0.0, None, None)
    assert 0 < len(told["chart"]["recent"]) <= SETS["western_electric"].context


def test_a_lane_is_held_against_the_others_as_the_window_told(line, stream):
    coater = stream.lane.equipment
    limits.draw(coater, since=START, until=line.now, actor="test", now=line.now)
    row = put_in_force(line, stream, charts=("t2",))["t2"]
    told = row.parameters
    assert stream.key not in told["others"]
    assert len(told["mean"]) == len(told["others"]) + 1
    assert told["mean"][0] == pytest.approx(row.mean, rel=0.01)
    assert 0 < row.expected["per_shift"] < 60
    Limits.objects.filter(pk=row.pk).update(parameters={**told, "alpha": 0.999})
    before = Point.objects.filter(stream=stream).order_by("-seq").values_list("seq", flat=True).first()
    line.run(300)
    line.advance()
    rules = judged_since(stream, before)[:, 2].astype(int)
    assert np.mean(rules & int(Rule.MULTIVARIATE) > 0) > 0.8
    assert list(Signal.objects.filter(rule=Rule.MULTIVARIATE).values_list("stream", flat=True)) == [stream.pk]


def test_a_lane_is_not_held_against_lanes_that_are_not_charted(line, stream):
    with pytest.raises(Invalid, match="other lanes"):
        put_in_force(line, stream, charts=("t2",))


@pytest.mark.parametrize("basis", ["xbar_r", "xbar_s", "three_way"])
def test_groups_are_judged_live_as_their_means_alone_would_be(line, stream, basis):
    row = put_in_force(line, stream, basis=basis, group=4, rule_set="nelson_1_2_3", lengths={"run": 5})[basis]
    Limits.objects.filter(pk=row.pk).update(mean=row.mean + row.sigma)
    row.refresh_from_db()
    before = Point.objects.filter(stream=stream).order_by("-seq").values_list("seq", flat=True).first()
    for _ in range(3):
        line.run(300)
        line.advance()
    value, _, rules = judged_since(stream, before).T
    groups = group_chart.cut(value, 4)
    found = group_chart.judge(groups, chart_rows.grouped(row))[0]
    expected = np.zeros(len(value), int)
    expected[3::4] = found
    assert expected.any()
    assert list(rules.astype(int) & ~int(Rule.OUT_OF_SPEC)) == list(expected)


def test_a_lane_is_held_against_the_average_of_the_others(line, stream):
    coater = stream.lane.equipment
    limits.draw(coater, since=START, until=line.now, actor="test", now=line.now)
    rows = put_in_force(line, stream, charts=("t2", "mewma"))
    told = rows["mewma"].parameters
    assert (told["others"], told["mean"]) == (rows["t2"].parameters["others"], rows["t2"].parameters["mean"])
    assert (told["weight"], told["h"] > 5) == (0.1, True)
    Limits.objects.filter(pk=rows["mewma"].pk).update(parameters={**told, "h": 1e-6})
    Limits.objects.filter(pk=rows["t2"].pk).update(parameters={**rows["t2"].parameters, "alpha": 1e-9})
    before = Point.objects.filter(stream=stream).order_by("-seq").values_list("seq", flat=True).first()
    line.run(300)
    line.advance()
    rules = judged_since(stream, before)[:, 2].astype(int)
    assert np.mean(rules & int(Rule.MULTIVARIATE) > 0) > 0.8
