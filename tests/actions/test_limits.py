"""Limits are drafted from a window and reviewed by somebody else; those before end where they come into force."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from control.actions import imports, limits, machines, phase_one, versions
from control.actions.chart_choice import Choice, Exclusion
from control.actions.errors import Conflict, Invalid, NoPermission
from control.actions.kinds import LIMITS
from control.core.spc import cusum, ewma
from control.core.spc.rules import NELSON
from control.core.types import Quality, Rule
from control.models import AuditEntry, Limits, Measurement, Point, ProcessEvent, Recipe, Roll, Signature, Version
from control.queries import handover
from control.queries import limits as queries
from tests import factories
from tests.factories import NOW, Plant, hand, make_recipe
from tests.running import shared

pytestmark = pytest.mark.django_db
EVERY_S = 10
N = 400
START = NOW - timedelta(seconds=N * EVERY_S)


@pytest.fixture(scope="module")
def known(django_db_setup, django_db_blocker):
    with shared(django_db_blocker):
        found = factories.plant()
        measured(found, np.random.default_rng(1).normal(20.0, 0.1, N))
        yield found


@pytest.fixture
def plant(known) -> Plant:
    return deepcopy(known)


@pytest.fixture
def stream(plant):
    return plant.streams["loading/1-top"]


def measured(plant, values, *, predicted=None, start=START, roll=7):
    factories.copied(
        Point(
            equipment=plant.coater, seq=int(start.timestamp()) + i, at=start + timedelta(seconds=EVERY_S * i),
            known_at=start, stream=plant.streams["loading/1-top"], by=1, roll=roll, web_m=0.0, value=value,
            predicted=None if predicted is None else predicted[i], quality=Quality.GOOD, verdict=0, rules=0,
        )
        for i, value in enumerate(values)
    )  # fmt: skip


def choice(**told):
    return Choice(**{"since": START, "until": NOW, **told})


def drafted(plant, stream, now=NOW, **told):
    return limits.draft(stream, choice(**told), actor=plant.person("engineer"), now=now, reason="first limits")


def rows_of(version):
    """What a draft would judge by, chart by chart."""
    return {row.chart: row for row in Limits.of(Version.objects.get(pk=version.pk))}


def activated(plant, version, now=NOW, then="now"):
    versions.submit(version.pk, actor=plant.person("engineer"), now=now)
    told = {"seen": version.sha256, "by": hand(plant.person("supervisor"), now), "reason": "looked at it"}
    return versions.approve(version.pk, now=now, then=then, **told)


def test_a_draft_tells_where_its_numbers_come_from_and_judges_nothing_yet(plant, stream):
    version = drafted(plant, stream, charts=("ewma",))
    rows = rows_of(version)
    assert set(rows) == {"i_mr", "ewma"}
    one = rows["i_mr"]
    assert (one.number, one.state, one.n, one.method) == (1, "draft", N, "moving_range")
    assert (one.mean, one.sigma) == pytest.approx((20.0, 0.1), rel=0.1)
    assert (one.window_from, one.window_to) == (START, NOW - timedelta(seconds=EVERY_S))
    assert (one.created_by, one.created_at, one.reason) == (plant.person("engineer"), NOW, "first limits")
    assert one.effective_from is None
    assert not Limits.objects.exists()
    built = machines.built(plant.coater.pk).machine
    assert built.streams[built.stream_at[stream.key]].chart is None


def test_a_draft_foretells_the_false_alarms_of_its_rules(plant, stream):
    version = drafted(plant, stream, charts=("ewma", "cusum"), rule_set="western_electric")
    told = {chart: row.expected for chart, row in rows_of(version).items()}
    in_a_shift = 8 * 3600 / EVERY_S
    assert in_a_shift / 370 < told["i_mr"]["per_shift"] < in_a_shift / 40
    assert set(told["i_mr"]["by_rule"]) == {"1", "2", "4", "8"}
    assert set(told["ewma"]["by_rule"]) == {"32"}
    assert set(told["cusum"]["by_rule"]) == {"2048"}


def test_the_review_puts_it_in_force_and_the_pipeline_judges_by_it(plant, stream):
    stamp = machines.built(plant.coater.pk).stamp
    version = drafted(plant, stream, rule_set="nelson")
    assert machines.built(plant.coater.pk).stamp == stamp
    activated(plant, version, NOW + timedelta(minutes=1))
    built = machines.built(plant.coater.pk)
    assert built.stamp != stamp
    chart = built.machine.streams[built.machine.stream_at[stream.key]].chart
    row = Limits.objects.get()
    assert (chart.mean, chart.sigma) == (row.mean, row.sigma)
    assert (chart.rules.run, Rule.MIXTURE in chart.rules.rules) == (9, True)


def test_what_was_in_force_ends_when_the_next_begins(plant, stream):
    activated(plant, drafted(plant, stream, charts=("ewma",)))
    later = NOW + timedelta(hours=1)
    activated(plant, drafted(plant, stream), later)
    states = {
        (row.number, row.chart): (row.state, row.effective_from, row.effective_to) for row in Limits.objects.all()
    }
    assert states == {
        (1, "i_mr"): ("superseded", NOW, later),
        (1, "ewma"): ("superseded", NOW, later),
        (2, "i_mr"): ("active", later, None),
    }
    assert list(Version.objects.order_by("number").values_list("state", "effective_from", "effective_to")) == [
        ("superseded", NOW, later), ("active", later, None),
    ]  # fmt: skip


def test_no_transaction_is_open_while_false_alarms_are_simulated(plant, stream):
    with CaptureQueriesContext(connection) as asked:
        drafted(plant, stream)
    begun = [i for i, one in enumerate(asked.captured_queries) if one["sql"].startswith("SAVEPOINT")]
    read = [i for i, one in enumerate(asked.captured_queries) if "control_point" in one["sql"]]
    assert max(read) < min(begun)


def test_of_a_window_with_too_many_values_the_newest_are_taken_and_that_is_said(plant, stream, monkeypatch):
    whole = queries.window(stream, START, NOW)
    monkeypatch.setattr(queries, "MOST_VALUES", N - 1)
    window = queries.window(stream, START, NOW)
    assert (whole.cut, window.cut) == (False, True)
    assert window.at_s.tolist() == whole.at_s[1:].tolist()
    assert window.value.tolist() == whole.value[1:].tolist()


def test_every_step_is_a_row_of_the_audit_and_the_stream_has_the_one_that_counts(plant, stream):
    activated(plant, drafted(plant, stream))
    rows = list(AuditEntry.objects.exclude(action="signature.give").order_by("number"))
    assert [(row.action, row.object_type) for row in rows] == [
        ("version.draft", "version"), ("version.submit", "version"), ("version.approve", "version"),
        ("version.activate", "version"), ("limits.in_force", "stream"),
    ]  # fmt: skip
    last = rows[-1]
    assert (last.actor, last.object_id) == (plant.person("supervisor"), str(stream.pk))
    assert last.new["mean"] == Limits.objects.get().mean
    assert (last.old, last.reason) == ({"number": None}, "first limits")


@pytest.mark.parametrize("name", ["viewer", "operator", "supervisor", "admin", "auditor", "outsider", "root"])
def test_only_who_configures_the_line_drafts(plant, stream, name):
    with pytest.raises(NoPermission):
        limits.draft(stream, choice(), actor=plant.person(name), now=NOW, reason="x")
    assert not Version.objects.exists()
    assert AuditEntry.objects.get().action == "limits.draft.refused"


def test_who_drew_them_does_not_approve_them_and_another_engineer_may(plant, stream):
    version = drafted(plant, stream)
    versions.submit(version.pk, actor=plant.person("engineer"), now=NOW)
    told = {"seen": version.sha256, "now": NOW, "then": "now"}
    with pytest.raises(NoPermission) as refused:
        versions.approve(version.pk, by=hand(plant.person("engineer")), **told)
    assert refused.value.code == "own_version"
    assert not Limits.objects.exists()
    colleague = factories.user("colleague")
    factories.grant(colleague, "engineer", line=plant.line)
    versions.approve(version.pk, by=hand(colleague), **told)
    assert (Limits.objects.get().created_by, Limits.objects.get().activated_by) == (plant.person("engineer"), colleague)


def test_a_reason_is_needed(plant, stream):
    with pytest.raises(Invalid, match="reason"):
        limits.draft(stream, choice(), actor=plant.person("engineer"), now=NOW, reason="  ")
    assert not Version.objects.exists()


def test_limits_are_never_typed(plant, stream):
    version = drafted(plant, stream)
    told = {"actor": plant.person("engineer"), "now": NOW, "reason": "I know better"}
    charts = {"charts": {"i_mr": version.content["charts"]["i_mr"] | {"sigma": 9.0}}}
    with pytest.raises(Invalid, match="never typed"):
        versions.draft("limits", plant.line, stream.pk, charts, **told)
    with pytest.raises(Invalid, match="never typed"):
        versions.edit(version.pk, charts, seen=version.sha256, **told)
    with pytest.raises(Invalid, match="never typed"):
        imports.imported("limits", plant.line, stream.pk, json.dumps(charts).encode(), "json", **told)
    assert Version.objects.get().content == version.content


def test_a_review_shows_what_differs_from_the_limits_in_force(plant, stream):
    activated(plant, drafted(plant, stream, charts=("ewma",)))
    Point.objects.all().delete()
    measured(plant, np.random.default_rng(8).normal(20.5, 0.2, N))
    rows = {row.path: row for row in versions.difference(drafted(plant, stream, rule_set="nelson"))}
    mean = rows["i_mr.mean"]
    assert (mean.old, mean.new) == pytest.approx((20.0, 20.5), abs=0.05)
    assert (mean.change, mean.percent) == pytest.approx((0.5, 2.5), rel=0.1)
    assert rows["i_mr.sigma"].percent == pytest.approx(100, rel=0.3)
    assert (rows["i_mr.rule_set"].old, rows["i_mr.rule_set"].new) == ("western_electric", "nelson")
    assert (rows["ewma.rules"].old, rows["ewma.rules"].new) == ("ewma", None)
    assert "ewma.mean" not in rows  # the same as that of the single values


def test_every_chart_can_be_compared(plant, stream):
    """Whatever a chart keeps, a review finds a plain value for it or leaves it to the whole content."""
    both = choice(basis="three_way", charts=("moving_range", "ewma", "cusum", "residual"))
    Point.objects.all().delete()
    rng = np.random.default_rng(2)
    measured(plant, rng.normal(20.0, 0.1, N), predicted=rng.normal(20.0, 0.1, N))
    version = limits.draft(stream, both, actor=plant.person("engineer"), now=NOW, reason="all of it")
    told = {row.path: row.new for row in versions.difference(version)}
    assert {path.partition(".")[0] for path in told} == {"i_mr", "three_way", "ewma", "cusum", "residual", "excluded"}
    assert all(isinstance(value, str | int | float) for value in told.values())


def test_the_report_of_the_shift_names_the_stream_once(plant, stream):
    activated(plant, drafted(plant, stream))
    (told,) = handover.report(plant.line, START, NOW + timedelta(seconds=1))["versions"]
    assert (told["action"], told["object"], told["id"]) == ("limits.in_force", "stream", str(stream.pk))
    assert told["by"] == plant.person("supervisor").username


def test_limits_wait_for_the_next_roll(plant, stream):
    later = NOW + timedelta(minutes=5)
    activated(plant, drafted(plant, stream), then="lot")
    versions.activate_due(later)
    assert not Limits.objects.exists()
    Roll.objects.create(equipment=plant.coater, number=8, started_at=NOW + timedelta(minutes=1))
    versions.activate_due(later)
    assert (Limits.objects.get().state, Limits.objects.get().effective_from) == ("active", later)


def test_limits_drawn_beside_others_that_came_into_force_are_looked_at_again(plant, stream):
    first, second = drafted(plant, stream), drafted(plant, stream, rule_set="nelson")
    activated(plant, first)
    with pytest.raises(Conflict) as refused:
        activated(plant, second)
    assert refused.value.code == "base_changed"
    assert [row.number for row in Limits.objects.filter(state="active")] == [1]


def test_a_stream_has_one_chart_of_a_kind_in_force_whoever_writes(plant, stream):
    activated(plant, drafted(plant, stream))
    activated(plant, drafted(plant, stream, rule_set="nelson"))
    with pytest.raises(IntegrityError, match="limits_one_active"), transaction.atomic():
        Limits.objects.filter(number=1).update(state="active")


def test_what_was_in_force_at_a_moment_is_known(plant, stream):
    activated(plant, drafted(plant, stream))
    later = NOW + timedelta(hours=1)
    activated(plant, drafted(plant, stream, rule_set="nelson"), later)
    version, told = versions.held_at("limits", plant.line, stream.pk, later - timedelta(seconds=1))
    assert (version.number, told["charts"]["i_mr"]["parameters"]["rule_set"]) == (1, "western_electric")
    assert versions.held_at("limits", plant.line, stream.pk, START) == (None, {})


def test_what_is_left_out_is_left_out_for_a_reason_that_is_kept(plant, stream):
    Point.objects.filter(at=START + timedelta(seconds=100)).update(value=27.0)
    at = START + timedelta(seconds=100)
    spoiled = rows_of(drafted(plant, stream))["i_mr"]
    clean = rows_of(drafted(plant, stream, excluded=(Exclusion(at, at, "sensor knocked"),)))["i_mr"]
    assert clean.sigma < 0.8 * spoiled.sigma
    assert (clean.n, spoiled.n) == (N - 1, N)
    told = {"from": at.isoformat(), "to": at.isoformat(), "points": 1, "reason": "sensor knocked"}
    assert clean.excluded == [told]


@pytest.mark.parametrize(
    "told",
    [
        {"method": "by_eye"},
        {"rule_set": "mine"},
        {"charts": ("pie",)},
        {"until": START},
        {"excluded": (Exclusion(START, NOW, " "),)},
        {"excluded": (Exclusion(NOW, START, "x"),)},
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused(told):
    with pytest.raises(ValueError, match=r"\w"):
        choice(**told)


def test_too_few_values_give_no_draft(plant, stream):
    with pytest.raises(Invalid, match="at least 20"):
        drafted(plant, stream, since=NOW - timedelta(seconds=19 * EVERY_S))
    assert not Version.objects.exists()


def test_values_that_are_doubted_or_not_of_the_gauge_are_not_asked(plant, stream):
    Point.objects.filter(at__lt=START + timedelta(seconds=100)).update(quality=Quality.DOUBTFUL)
    Point.objects.filter(at__gte=NOW - timedelta(seconds=100)).update(by=2)
    assert phase_one.weigh(stream, choice()).limits.n == N - 20


def test_a_new_roll_is_no_moving_range(plant, stream):
    whole = phase_one.weigh(stream, choice()).limits.sigma
    Point.objects.filter(at__gte=START + timedelta(seconds=2000)).update(roll=8)
    level = Point.objects.filter(roll=8)
    for point in level:
        Point.objects.filter(seq=point.seq).update(value=point.value + 5.0)
    assert phase_one.weigh(stream, choice()).limits.sigma == pytest.approx(whole, rel=0.01)


def test_values_of_an_unknown_roll_break_nothing(plant, stream):
    for second in (1000, 1500, 2500):
        Point.objects.filter(at=START + timedelta(seconds=second)).update(roll=0)
    Point.objects.filter(at__gte=START + timedelta(seconds=2000)).exclude(roll=0).update(roll=8)
    stage = queries.window(stream, START, NOW).stage
    assert list(np.flatnonzero(np.diff(stage))) == [2000 // EVERY_S - 1]


@pytest.mark.parametrize("what", ["maintenance", "recipe"])
def test_maintenance_and_another_recipe_begin_a_stage(plant, stream, what):
    at = START + timedelta(seconds=2000)
    whole = queries.window(stream, START, NOW)
    assert set(whole.stage) == {0}
    if what == "recipe":
        make_recipe(plant.line, number=2, state="superseded")
        Recipe.objects.filter(number=2).update(effective_from=at)
    else:
        ProcessEvent.objects.create(equipment=plant.coater, kind="maintenance", at=at, recorded_at=NOW)
    stage = queries.window(stream, START, NOW).stage
    assert list(np.flatnonzero(np.diff(stage))) == [2000 // EVERY_S - 1]


def test_the_error_of_the_prediction_has_limits_of_its_own(plant, stream):
    Point.objects.all().delete()
    rng = np.random.default_rng(2)
    drift = 20.0 + np.cumsum(rng.normal(0.0, 0.05, N))
    measured(plant, drift + rng.normal(0.0, 0.02, N), predicted=drift + 0.5)
    rows = rows_of(drafted(plant, stream, charts=("residual",)))
    assert (rows["residual"].mean, rows["residual"].sigma) == pytest.approx((-0.5, 0.02), rel=0.1)
    assert set(rows["residual"].expected["by_rule"]) == {"4096"}
    assert rows["i_mr"].expected["per_shift"] > 10 * rows["residual"].expected["per_shift"]


def test_one_wild_reading_does_not_make_the_process_seem_wider(plant, stream):
    told = {"rule_set": "beyond_3_sigma", "method": "median_moving_range"}
    clean = phase_one.weigh(stream, choice(**told)).rows[0].expected["per_shift"]
    Point.objects.filter(at=START + timedelta(seconds=100)).update(value=27.0)
    assert phase_one.weigh(stream, choice(**told)).rows[0].expected["per_shift"] == pytest.approx(clean, rel=0.3)


def test_what_is_usual_depends_on_whether_neighbours_resemble_each_other(plant, stream):
    calm = phase_one.usual(stream, START, NOW)
    assert (calm.method, calm.rule_set, calm.charts) == ("moving_range", "western_electric", ("ewma",))
    Point.objects.all().delete()
    drift = np.cumsum(np.random.default_rng(5).normal(0.0, 0.05, N))
    measured(plant, 20.0 + drift)
    alike = phase_one.usual(stream, START, NOW)
    assert (alike.method, alike.rule_set, alike.charts) == ("standard_deviation", "beyond_3_sigma", ())
    Point.objects.all().delete()
    assert phase_one.usual(stream, START, NOW) == calm


def test_the_window_itself_is_judged_too(plant, stream):
    Point.objects.all().delete()
    measured(plant, np.clip(np.random.default_rng(3).normal(20.0, 0.1, N), 19.8, 20.2))
    told = {"rule_set": "beyond_3_sigma", "method": "median_moving_range"}
    assert phase_one.weigh(stream, choice(**told)).counted == {}
    Point.objects.filter(at__gte=NOW - timedelta(seconds=100)).update(value=20.7)
    upset = phase_one.weigh(stream, choice(**told))
    assert upset.counted == {Rule.BEYOND_3_SIGMA: 1}
    assert upset.suspect.sum() == 10


def drawn(plant, stream, seed=4, **told):
    """For the whole machine, of which one stream was measured."""
    factories.copied(
        Measurement(
            equipment=plant.coater, at=START + timedelta(seconds=EVERY_S * i), source=plant.source, sequence=i,
            stream=stream, arrival=i, received_at=NOW, value=value, quality=Quality.GOOD, by=1,
        )
        for i, value in enumerate(np.random.default_rng(seed).normal(20.0, 0.1, N))
    )  # fmt: skip
    asked = {"actor": "command line", "now": NOW, "reason": "to begin with", **told}
    return limits.draw(plant.coater, since=START, until=NOW, **asked)


def test_the_first_limits_of_a_machine_are_in_force_unsigned_as_what_it_was_set_up_with(plant, stream):
    done = drawn(plant, stream)
    assert (done.streams, done.waiting, len(done.refused)) == ([stream.key], [], 3)
    version, rows = Version.objects.get(), Limits.objects.filter(state="active")
    assert (version.kind, version.scope, version.state, version.source) == ("limits", stream.pk, "active", "install")
    assert (version.author, version.approved_by, version.reason) == (None, None, "to begin with")
    assert {(row.number, row.chart) for row in rows} == {(1, "i_mr"), (1, "ewma")}
    assert all(row.expected["per_shift"] > 0 for row in rows)
    assert not Signature.objects.exists()


def test_the_line_is_locked_only_once_the_limits_of_all_its_streams_are_found(plant, stream):
    with CaptureQueriesContext(connection) as asked:
        drawn(plant, stream)
    locked = [i for i, one in enumerate(asked.captured_queries) if " UPDATE" in one["sql"]]
    read = [i for i, one in enumerate(asked.captured_queries) if 'FROM "control_measurement"' in one["sql"]]
    assert max(read) < min(locked)


def test_limits_drawn_once_more_for_a_machine_wait_for_a_review(plant, stream):
    drawn(plant, stream)
    Measurement.objects.all().delete()
    done = drawn(plant, stream, seed=5, actor=plant.person("engineer"))
    assert (done.streams, done.waiting) == ([], [stream.key])
    assert set(Limits.objects.values_list("number", "state")) == {(1, "active")}
    version = Version.objects.get(number=2)
    assert (version.state, version.source, version.base.number) == ("in_review", "training", 1)
    versions.approve(version.pk, seen=version.sha256, by=hand(plant.person("supervisor")), now=NOW, then="now")
    assert set(Limits.objects.values_list("number", "state")) == {(1, "superseded"), (2, "active")}


def test_limits_of_a_stream_that_a_person_drew_are_not_replaced_by_a_command(plant, stream):
    activated(plant, drafted(plant, stream))
    assert drawn(plant, stream).waiting == [stream.key]
    assert [row.number for row in Limits.objects.filter(state="active")] == [1]


def test_runs_of_ones_own_are_foretold_stored_and_judged_by(plant, stream):
    version = drafted(plant, stream, rule_set="nelson_1_2_3", lengths={"run": 7, "trend": 5})
    usual, own = rows_of(drafted(plant, stream, rule_set="nelson_1_2_3"))["i_mr"], rows_of(version)["i_mr"]
    assert (own.parameters["run"], own.parameters["trend"]) == (7, 5)
    run = str(int(Rule.RUN_ONE_SIDE))
    assert own.expected["by_rule"][run] > 2 * usual.expected["by_rule"][run]
    activated(plant, version)
    built = machines.built(plant.coater.pk).machine
    rules = built.streams[built.stream_at[stream.key]].chart.rules
    assert (rules.run, rules.trend) == (7, 5)


def test_figures_of_ones_own_are_foretold_stored_and_judged_by(plant, stream):
    own = {"beyond": 2.0, "weight": 0.4, "width": 2.0, "k": 0.25, "h": 4.0, "head_start": 2.0}
    version = drafted(plant, stream, charts=("ewma", "cusum"), rule_set="nelson_1_2_5", figures=own)
    usual = rows_of(drafted(plant, stream, charts=("ewma", "cusum"), rule_set="nelson_1_2_5"))
    found = rows_of(version)
    for chart in ("i_mr", "ewma", "cusum"):
        assert found[chart].expected["per_shift"] > 2 * usual[chart].expected["per_shift"]
    assert (usual["ewma"].parameters["weight"], usual["cusum"].parameters["h"]) == (0.2, 5.0)
    shown = LIMITS.shown(version.content)
    single = found["i_mr"]
    assert (single.reach, shown["i_mr.beyond"], shown["ewma.weight"]) == (2.0, 2.0, 0.4)
    assert shown["i_mr.upper"] == pytest.approx(single.mean + 2 * single.sigma)
    activated(plant, version)
    built = machines.built(plant.coater.pk).machine
    chart = built.streams[built.stream_at[stream.key]].chart
    assert (chart.rules.beyond, chart.rules.two_of_three) == (2.0, 2.0)
    assert (chart.ewma, chart.cusum) == (ewma.Design(0.4, 2.0), cusum.Design(0.25, 4.0, 2.0))


def test_a_rule_that_is_switched_off_is_neither_foretold_nor_judged_by(plant, stream):
    version = drafted(plant, stream, rule_set="nelson", off=("trend", "mixture"))
    row = rows_of(version)["i_mr"]
    assert not {str(int(Rule.TREND)), str(int(Rule.MIXTURE))} & set(row.expected["by_rule"])
    activated(plant, version)
    built = machines.built(plant.coater.pk).machine
    rules = built.streams[built.stream_at[stream.key]].chart.rules.rules
    assert rules == NELSON.rules & ~(Rule.TREND | Rule.MIXTURE)


@pytest.mark.parametrize(
    "told",
    [
        {"figures": {"beyond": 1.4}},
        {"figures": {"beyond": float("nan")}},
        {"figures": {"weight": 0.04}},
        {"figures": {"weight": True}},
        {"figures": {"width": 6.5}},
        {"figures": {"k": 0.0}},
        {"figures": {"h": 21.0}},
        {"figures": {"h": 4.0, "head_start": 4.0}},
        {"figures": {"luck": 1.0}},
        {"off": ("mixture",)},
        {"off": ("beyond_3_sigma", "run_one_side", "two_of_three", "four_of_five")},
    ],
)
def test_figures_and_rules_that_cannot_be_are_refused(told):
    with pytest.raises(ValueError, match=r"\w"):
        choice(rule_set="western_electric", **told)


@pytest.mark.parametrize("lengths", [{"run": 2}, {"run": 22}, {"run": 8.5}, {"mixture": 8}, {"run of luck": 8}])
def test_a_run_that_cannot_be_or_is_not_of_the_set_is_refused(lengths):
    with pytest.raises(ValueError, match=r"\w"):
        choice(rule_set="western_electric", lengths=lengths)


@pytest.mark.parametrize(("basis", "group"), [("xbar_r", 4), ("xbar_s", 12), ("three_way", 5), ("three_way", 12)])
def test_limits_of_groups_are_those_of_their_means_and_of_what_is_within(plant, stream, basis, group):
    rows = rows_of(drafted(plant, stream, basis=basis, group=group, rule_set="nelson_1_2_3", lengths={"run": 7}))
    assert set(rows) == {"i_mr", basis}
    own, told = rows[basis], rows[basis].parameters
    assert (told["size"], told["run"], own.n) == (group, 7, N // group * group)
    assert told["spread"] == ("range" if group < 11 else "deviation")
    means = (
        np.array(Point.objects.order_by("at").values_list("value", flat=True))[: own.n].reshape(-1, group).mean(axis=1)
    )
    assert own.mean == pytest.approx(means.mean())
    assert own.sigma == pytest.approx(means.std() if basis == "three_way" else 0.1 / np.sqrt(group), rel=0.2)
    assert told["within"] == pytest.approx(0.1, rel=0.15)
    assert (told["between"] is None) == (basis != "three_way")
    assert (rows["i_mr"].rules, rows["i_mr"].expected["per_shift"]) == (0, 0)
    assert str(int(Rule.SPREAD)) in own.expected["by_rule"]


def test_a_chart_of_groups_cries_wolf_as_seldom_as_its_groups_are_rare(plant, stream):
    singles = phase_one.weigh(stream, choice(rule_set="beyond_3_sigma")).rows[0].expected["by_rule"]["1"]
    told = {"rule_set": "beyond_3_sigma", "method": "standard_deviation"}
    means = phase_one.weigh(stream, choice(basis="xbar_s", group=10, **told)).rows[1].expected["by_rule"]["1"]
    assert means < singles / 4


def test_the_three_way_chart_takes_what_makes_groups_differ_for_the_process(plant, stream):
    """Groups drift apart slowly: limits of the mean from what is within would call nearly every group special."""
    Point.objects.all().delete()
    drift = 0.1 * np.random.default_rng(6).normal(size=N // 5).repeat(5)
    measured(plant, 20.0 + drift + np.random.default_rng(7).normal(0.0, 0.02, N))
    told = {"rule_set": "beyond_3_sigma", "group": 5}
    means = phase_one.weigh(stream, choice(basis="xbar_r", **told))
    ways = phase_one.weigh(stream, choice(basis="three_way", **told))
    assert means.counted[Rule.BEYOND_3_SIGMA] > 15
    assert ways.counted.get(Rule.BEYOND_3_SIGMA, 0) <= 2
    assert ways.groups.chart.between == pytest.approx(0.1, rel=0.25)


def test_no_group_reaches_over_a_new_stage_or_what_was_left_out(plant, stream):
    Point.objects.filter(at__gte=START + timedelta(seconds=2030)).update(roll=8)
    at = START + timedelta(seconds=1000)
    weighed = phase_one.weigh(stream, choice(basis="xbar_r", group=5, excluded=(Exclusion(at, at, "knocked"),)))
    assert list(np.unique(weighed.groups.stage, return_counts=True)[1]) == [20 + 20, 39]


def test_too_few_groups_give_no_draft(plant, stream):
    with pytest.raises(Invalid, match="groups"):
        drafted(plant, stream, basis="xbar_s", group=25)


@pytest.mark.parametrize("told", [{"basis": "pie"}, {"basis": "ewma"}, {"group": 1}, {"group": 26}])
def test_groups_that_cannot_be_are_refused(told):
    with pytest.raises(ValueError, match="cannot"):
        choice(**told)


def two_recipes(plant, other_target, sigmas=(0.1, 0.1)):
    """Half of the values under target 20, half under another, 0.03 above it each."""
    Point.objects.all().delete()
    rng, half = np.random.default_rng(9), N // 2
    changed = START + timedelta(seconds=EVERY_S * half)
    now_in_force = Recipe.objects.get()
    Recipe.objects.update(effective_from=START - timedelta(days=1))
    make_recipe(plant.line, number=2, state="superseded")
    other = Recipe.objects.get(number=2)
    specs = {**other.content["specs"], "coater.loading": {"lower": 0.0, "target": other_target, "upper": 99.0}}
    other.content, other.effective_from = {**other.content, "specs": specs}, START - timedelta(days=1)
    other.save()
    Recipe.objects.filter(pk=now_in_force.pk).update(effective_from=changed)
    measured(plant, other_target + 0.03 + rng.normal(0.0, sigmas[0], half))
    measured(plant, 20.03 + rng.normal(0.0, sigmas[1], half), start=changed)


def test_a_short_run_charts_how_far_values_are_from_the_target_of_their_recipe(plant, stream):
    two_recipes(plant, 25.0)
    apart = phase_one.weigh(stream, choice(method="standard_deviation")).limits
    weighed = phase_one.weigh(stream, choice(method="standard_deviation", basis="deviation"))
    assert apart.sigma > 1.0
    assert (weighed.limits.mean, weighed.limits.sigma) == pytest.approx((20.03, 0.1), rel=0.1)
    assert weighed.rows[0].parameters["nominal"] == 20.0
    assert weighed.rows[0].under(25.0) == pytest.approx((25.0 + weighed.limits.mean - 20.0, weighed.limits.sigma))


def test_a_short_run_gives_each_recipe_its_own_sigma_where_that_is_chosen(plant, stream):
    two_recipes(plant, 25.0, (0.2, 0.1))
    alike = phase_one.weigh(stream, choice(method="standard_deviation", basis="deviation")).rows[0]
    own = phase_one.weigh(stream, choice(method="standard_deviation", basis="standardised")).rows[0]
    assert alike.under(25.0)[1] == alike.under(20.0)[1] == pytest.approx(0.158, rel=0.1)
    assert (own.under(20.0)[1], own.under(25.0)[1]) == pytest.approx((0.1, 0.2), rel=0.15)
    assert own.under(30.0)[1] == own.sigma


def test_limits_of_a_short_run_follow_the_recipe_in_force(plant, stream):
    two_recipes(plant, 25.0)
    activated(plant, drafted(plant, stream, basis="deviation", rule_set="nelson_1_2_3"))
    machine = machines.built(plant.coater.pk).machine
    chart = machine.streams[machine.stream_at[stream.key]].chart
    assert (chart.mean, chart.short_run) == (pytest.approx(20.03, abs=0.02), 1)
    Recipe.objects.filter(state="active").update(state="retired")
    Recipe.objects.filter(number=2).update(state="active")
    machine = machines.built(plant.coater.pk).machine
    after = machine.streams[machine.stream_at[stream.key]].chart
    assert (after.mean, after.sigma) == pytest.approx((chart.mean + 5.0, chart.sigma))


def test_without_a_target_there_is_nothing_to_deviate_from(plant, stream):
    for recipe in Recipe.objects.all():
        recipe.content = {**recipe.content, "specs": {}}
        recipe.save()
    with pytest.raises(Invalid, match="no target"):
        drafted(plant, stream, basis="deviation")


def test_lanes_are_not_held_together_by_deviations(plant):
    with pytest.raises(ValueError, match="target"):
        choice(basis="deviation", charts=("t2",))
