"""An engineer chooses kinds of model as a plant file would; what is in force stays until the next training."""

from __future__ import annotations

from typing import Any

import pytest

from control.actions import estimators, model_kinds, plant
from control.actions.errors import Conflict, Invalid, NoPermission
from control.models import AuditEntry, Equipment, Estimator, Grant
from control.plantfile import PlantFileError, parse
from tests.core.twins import table
from tests.factories import NOW, Plant
from tests.factories import plant as make_plant

pytestmark = pytest.mark.django_db
TOP = "loading/1-top"
TOLD = {"actor": "test", "reason": "", "now": NOW}


@pytest.fixture
def line() -> Plant:
    return make_plant()


def choose(line: Plant, who: str = "engineer", reason: str = "Clogging bends it", **settings: Any) -> None:
    told = {"actor": line.person(who), "now": NOW, "reason": reason, "seen": model_kinds.mark(line.coater)}
    model_kinds.choose_models(line.coater, settings, **told)


def stored() -> dict[str, Any]:
    return Equipment.objects.get(key="coater").model


def test_the_next_training_follows_the_choice(line: Plant) -> None:
    choose(line, main="pls", reference="ridge", streams={TOP: {"main": "boosting"}})
    plan = estimators._chosen(Equipment.objects.get(), estimators.Kinds())
    assert (plan["choice"].main, plan["choice"].reference) == ("pls", "ridge")
    assert (plan["choices"][TOP].main, plan["choices"][TOP].reference) == ("boosting", "pls")


def test_what_is_in_force_stays(line: Plant) -> None:
    row = Estimator.objects.create(
        stream=line.streams[TOP], number=1, content={"main": {"kind": "ridge"}}, sha256="0" * 64, state="active",
        trained_from=NOW, trained_to=NOW, created_at=NOW, effective_from=NOW,
    )  # fmt: skip
    choose(line, main="boosting")
    assert list(Estimator.objects.values_list("pk", "state", "sha256")) == [(row.pk, "active", "0" * 64)]


def test_the_audit_has_what_was_and_what_is_and_why(line: Plant) -> None:
    choose(line, main="pls", reference="ridge")
    row = AuditEntry.objects.get(action="model.choose")
    assert row.old == {"main": "ridge", "reference": "pls"}
    assert row.new == {"main": "pls", "reference": "ridge"}
    assert (row.reason, row.actor) == ("Clogging bends it", line.person("engineer"))


@pytest.mark.parametrize("who", ["viewer", "operator", "supervisor", "admin", "auditor", "outsider", "root"])
def test_nobody_else_chooses(line: Plant, who: str) -> None:
    with pytest.raises(NoPermission):
        choose(line, who, main="pls")
    assert stored() == {}


def test_choosing_needs_a_reason(line: Plant) -> None:
    with pytest.raises(Invalid):
        choose(line, reason=" ", main="pls")
    assert stored() == {}


def test_the_same_mistakes_are_refused_in_the_same_words_as_in_a_plant_file(line: Plant) -> None:
    wrong = {"main": "pls", "reference": "pls", "window_s": 0.0, "colour": 1, "streams": {"x/1": {"main": "magic"}}}
    document = table("plants/cathode.toml")
    document["equipment"][0]["model"] = wrong
    with pytest.raises(PlantFileError) as file:
        parse(document)
    with pytest.raises(Invalid) as refused:
        choose(line, **wrong)
    assert str(refused.value).split("; ") == [one.removeprefix("equipment[0].model.") for one in file.value.errors]
    assert "streams.x/1: x/1 is not a stream of this equipment" in str(refused.value)
    assert stored() == {}


def test_of_two_engineers_the_second_is_told(line: Plant) -> None:
    seen = model_kinds.mark(line.coater)
    choose(line, main="pls")
    told = {"actor": line.person("engineer"), "now": NOW, "reason": "Too late", "seen": seen}
    with pytest.raises(Conflict):
        model_kinds.choose_models(line.coater, {"main": "boosting"}, **told)
    assert stored()["main"] == "pls"


def test_a_choice_that_is_the_same_changes_nothing(line: Plant) -> None:
    choose(line, main="ridge", reference="pls")
    assert stored() == {}
    assert not AuditEntry.objects.filter(action="model.choose").exists()


def cathode() -> tuple[dict[str, Any], Plant]:
    """A line from a plant file, with an engineer."""
    document = table("plants/cathode.toml")
    made = plant.store(parse(document), **TOLD)
    other = make_plant("other", area=made.line.area)
    Grant.objects.create(user=other.person("engineer"), role="engineer", line=made.line, valid_from=NOW)
    return document, Plant(**{**vars_of(other), "line": made.line, "coater": made.line.equipment.get(key="coater")})


def vars_of(made: Plant) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


def test_a_plant_file_loaded_again_leaves_the_choice_alone_until_the_file_changes() -> None:
    document, line = cathode()
    choose(line, main="boosting", streams={TOP: {"main": "pls"}})
    assert plant.store(parse(document), **TOLD).changed == []
    line.coater.refresh_from_db()
    assert (line.coater.model["main"], line.coater.model["streams"][TOP]["main"]) == ("boosting", "pls")
    document["equipment"][0]["name"] = "Another name"
    plant.store(parse(document), **TOLD)
    line.coater.refresh_from_db()
    assert (line.coater.name, line.coater.model["main"]) == ("Another name", "boosting")
    document["equipment"][0]["model"] = {"window_s": 20.0}
    assert "equipment coater" in plant.store(parse(document), **TOLD).changed
    line.coater.refresh_from_db()
    assert line.coater.model == parse(document).equipment[0].model.model_dump(mode="json")


def test_choosing_again_what_the_file_says_leaves_nothing_behind() -> None:
    document, line = cathode()
    said = line.coater.model
    choose(line, main="boosting")
    choose(line, main="pls", reference="ridge")
    choose(line, **said)
    assert line.coater.model == said
    document["equipment"][0]["model"] = {"main": "boosting"}
    plant.store(parse(document), **TOLD)
    line.coater.refresh_from_db()
    assert line.coater.model["main"] == "boosting"
