"""Training from the database: kinds by choice, labels only from metrology; outside models; the report."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import numpy as np
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from control.actions import _window, estimators, ingest, machines, pipeline
from control.actions.estimators import Kinds
from control.actions.ingest import raw
from control.core.exchange import MeasuredPiece
from control.core.loop import State, run
from control.core.types import MeasuredBy, Quality
from control.core.vm import training
from control.models import AuditEntry, Estimator, Intake, Measurement, Version
from control.queries import vm
from tests.core.onnx_files import linear
from tests.factories import grant, user
from tests.running import START, running, shared

pytestmark = pytest.mark.django_db
TOP = [f"loading/{lane}-top" for lane in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def begun(django_db_setup, django_db_blocker):
    with shared(django_db_blocker):
        yield running(scenario="shift", ran_s=1000)


@pytest.fixture
def line(begun):
    return begun.again()


def test_of_too_long_a_history_the_newest_is_learned_from_trace_and_labels_alike(line, monkeypatch):
    whole = estimators.history(line.equipment[0], START, line.now)
    monkeypatch.setattr(estimators, "MOST_ROWS", 300)
    part = estimators.history(line.equipment[0], START, line.now)
    begin = np.sort(whole.measured.at_s)[-300]  # there are more labels than snapshots
    assert (part.trace.at_s[0], part.trace.at_s[-1]) == (begin, whole.trace.at_s[-1])
    assert len(part.measured) == (whole.measured.at_s >= begin).sum() < len(whole.measured)


def trained(line, **choice):
    kinds = Kinds(**choice) if choice else None
    return estimators.train(line.equipment[0], since=START, until=line.now, actor="test", now=line.now, kinds=kinds)


def active(line, *streams):
    rows = Estimator.objects.filter(stream__lane__equipment=line.equipment[0], state="active")
    return {row.stream.key: row for row in rows if not streams or row.stream.key in streams}


def test_the_plant_file_chooses_kinds_for_all_streams_and_for_single_ones(line):
    coater = line.equipment[0]
    coater.model = {"main": "pls", "reference": "ridge", "window_s": 15.0, "components": 2,
                    "streams": {TOP[0]: {"main": "boosting", "reference": "pls"}}}  # fmt: skip
    coater.save()
    trained(line)
    contents = {key: row.content for key, row in active(line).items()}
    kinds = {key: (content["main"]["kind"], content["reference"]["kind"]) for key, content in contents.items()}
    assert kinds.pop(TOP[0]) == ("boosting", "pls")
    assert set(kinds.values()) == {("pls", "ridge")}
    assert all(content["inputs"]["window_s"] == 15.0 for content in contents.values())
    assert all(contents[key]["main"]["components"] <= 2 for key in kinds)
    told = AuditEntry.objects.filter(action="estimator.train").latest("number").new
    assert told["trained"][TOP[0]] == "boosting"
    assert told["gates"] == {"loading-top": "", "loading-bottom": ""}


def test_the_command_chooses_instead_of_the_file_and_says_what_cannot_be(line):
    out = StringIO()
    call_command("train", line.line.key, hours=timedelta(days=300), main="pls", reference="ridge", stdout=out)
    assert "coater: 8 models" in out.getvalue()
    assert {row.content["main"]["kind"] for row in active(line).values()} == {"pls"}
    with pytest.raises(CommandError, match="both pls"):
        call_command("train", line.line.key, hours=timedelta(days=300), main="pls", reference="pls")


def test_once_people_work_on_a_line_the_command_keeps_its_models_and_draws_limits_for_a_review(line):
    trained(line)
    grant(user("engineer"), "engineer", line=line.line)
    for state in ("active", "in_review"):
        with pytest.raises(CommandError, match="for review"):
            call_command("train", line.line.key, hours=timedelta(days=300), by="engineer", stdout=StringIO())
        assert Version.objects.filter(kind="limits", state=state).exists()
    assert not Estimator.objects.exclude(state="active").exists()
    assert AuditEntry.objects.filter(action="estimator.train.refused").exists()


def test_a_row_tells_its_kind_figures_data_window_hash_and_gates(line):
    trained(line)
    for key, row in active(line).items():
        assert row.metrics["kind"] == row.content["main"]["kind"] == "ridge"
        assert START <= row.trained_from < row.trained_to <= line.now
        assert len(row.sha256) == 64
        loop = f"loading-{key.rpartition('-')[2]}"
        gate = row.metrics["gates"][loop]
        assert gate["passes"]
        assert gate["limit"] == pytest.approx(2.0, abs=0.01)  # a move once a dead time answers all it saw
        assert np.array(gate["low"]).min() > 0.9


def test_nothing_that_was_predicted_can_become_a_label_by_any_way_in(line):
    coater, who = line.equipment[0], line.who
    streams = machines.stream_configs(coater, machines.streams_of(coater), None)
    past = estimators.history(coater, START, line.now)
    # the core refuses them
    told = replace(past.measured, by=np.full(len(past.measured), int(MeasuredBy.PREDICTION)))
    tags = tuple(tag.key for tag in past.tags)
    with pytest.raises(ValueError, match="a prediction is not a label"):
        training.train(tags, streams, past.trace, told, training.Recipe(tags))
    # over HTTP there is no word for them
    rows = [{"equipment": "coater", "at": "2026-11-21T00:10:00Z", "sequence": 1, "stream": TOP[0], "value": 20.0}]
    for by in ("prediction", "vm", 0, None):
        batch = ingest.batch_of_rows(who, [], [row | {"by": by} for row in rows], now=line.now)
        assert [refusal.code for refusal in batch.refused] == ["bad_by"]
    # a connector that sends one is refused as a whole
    scan = line.scans(1)[0]
    piece = MeasuredPiece(TOP[0], 1, 10.0, 20.0, Quality.GOOD, MeasuredBy.PREDICTION, scan.at)
    with pytest.raises(LookupError, match="as if it had been measured"):
        ingest.batch_of_scans(who, [replace(scan, measurements=(piece,))])
    # and the table itself does not take them, by COPY or by hand
    good = ingest.batch_of_rows(who, [], [row | {"by": "gauge"} for row in rows], now=line.now)
    block = good.measurements[0]
    with pytest.raises(psycopg.errors.CheckViolation):
        ingest.store_batch(
            ingest.raw(), who, replace(good, measurements=[replace(block, by=np.zeros(1, np.int64))]), now=line.now
        )


def test_a_stored_measurement_cannot_be_turned_into_a_prediction(line):
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute('UPDATE control_measurement SET "by" = 0')


def test_training_reads_measurements_never_the_points_of_a_chart(line):
    trained(line)
    before = {key: row.sha256 for key, row in active(line).items()}
    until = line.now
    line.run(300)
    line.advance()  # there are predictions now, and points of both kinds
    estimators.train(line.equipment[0], since=START, until=until, actor="test", now=line.now)
    assert {key: row.sha256 for key, row in active(line).items()} == before
    read = estimators.history(line.equipment[0], START, line.now).measured
    rows = Measurement.objects.filter(equipment=line.equipment[0], quality=0, value__isnull=False, at__lt=line.now)
    assert len(read) == rows.count()
    assert not (read.by == MeasuredBy.PREDICTION).any()


DECLARED = """
streams = ["loading/1-top", "loading/2-top", "loading/3-top", "loading/4-top"]
predicts = "{predicts}"
output = "y"
[inputs]
X = ["pump_top", "solids"]
"""


def written(tmp_path, data, predicts="value"):
    model, declaration = tmp_path / "model.onnx", tmp_path / "model.toml"
    model.write_bytes(data)
    declaration.write_text(DECLARED.format(predicts=predicts))
    return model, declaration


def plant_model(pump=20 / 62, solids=20 / 70):
    return linear([[pump] * 4, [solids] * 4], [20 - 62 * pump - 70 * solids] * 4)


def imported(line, *files):
    out = StringIO()
    call_command("import_model", f"{line.line.key}/coater", *files, hours=timedelta(days=300), stdout=out)
    return out.getvalue()


def test_an_outside_model_predicts_after_import_and_its_gain_is_judged(line, tmp_path):
    told = imported(line, *written(tmp_path, plant_model()))
    assert "loading/1-top: MAE" in told
    assert "loop loading-top: loading/" in told  # it does not know the bolts that the loop moves
    assert "loop loading-bottom: the gain gate passes" in told
    rows = active(line)
    assert {key for key, row in rows.items() if row.content["main"]["kind"] == "onnx"} == set(TOP)
    assert not rows[TOP[0]].metrics["gates"]["loading-top"]["passes"]
    line.run(400)
    line.advance()
    found = {error.stream: error for error in vm.errors(line.line)}
    assert found[TOP[0]].kind == "onnx"
    assert found[TOP[0]].mae < 0.15
    assert "loading-top" in found[TOP[0]].closed


def test_training_again_keeps_an_outside_model_unless_another_kind_is_asked_for(line, tmp_path):
    imported(line, *written(tmp_path, linear([[0.0] * 4, [0.0] * 4], [0.0] * 4), predicts="residual"))
    first = active(line, TOP[0])[TOP[0]]
    line.run(120)
    trained(line)
    again = active(line, TOP[0])[TOP[0]]
    assert again.pk != first.pk
    assert again.content["main"]["model"] == first.content["main"]["model"]
    assert again.metrics["gates"]["loading-top"]["passes"]  # physics and assumed gains are under it
    trained(line, main="ridge")
    assert active(line, TOP[0])[TOP[0]].content["main"]["kind"] == "ridge"


@pytest.mark.parametrize(
    ("data", "reason"),
    [(pickle.dumps(print), "pickle or joblib"), (b"no model", "not an ONNX file"), (bytes(3_000_000), "are the most")],
)
def test_a_file_that_is_not_taken_is_refused_with_the_reason_and_changes_nothing(line, tmp_path, data, reason):
    with pytest.raises(CommandError, match=reason):
        imported(line, *written(tmp_path, data))
    assert not Estimator.objects.exists()


def test_the_report_tells_kind_errors_coverage_and_what_a_model_may_not_drive(line, tmp_path):
    imported(line, *written(tmp_path, plant_model()))
    line.run(400)
    line.advance()
    out = StringIO()
    call_command("vm_report", line.line.key, stdout=out)
    told = out.getvalue()
    assert "8 streams measured after training" in told
    lines = {row.split()[0]: row.split() for row in told.splitlines() if row.strip().startswith("loading/")}
    assert lines[TOP[0]][1] == "onnx"
    assert lines["loading/1-bottom"][1] == "ridge"
    assert all(row[-1].endswith("%") and row[-2].endswith("%") for row in lines.values())
    assert "loop loading-top stays silent: loading/" in told


def test_the_report_scores_what_was_shown_when_the_metre_was_made(line):
    trained(line)
    line.run(400)
    line.advance()
    for error in vm.errors(line.line):
        assert error.n > 50
        assert error.mae < error.mae_of_last
        assert 0.7 < error.coverage <= 1.0
        assert 0.0 < error.vouched <= 1.0
        assert not error.closed


def test_the_evidence_of_a_change_tells_how_far_each_input_was_from_training(line):
    trained(line)
    line.run(480)  # into a batch with fewer solids
    built = machines.built(line.equipment[0].pk)
    arrived = Intake.objects.get(pk=line.equipment[0].pk).arrived
    fresh = _window.read(
        raw(), _window.Span(line.equipment[0].pk, 0, arrived, START), built.stream_ids, len(built.tags), 1
    )
    found = run(built.machine, State(), fresh.trace, fresh.new, fresh.measured)
    inputs = pipeline._evidence(built, fresh, found, built.loops["loading-top"])["inputs"]
    assert inputs["solids"]["isi"] < -3
    assert inputs["pump_top"]["isi"] is None  # a loop moves it
    assert inputs["line_state"]["isi"] is None  # no input of the model
