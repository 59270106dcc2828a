"""What predicts a machine is one version: submitted by one, signed by another, and brought back the same way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from control.actions import audit, estimators, machines, retraining, versions
from control.actions.errors import Conflict, Invalid, NoPermission
from control.models import AuditEntry, Estimator, TrainingPlan, TrainingRun, Version
from tests import factories
from tests.factories import NOW, Plant, hand

pytestmark = pytest.mark.django_db
LANES = tuple(f"loading/{lane}-top" for lane in factories.LANES)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def plant() -> Plant:
    return factories.plant()


def stored(
    plant: Plant, stream: str, mae: float, *, state: str = "active", run: TrainingRun | None = None
) -> Estimator:
    """A model of the pump alone; which one it is stands in its intercept."""
    linear = {"kind": "ridge", "coef": [0.0, 0.0, 0.0], "intercept": 20.0 + mae}
    inputs = {"tags": ["pump_top"], "window_s": 30.0, "mean": [60.0, 0.0, 0.0], "scale": [1.0, 1.0, 1.0]}
    content = {
        "version": 2, "stream": stream, "inputs": {**inputs, "similarity": [[1.0]], "gsi_threshold": 1.0},
        "physics": {"kind": "none"}, "gains": {"pump_top": 0.33}, "main": linear, "reference": linear,
        "label_mean": 20.0, "label_sigma": 0.1, "residual_sigma": 0.1, "half_width": 0.2, "bias_weight": 0.3,
        "ri_threshold": 0.5, "metrics": {"mae": mae, "coverage": 0.9},
        "window": {"from_s": NOW.timestamp() - 3600, "to_s": NOW.timestamp()},
    }  # fmt: skip
    row = estimators.version(plant.streams[stream], content, NOW)
    row.state, row.run, row.effective_from = state, run, NOW if state == "active" else None
    row.save(force_insert=True)
    return row


def in_force(plant: Plant) -> dict[str, float]:
    rows = Estimator.objects.filter(stream__lane__equipment=plant.coater, state="active")
    return {row.stream.key: row.metrics["mae"] for row in rows.order_by("stream")}


def proposed(plant: Plant, **mae: float) -> TrainingRun:
    """A run that found better ones for some lanes: ``lane_1=0.05``."""
    active = Estimator.objects.filter(stream__lane__equipment=plant.coater, state="active")
    run = TrainingRun.objects.create(
        equipment=plant.coater, state="proposed", asked_at=NOW, asked_by=plant.person("engineer"),
        verdict={
            "passed": True, "why": "", "detail": "", "ratio": 0.5, "streams": {},
            "champion": retraining.set_hash(active),
        },
    )  # fmt: skip
    for lane, value in mae.items():
        stored(plant, f"loading/{lane[-1]}-top", value, state="draft", run=run)
    return run


@pytest.fixture
def trained(plant: Plant) -> Plant:
    for lane in LANES:
        stored(plant, lane, 0.1)
    return plant


def submitted(plant: Plant, run: TrainingRun) -> Version:
    return retraining.submit(run, actor=plant.person("engineer"), now=NOW, reason="Better on the new batch")


def approved(plant: Plant, version: Version, who: str = "supervisor", **told: Any) -> Version:
    asked = {"seen": version.sha256, "by": hand(plant.person(who)), "then": "now", "now": LATER, **told}
    return versions.approve(version.pk, **asked)


def test_what_was_trained_is_in_force_once_somebody_else_has_signed(trained: Plant) -> None:
    version = submitted(trained, proposed(trained, lane_1=0.05, lane_2=0.06))
    assert in_force(trained) == dict.fromkeys(LANES, 0.1)
    with pytest.raises(NoPermission):
        approved(trained, version, "engineer")
    approved(trained, version)
    assert in_force(trained) == {LANES[0]: 0.05, LANES[1]: 0.06, LANES[2]: 0.1, LANES[3]: 0.1}
    assert TrainingRun.objects.get().state == "in_force"
    before = Estimator.objects.get(stream=trained.streams[LANES[0]], state="superseded")
    assert before.effective_to == LATER
    assert AuditEntry.objects.filter(action="training.promote").count() == 1


def test_what_was_in_force_is_put_on_record_and_the_review_shows_old_and_new(trained: Plant) -> None:
    version = submitted(trained, proposed(trained, lane_1=0.05))
    assert (version.base.number, version.base.source, version.state) == (1, "install", "in_review")
    rows = {row.path: (row.old, row.new) for row in versions.difference(version)}
    assert rows[f"{LANES[0]}.mae"] == (0.1, 0.05)
    assert set(rows) == {f"{LANES[0]}.mae", f"{LANES[0]}.sha256"}


@pytest.mark.parametrize("name", ["viewer", "operator", "supervisor", "admin", "auditor", "outsider", "root"])
def test_only_an_engineer_submits(trained: Plant, name: str) -> None:
    run = proposed(trained, lane_1=0.05)
    with pytest.raises(NoPermission):
        retraining.submit(run, actor=trained.person(name), now=NOW, reason="x")
    assert not Version.objects.exists()
    assert AuditEntry.objects.filter(action="training.submit.refused").count() == 1


def test_a_run_waits_for_one_reviewer_and_is_not_declined_meanwhile(trained: Plant) -> None:
    run = proposed(trained, lane_1=0.05)
    version = submitted(trained, run)
    with pytest.raises(Conflict, match="reviewer"):
        submitted(trained, run)
    with pytest.raises(Conflict, match="reviewer"):
        retraining.decline(run, actor=trained.person("engineer"), now=NOW, reason="x")
    versions.reject(version.pk, actor=trained.person("supervisor"), now=NOW, reason="Too few values")
    assert submitted(trained, run).number == version.number + 1


def test_a_run_that_was_compared_with_others_is_not_submitted(trained: Plant) -> None:
    run = proposed(trained, lane_1=0.05)
    approved(trained, submitted(trained, proposed(trained, lane_2=0.04)))
    with pytest.raises(Conflict, match="compared"):
        submitted(trained, run)


def test_what_rests_on_models_no_longer_in_force_is_looked_at_again(trained: Plant) -> None:
    first = submitted(trained, proposed(trained, lane_1=0.05))
    second = submitted(trained, proposed(trained, lane_2=0.04))
    approved(trained, second)
    with pytest.raises(Conflict, match="drafted from"):
        approved(trained, first)
    assert in_force(trained)[LANES[0]] == 0.1


def test_it_may_wait_for_a_time(trained: Plant) -> None:
    version = submitted(trained, proposed(trained, lane_1=0.05))
    approved(trained, version, then=LATER + timedelta(hours=1))
    assert in_force(trained)[LANES[0]] == 0.1
    versions.activate_due(LATER + timedelta(hours=2))
    assert in_force(trained)[LANES[0]] == 0.05


def test_the_way_back_is_a_version_too(trained: Plant) -> None:
    approved(trained, submitted(trained, proposed(trained, lane_1=0.05)))
    first = Version.objects.get(number=1)
    told = {"actor": trained.person("engineer"), "now": LATER, "reason": "It hunts at night"}
    back = versions.again(first.pk, **told)
    assert (back.state, back.content, back.base.number) == ("draft", first.content, 2)
    versions.submit(back.pk, actor=trained.person("engineer"), now=LATER)
    approved(trained, back, now=LATER + timedelta(minutes=1))
    assert in_force(trained) == dict.fromkeys(LANES, 0.1)
    numbers = Estimator.objects.filter(stream=trained.streams[LANES[0]]).order_by("number")
    assert list(numbers.values_list("number", "state")) == [(1, "superseded"), (2, "superseded"), (3, "active")]
    with pytest.raises(Conflict):
        versions.again(back.pk, **told)  # it is what holds


def test_a_version_that_never_held_is_not_brought_back(trained: Plant) -> None:
    version = submitted(trained, proposed(trained, lane_1=0.05))
    with pytest.raises(Conflict, match="never"):
        versions.again(version.pk, actor=trained.person("engineer"), now=NOW, reason="x")
    with pytest.raises(NoPermission):
        versions.again(version.pk, actor=trained.person("supervisor"), now=NOW, reason="x")


def test_kind_and_figures_are_those_of_the_stored_model_whatever_a_draft_says(trained: Plant) -> None:
    run = proposed(trained, lane_1=0.05)
    sha256 = run.estimators.get().sha256
    asked = {LANES[0]: {"sha256": sha256, "kind": "onnx", "mae": 0.0001}}
    told = {"actor": trained.person("engineer"), "now": NOW, "reason": "x"}
    version = versions.draft("estimators", trained.line, trained.coater.pk, asked, **told)
    assert version.content[LANES[0]] == {"sha256": sha256, "kind": "ridge", "mae": 0.05, "coverage": 0.9}


@pytest.mark.parametrize(
    "content",
    [
        {LANES[0]: {"sha256": "0" * 64}},
        {LANES[0]: {"sha256": 7}},
        {LANES[0]: {"sha256": "\0"}},
        {LANES[0]: {}},
        {LANES[0]: "ridge"},
        {LANES[0]: None},
        {"loading/9-top": {"sha256": "0" * 64}},
    ],
)
def test_what_is_no_model_of_the_stream_is_refused(trained: Plant, content: dict[str, Any]) -> None:
    told = {"actor": trained.person("engineer"), "now": NOW, "reason": "x"}
    with pytest.raises(Invalid):
        versions.draft("estimators", trained.line, trained.coater.pk, content, **told)


def test_a_model_that_did_not_pass_is_in_no_version(trained: Plant) -> None:
    run = proposed(trained)
    TrainingRun.objects.update(state="not_better", verdict={"passed": False})
    worse = stored(trained, LANES[0], 0.3, state="rejected", run=run)
    told = {"actor": trained.person("engineer"), "now": NOW, "reason": "x"}
    asked = {LANES[0]: {"sha256": worse.sha256}}
    with pytest.raises(Invalid):
        versions.draft("estimators", trained.line, trained.coater.pk, asked, **told)


def test_a_machine_of_another_line_is_not_this_lines(trained: Plant) -> None:
    other = factories.plant("cathode-2", area=trained.area)
    told = {"actor": trained.person("engineer"), "now": NOW, "reason": "x"}
    with pytest.raises(Exception, match="nothing of that kind"):
        versions.draft("estimators", trained.line, other.coater.pk, {}, **told)


def test_once_people_work_on_a_line_training_puts_nothing_in_force_beside_the_review(trained: Plant) -> None:
    span = {"since": NOW - timedelta(hours=1), "until": NOW, "now": NOW}
    with pytest.raises(Conflict, match="for review"):
        estimators.train(trained.coater, **span, actor=trained.person("engineer"))


def standing(plant: Plant, run: TrainingRun) -> None:
    row = TrainingPlan.objects.create(
        equipment=plant.coater, then="put_in_force", decided_by=plant.person("engineer"), decided_at=NOW,
        approved_by=plant.person("supervisor"), approved_at=NOW, reason="Nights",
    )  # fmt: skip
    with audit.atomic():
        retraining.put_in_force(run, row, LATER)


def test_a_plan_that_two_stand_for_puts_in_force_and_the_version_names_the_second(trained: Plant) -> None:
    standing(trained, proposed(trained, lane_1=0.05))
    version = Version.objects.get(state="active")
    assert (version.number, version.author, version.approved_by) == (2, None, trained.person("supervisor"))
    assert in_force(trained)[LANES[0]] == 0.05
    assert "Nights" in version.reason


def test_a_plan_whose_signer_reviews_no_more_only_proposes(trained: Plant) -> None:
    trained.person("supervisor").grants.update(valid_to=NOW)
    run = proposed(trained, lane_1=0.05)
    standing(trained, run)
    assert not Version.objects.exists()
    assert TrainingRun.objects.get().state == "proposed"


def test_the_machine_is_built_anew_from_what_holds(trained: Plant) -> None:
    before = stamp(trained)
    version = submitted(trained, proposed(trained, lane_1=0.05))
    assert stamp(trained) == before
    approved(trained, version)
    assert stamp(trained) != before


def stamp(plant: Plant) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {machines.STAMP}", {"id": plant.coater.pk})
        return str(cursor.fetchone()[0])
