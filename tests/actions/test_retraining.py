"""Retraining: planned by people, carried out by workers, judged on labels it has not seen, decided by people."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from apcweb.celery import app
from control.actions import audit, estimators, machines, retraining, trainingrun, versions
from control.actions.errors import Conflict, Invalid, NoPermission, Unsigned
from control.actions.retraining import Schedule
from control.core.vm import challenge
from control.core.vm.challenge import Score
from control.models import (
    AuditEntry,
    Cursor,
    Equipment,
    Estimator,
    Point,
    Roll,
    Signature,
    TrainingPlan,
    TrainingRun,
    Version,
)
from tests import factories
from tests.factories import NOW
from tests.running import running

pytestmark = pytest.mark.django_db
SOON = NOW + timedelta(minutes=1)


@pytest.fixture
def plant():
    return factories.plant()


def planned(plant, **told):
    return retraining.plan(
        plant.coater, Schedule(**told), actor=plant.person("engineer"), now=NOW, reason="The slurry changes weekly"
    )


def asked(plant):
    return retraining.ask(plant.coater, actor=plant.person("engineer"), now=NOW)


@pytest.mark.parametrize("name", ["viewer", "operator", "supervisor", "admin", "auditor", "outsider", "root"])
def test_only_an_engineer_plans_asks_cancels_and_submits(plant, name):
    actor, run = plant.person(name), asked(plant)
    with pytest.raises(NoPermission):
        retraining.plan(plant.coater, Schedule(every_rolls=1), actor=actor, now=NOW, reason="because")
    with pytest.raises(NoPermission):
        retraining.ask(plant.coater, actor=actor, now=NOW)
    for verb in (retraining.submit, retraining.decline):
        with pytest.raises(NoPermission):
            verb(run, actor=actor, now=NOW, reason="because")
    with pytest.raises(NoPermission):
        retraining.cancel(run, actor=actor, now=NOW)
    assert not TrainingPlan.objects.exists()
    assert AuditEntry.objects.filter(action__endswith=".refused").count() == 5


@pytest.mark.parametrize(
    "told", [{"every_rolls": 0}, {"every_hours": -1.0}, {"history_hours": 0.0}, {"then": "at_will"}]
)
def test_a_plan_that_makes_no_sense_is_refused(plant, told):
    with pytest.raises(Invalid):
        planned(plant, **told)


def test_without_a_plan_nothing_is_retrained_by_itself(plant):
    planned(plant)
    assert retraining.due(NOW + timedelta(days=30)) is None


def test_a_plan_by_rolls_asks_once_when_so_many_have_begun(plant):
    planned(plant, every_rolls=2)
    for number in (8, 9):
        assert retraining.due(SOON) is None
        Roll.objects.create(equipment=plant.coater, number=number, started_at=NOW + timedelta(seconds=number))
    first = retraining.due(SOON)
    assert first is not None
    assert retraining.due(SOON) == first
    TrainingRun.objects.update(state=TrainingRun.State.NOT_BETTER)
    assert retraining.due(SOON) is None


def test_a_plan_by_hours_asks_when_they_have_passed(plant):
    planned(plant, every_hours=8.0)
    assert retraining.due(NOW + timedelta(hours=7.9)) is None
    assert retraining.due(NOW + timedelta(hours=8)) == TrainingRun.objects.get().pk


def test_what_a_plan_asks_for_is_audited_once_with_whose_plan_it_is(plant):
    planned(plant, every_hours=8.0)
    for hours in (8, 17):
        run = retraining.due(NOW + timedelta(hours=hours))
        entry = AuditEntry.objects.get(action="training.ask")
        assert (entry.actor_name, entry.new) == ("retraining", {"run": run})
        assert entry.reason == f"the plan of {plant.person('engineer')}: The slurry changes weekly"


def test_while_a_run_is_carried_out_no_other_begins_on_any_machine(plant):
    first, press = asked(plant), Equipment.objects.create(line=plant.line, key="press", position=2)
    second = retraining.ask(press, actor=plant.person("engineer"), now=NOW)
    assert retraining.due(SOON) == first.pk
    TrainingRun.objects.filter(pk=first.pk).update(state="running", heard_at=NOW)
    assert retraining.due(SOON) is None
    assert trainingrun.carry_out(second.pk, clock=lambda: SOON) is None
    second.refresh_from_db()
    assert second.state == "waiting"
    TrainingRun.objects.filter(pk=first.pk).update(state="failed")
    assert retraining.due(SOON) == second.pk


def test_asking_twice_is_one_run(plant):
    assert asked(plant).pk == asked(plant).pk


def test_a_run_that_waits_is_cancelled_at_once_and_one_under_way_at_its_next_step(plant):
    engineer = plant.person("engineer")
    run = asked(plant)
    retraining.cancel(run, actor=engineer, now=NOW)
    assert TrainingRun.objects.get().state == "cancelled"
    with pytest.raises(Conflict):
        retraining.cancel(run, actor=engineer, now=NOW)
    again = asked(plant)
    TrainingRun.objects.filter(pk=again.pk).update(state="running", cancel_asked=True)
    with pytest.raises(trainingrun.Cancelled):
        trainingrun._tell(again, "fitting", lambda: SOON)


def test_a_run_whose_worker_fell_silent_is_given_up(plant):
    run = asked(plant)
    TrainingRun.objects.update(state="running", heard_at=NOW)
    retraining.due(NOW + timedelta(minutes=11))
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "the worker fell silent")


def test_a_run_without_anything_measured_fails_and_says_why(plant):
    Cursor.objects.create(equipment=plant.coater)
    run = trainingrun.carry_out(asked(plant).pk, clock=lambda: SOON)
    assert run.state == "failed"
    assert "nothing was measured" in run.error
    assert trainingrun.carry_out(run.pk, clock=lambda: SOON) is None


def test_a_plan_that_puts_in_force_is_signed_by_somebody_else_who_may_review(plant):
    standing = Schedule(every_rolls=1, then=TrainingPlan.Then.PUT_IN_FORCE)
    told = {"actor": plant.person("engineer"), "now": NOW, "reason": "Nobody is here at night"}
    for by in (None, factories.hand(plant.person("engineer"))):
        with pytest.raises(Unsigned):
            retraining.plan(plant.coater, standing, **told, by=by)
    with pytest.raises(NoPermission):
        retraining.plan(plant.coater, standing, **told, by=factories.hand(plant.person("operator")))
    assert not TrainingPlan.objects.exists()
    row = retraining.plan(plant.coater, standing, **told, by=factories.hand(plant.person("supervisor")))
    assert (row.approved_by, row.approved_at) == (plant.person("supervisor"), NOW)
    assert Signature.objects.get().meaning == "approve_plan"
    again = retraining.plan(plant.coater, Schedule(every_rolls=2), **told)
    assert again.approved_by is None


GOOD, BAD = Score(100, 0.10, 0.9), Score(100, 0.20, 0.9)


@pytest.mark.parametrize(
    ("champion", "challenger", "gates", "why"),
    [
        ({"a": GOOD}, {"a": GOOD}, {}, ""),
        ({}, {"a": BAD}, {}, ""),  # nobody to beat
        ({"a": GOOD}, {"a": BAD}, {}, "worse"),
        ({"a": BAD, "b": GOOD, "c": BAD}, {"a": GOOD, "b": Score(100, 0.12, 0.9), "c": GOOD}, {}, "worse_stream"),
        ({"a": BAD}, {"a": GOOD}, {"loop": "loading/1 by pump: -1"}, "gain"),
        ({"a": BAD}, {"a": GOOD}, {"loop": ""}, ""),
        ({"a": BAD, "b": BAD}, {"a": GOOD}, {}, "nothing_new"),
    ],
)
def test_a_challenger_takes_over_only_if_it_may_drive_the_loops_and_is_nowhere_much_worse(
    champion, challenger, gates, why
):
    verdict = challenge.decide(champion, challenger, gates)
    assert (verdict.passed, verdict.why) == (not why, why)


@pytest.fixture
def line():
    line = running(scenario="shift", ran_s=2400)
    line.advance()
    line.train()
    line.run(300)
    line.advance()
    return line


def grown_up(line):
    """The engineer of a running line."""
    engineer = factories.user("engineer")
    factories.grant(engineer, "engineer", line=line.line)
    return engineer


def two_of(line):
    """The engineer, and somebody who looks at what he did."""
    reviewer = factories.user("supervisor")
    factories.grant(reviewer, "supervisor", line=line.line)
    return grown_up(line), reviewer


def test_a_run_trains_compares_proposes_and_is_put_in_force_once_somebody_else_has_signed(line):
    coater, (engineer, reviewer) = line.equipment[0], two_of(line)
    run = trainingrun.carry_out(retraining.ask(coater, actor=engineer, now=line.now).pk, clock=lambda: line.now)
    assert run.error == ""
    assert run.state in ("proposed", "not_better")
    assert len(run.verdict["streams"]) == 8
    assert all(one["champion"]["n"] >= 10 for one in run.verdict["streams"].values())
    active = set(
        Estimator.objects.filter(stream__lane__equipment=coater, state="active").values_list("number", flat=True)
    )
    assert active == {1}
    drafts = run.estimators.all()
    # what judged them they have not seen
    assert all(row.trained_to.timestamp() < run.verdict["newest_from_s"] for row in drafts)
    TrainingRun.objects.filter(pk=run.pk).update(state="proposed")
    run.estimators.update(state="draft")
    run.refresh_from_db()
    version = retraining.submit(run, actor=engineer, now=line.now, reason="Better on the new batch")
    assert not Estimator.objects.filter(run=run, state="active").exists()
    told = {"seen": version.sha256, "then": "now", "now": line.now}
    with pytest.raises(NoPermission):
        versions.approve(version.pk, by=factories.hand(engineer, line.now), **told)
    versions.approve(version.pk, by=factories.hand(reviewer, line.now), **told)
    assert set(
        Estimator.objects.filter(stream__lane__equipment=coater, state="active").values_list("number", "run")
    ) == {(2, run.pk)}
    assert AuditEntry.objects.filter(action="training.promote").count() == 1
    with pytest.raises(Conflict):
        retraining.submit(run, actor=engineer, now=line.now, reason="again")
    run.refresh_from_db()
    assert run.state == "in_force"
    assert audit.verify().ok


def test_while_it_fits_a_run_tells_how_far_it_is_and_can_be_ended_between_two_streams(line):
    coater, engineer = line.equipment[0], grown_up(line)
    run, shares = retraining.ask(coater, actor=engineer, now=line.now), []

    def clock():
        row = TrainingRun.objects.get(pk=run.pk)
        shares.append(row.share)
        if row.step == "fitting" and len(shares) > 6:
            retraining.cancel(run, actor=engineer, now=line.now)
        return line.now

    assert trainingrun.carry_out(run.pk, clock=clock).state == "cancelled"
    assert shares == sorted(shares)
    assert 0.1 < shares[-1] < 0.8
    assert not run.estimators.exists()


def test_by_a_standing_decision_what_passes_is_put_in_force_at_once_and_the_audit_names_who_decided():
    line = running(scenario="shift", ran_s=1800)
    line.advance()
    press, (engineer, reviewer) = line.equipment[1], two_of(line)
    standing = Schedule(every_rolls=1, then=TrainingPlan.Then.PUT_IN_FORCE)
    by = factories.hand(reviewer, line.now)
    retraining.plan(press, standing, actor=engineer, now=line.now, reason="Nobody is here at night", by=by)
    Roll.objects.create(equipment=press, number=99, started_at=line.now + timedelta(seconds=1))
    soon = line.now + timedelta(seconds=2)
    run = trainingrun.carry_out(retraining.due(soon), clock=lambda: soon)
    assert (run.error, run.state) == ("", "in_force")  # there was nothing in force to be worse than
    active = Estimator.objects.filter(stream__lane__equipment=press, state="active", run=run)
    assert active.count() == 8
    entry = AuditEntry.objects.get(action="training.promote")
    assert (entry.actor_name, "engineer: Nobody is here at night" in entry.reason) == ("retraining", True)
    version = Version.objects.get(kind="estimators", state="active")
    assert (version.author, version.approved_by, version.source, version.base) == (None, reviewer, "training", None)


def test_a_press_that_is_fed_from_the_coater_is_retrained_too(line):
    press, engineer = line.equipment[1], grown_up(line)
    assert "coater:loading/1-top" in machines.built(press.pk).machine.tags
    run = trainingrun.carry_out(retraining.ask(press, actor=engineer, now=line.now).pk, clock=lambda: line.now)
    assert run.error == ""
    assert all(one["champion"]["n"] >= 10 for one in run.verdict["streams"].values())


def test_a_run_that_is_cancelled_while_it_compares_leaves_the_champions_in_force(line):
    coater, (engineer, reviewer) = line.equipment[0], two_of(line)
    standing = Schedule(then=TrainingPlan.Then.PUT_IN_FORCE)
    by = factories.hand(reviewer, line.now)
    retraining.plan(coater, standing, actor=engineer, now=line.now, reason="Nobody is here at night", by=by)
    run = retraining.ask(coater, actor=engineer, now=line.now)
    Estimator.objects.all().delete()  # whatever is found would pass

    def clock():
        if TrainingRun.objects.get(pk=run.pk).step == "storing":
            retraining.cancel(run, actor=engineer, now=line.now)
        return line.now

    assert trainingrun.carry_out(run.pk, clock=clock).state == "cancelled"
    assert not Estimator.objects.exists()


def test_every_slot_of_the_schedule_names_a_task():
    app.loader.import_default_modules()
    assert {slot["task"] for slot in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)


def test_what_the_pipeline_doubted_is_no_label(line):
    coater = line.equipment[0]
    span = (line.now - timedelta(hours=1), line.now)
    before = estimators.history(coater, *span).measured.quality
    doubted = Point.objects.filter(equipment=coater, by=1, quality=0)[:7]
    for point in doubted:
        Point.objects.filter(equipment=coater, seq=point.seq).update(doubt=3, quality=1)
    after = estimators.history(coater, *span).measured.quality
    assert (after != before).sum() == 7
