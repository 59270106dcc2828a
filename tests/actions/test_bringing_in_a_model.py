"""A model made elsewhere: tried on its own, trained around, compared, and put in force by a second person."""

from __future__ import annotations

import pickle
import struct

import pytest

from control.actions import _outside_trial, outside_models, retraining, trainingrun, versions
from control.actions.errors import Conflict, Invalid, NoPermission
from control.models import AuditEntry, Estimator, TrainingRun
from tests.core.onnx_files import INT64, field, linear, model, node, tensor, value
from tests.factories import grant, hand, user
from tests.running import running, shared

pytestmark = pytest.mark.django_db
TOP = [f"loading/{lane}-top" for lane in (1, 2, 3, 4)]
DECLARED = b"""
streams = ["loading/1-top", "loading/2-top", "loading/3-top", "loading/4-top"]
output = "y"
[inputs]
X = ["pump_top", "solids"]
"""
NOTHING = linear([[0.0] * 4, [0.0] * 4], [0.0] * 4)  # adds nothing to physics and the assumed gains


@pytest.fixture(scope="module")
def begun(django_db_setup, django_db_blocker):
    with shared(django_db_blocker):
        yield running(scenario="shift", ran_s=1000)


@pytest.fixture
def line(begun):
    return begun.again()


@pytest.fixture
def engineer(line):
    found = user("engineer")
    grant(found, "engineer", line=line.line)
    return found


def brought(line, engineer, data=NOTHING, declaration=DECLARED, reason="made in the laboratory"):
    coater = line.equipment[0]
    return outside_models.bring(coater, data, declaration, actor=engineer, now=line.now, reason=reason)


def test_it_waits_for_a_run_and_nothing_is_in_force_yet(line, engineer):
    run = brought(line, engineer)
    assert (run.state, run.asked_by, list(run.outside["streams"])) == ("waiting", engineer, TOP)
    assert not Estimator.objects.exists()
    told = AuditEntry.objects.get(action="model.import")
    assert (told.actor, told.reason, told.new["run"]) == (engineer, "made in the laboratory", run.pk)
    assert (told.new["streams"], told.new["predicts"], told.new["bytes"]) == (TOP, "residual", len(NOTHING))
    assert len(told.new["sha256"]) == 64


def test_after_its_run_it_is_proposed_and_a_person_puts_it_in_force(line, engineer):
    run = trainingrun.carry_out(brought(line, engineer).pk, clock=lambda: line.now)
    assert (run.state, run.error) == ("proposed", "")
    version = retraining.submit(run, actor=engineer, now=line.now, reason="it was no worse")
    reviewer = user("supervisor")
    grant(reviewer, "supervisor", line=line.line)
    versions.approve(version.pk, seen=version.sha256, by=hand(reviewer, line.now), then="now", now=line.now)
    rows = (
        Estimator.objects.filter(state="active")
        .select_related("stream__lane", "stream__characteristic")
        .order_by("stream")
    )
    kinds = {row.stream.key: row.content["main"]["kind"] for row in rows}
    assert {key for key, kind in kinds.items() if kind == "onnx"} == set(TOP)
    assert [row.content["main"]["column"] for row in rows if row.stream.key in TOP] == [0, 1, 2, 3]


def test_while_a_training_is_under_way_none_is_taken(line, engineer):
    retraining.ask(line.equipment[0], actor=engineer, now=line.now)
    with pytest.raises(Conflict):
        brought(line, engineer)
    assert TrainingRun.objects.get().outside == {}
    assert not AuditEntry.objects.filter(action="model.import").exists()


@pytest.mark.parametrize("role", ["viewer", "operator", "supervisor", "admin", "auditor"])
def test_nobody_but_an_engineer_brings_one_in_and_nothing_is_tried_for_others(line, role):
    person = user(role)
    grant(person, role, line=line.line)
    with pytest.raises(NoPermission):
        brought(line, person, data=b"never looked at")
    assert AuditEntry.objects.get(action="model.import.refused").actor == person


def big(name, *sizes):
    """An initializer of int64: the shape of a tensor."""
    return field(1, len(sizes)) + field(2, INT64) + field(8, name) + field(9, struct.pack(f"<{len(sizes)}q", *sizes))


def bomb():
    """A hundred bytes that ask for a quarter of a terabyte."""
    nodes = [
        node("ConstantOfShape", ["s"], "huge"),
        node("ReduceSum", ["huge"], "sum"),
        node("MatMul", ["X", "w"], "p"),
        node("Add", ["p", "sum"], "y"),
    ]
    tensors = [big("s", 2**18, 2**18), tensor("w", [0.0] * 8, (2, 4))]
    return model(nodes, [value("X", 2)], [value("y", 4)], tensors)


def reaching():
    """Weights that are said to lie in another file."""
    where = field(13, field(1, "location") + field(2, "/etc/passwd")) + field(14, 1)
    nodes = [node("MatMul", ["X", "w"], "y")]
    return model(nodes, [value("X", 2)], [value("y", 4)], [tensor("w", [0.0] * 8, (2, 4), where)])


DECLARATIONS = {
    "no text": b"\xff\xfe",
    "no toml": b"streams = [",
    "too deep": b"streams = " + b"[" * 5000,
    "another key": DECLARED.replace(b"output", b"outcome"),
    "another stream": DECLARED.replace(b"loading/4-top", b"loading/9-top"),
    "another tag": DECLARED.replace(b"solids", b"moonlight"),
    "another input": DECLARED.replace(b"X =", b"Z ="),
    "a wrong number of inputs": DECLARED.replace(b', "solids"', b""),
    "a wrong number of streams": DECLARED.replace(b', "loading/4-top"', b""),
    "a date": DECLARED.replace(b'"y"', b"2026-11-21"),
    "too long": b"#" * 70_000,
    "nothing": b"",
}


@pytest.mark.parametrize("what", DECLARATIONS)
def test_a_declaration_that_says_nothing_of_use_is_refused_with_words(line, engineer, what):
    with pytest.raises(Invalid, match=r"\w") as refused:
        brought(line, engineer, declaration=DECLARATIONS[what])
    assert refused.value.code == "not_a_model"
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not an ONNX file"),
        (b"no model", "not an ONNX file"),
        (pickle.dumps(print), "pickle or joblib"),
        (bytes(3_000_000), "are the most"),
        (reaching(), "outside its file"),
        (bomb(), "refuses|cannot be run|too much"),
    ],
    ids=["empty", "text", "pickle", "huge", "external", "bomb"],
)
def test_a_hostile_file_is_refused_with_words_and_harms_nobody(line, engineer, data, why):
    with pytest.raises(Invalid, match=why) as refused:
        brought(line, engineer, data=data)
    assert refused.value.code == "not_a_model"
    assert AuditEntry.objects.filter(action="model.import.refused").exists()
    assert not TrainingRun.objects.exists()


def test_what_takes_too_long_to_try_is_ended(line, engineer, monkeypatch):
    monkeypatch.setattr(_outside_trial, "SECONDS", 0)
    with pytest.raises(Invalid, match="too much time or memory"):
        brought(line, engineer)


def test_what_is_wrong_with_a_declaration_is_told_before_anything_is_tried(line, engineer, monkeypatch):
    monkeypatch.setattr(_outside_trial, "SECONDS", 0)  # nothing could be tried in that
    with pytest.raises(Invalid, match="moonlight"):
        brought(line, engineer, declaration=DECLARATIONS["another tag"])
