"""The kinds of model on the model health page: everybody reads them, an engineer chooses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from control.actions import model_kinds
from control.models import AuditEntry, Equipment, Estimator
from tests.factories import NOW, Plant

SEES = ("viewer", "operator", "supervisor", "engineer", "admin", "auditor")
SignIn = Callable[[str], Client]


def page(plant: Plant) -> str:
    return f"/models/{plant.coater.pk}/"


def kinds(text: str) -> str:
    return text.split('id="kinds"')[1].split("</section>", maxsplit=1)[0]


def form(plant: Plant, **changes: str) -> dict[str, str]:
    single = {f"{what}-{stream.pk}": "" for stream in plant.streams.values() for what in ("main", "reference")}
    seen = model_kinds.mark(Equipment.objects.get(pk=plant.coater.pk))
    usual = {"seen": seen, "main": "ridge", "reference": "pls", "reason": "Clogging bends it"}
    return usual | single | changes


def field(plant: Plant, what: str, key: str = "loading/1-top") -> str:
    return f"{what}-{plant.streams[key].pk}"


@pytest.mark.parametrize("name", SEES)
def test_who_has_a_role_reads_them_and_only_an_engineer_finds_a_button(
    plant: Plant, signed_in: SignIn, name: str
) -> None:
    told = kinds(signed_in(name).get(page(plant)).content.decode())
    assert '<option value="ridge" selected>' in told
    assert ("data-writes" in told) == (name == "engineer")
    assert ("disabled" in told) == (name != "engineer")


@pytest.mark.parametrize("name", ["viewer", "operator", "supervisor", "admin", "auditor", "outsider"])
def test_the_door_is_an_engineers(plant: Plant, signed_in: SignIn, name: str) -> None:
    answer = signed_in(name).post(f"{page(plant)}kinds/", form(plant, main="boosting"))
    assert answer.status_code == (404 if name == "outsider" else 403)
    assert Equipment.objects.get(pk=plant.coater.pk).model == {}


def test_an_engineer_chooses_for_a_machine_and_for_single_streams(plant: Plant, signed_in: SignIn) -> None:
    engineer, second = signed_in("engineer"), "loading/2-top"
    changes = {"main": "boosting", field(plant, "main"): "pls", field(plant, "reference", second): "ridge"}
    answer = engineer.post(f"{page(plant)}kinds/", form(plant, **changes))
    assert (answer.status_code, answer.headers["Location"]) == (302, page(plant))
    model = Equipment.objects.get(pk=plant.coater.pk).model
    assert (model["main"], model["reference"]) == ("boosting", "pls")
    assert model["streams"] == {
        "loading/1-top": {"main": "pls", "reference": "ridge"},
        second: {"main": "boosting", "reference": "ridge"},
    }
    told = kinds(engineer.get(page(plant)).content.decode())
    assert "the plant file says otherwise" in told
    assert "Clogging bends it" in told
    assert '<option value="boosting" selected>' in told


@pytest.mark.parametrize(
    ("machine", "main", "expected"),
    [
        (("boosting", "ridge"), "boosting", "ridge"),
        (("boosting", "ridge"), "pls", "ridge"),
        (("boosting", "ridge"), "ridge", "pls"),
        (("ridge", "pls"), "pls", "ridge"),
    ],
)
def test_a_reference_left_open_is_the_machines_unless_that_is_the_main_model_already(
    plant: Plant, signed_in: SignIn, machine: tuple[str, str], main: str, expected: str
) -> None:
    changes = {"main": machine[0], "reference": machine[1], field(plant, "main"): main}
    signed_in("engineer").post(f"{page(plant)}kinds/", form(plant, **changes))
    model = Equipment.objects.get(pk=plant.coater.pk).model
    assert model["streams"] == {"loading/1-top": {"main": main, "reference": expected}}


def test_sending_the_page_as_it_stands_changes_nothing(plant: Plant, signed_in: SignIn) -> None:
    assert signed_in("engineer").post(f"{page(plant)}kinds/", form(plant)).status_code == 302
    assert Equipment.objects.get(pk=plant.coater.pk).model == {}
    assert not AuditEntry.objects.filter(action="model.choose").exists()


def test_what_the_page_does_not_show_stays_as_the_plant_file_has_it(plant: Plant, signed_in: SignIn) -> None:
    Equipment.objects.filter(pk=plant.coater.pk).update(model={"window_s": 15.0, "components": 3})
    signed_in("engineer").post(f"{page(plant)}kinds/", form(plant, main="boosting"))
    model = Equipment.objects.get(pk=plant.coater.pk).model
    assert (model["main"], model["window_s"], model["components"]) == ("boosting", 15.0, 3)


def test_a_mistake_is_said_by_its_place_and_what_was_typed_stays(plant: Plant, signed_in: SignIn) -> None:
    changes = {"main": "pls", "reference": "pls", "reason": "Half a thought", field(plant, "main"): "boosting"}
    answer = signed_in("engineer").post(f"{page(plant)}kinds/", form(plant, **changes))
    told = kinds(answer.content.decode())
    assert answer.status_code == 422
    assert "reference: must be another than main" in told
    assert 'value="Half a thought"' in told
    assert '<option value="boosting" selected>' in told
    assert Equipment.objects.get(pk=plant.coater.pk).model == {}


def test_an_engineer_who_looked_at_an_older_choice_is_told(plant: Plant, signed_in: SignIn) -> None:
    engineer, before = signed_in("engineer"), form(plant, main="boosting")
    engineer.post(f"{page(plant)}kinds/", form(plant, main="pls", reference="ridge"))
    assert engineer.post(f"{page(plant)}kinds/", before).status_code == 409
    assert Equipment.objects.get(pk=plant.coater.pk).model["main"] == "pls"


def test_a_choice_without_a_reason_is_refused(plant: Plant, signed_in: SignIn) -> None:
    answer = signed_in("engineer").post(f"{page(plant)}kinds/", form(plant, main="boosting", reason=" "))
    assert answer.status_code == 422
    assert "Give a reason" in answer.content.decode()
    assert Equipment.objects.get(pk=plant.coater.pk).model == {}


def test_the_kind_in_force_is_beside_the_choice_and_a_model_from_elsewhere_says_that_it_stays(
    plant: Plant, signed_in: SignIn
) -> None:
    for key, kind in (("loading/1-top", "onnx"), ("loading/2-top", "boosting")):
        Estimator.objects.create(
            stream=plant.streams[key], number=1, content={"main": {"kind": kind}, "half_width": 0.1}, sha256=kind,
            state="active", trained_from=NOW, trained_to=NOW, created_at=NOW, effective_from=NOW,
        )  # fmt: skip
    told = kinds(signed_in("viewer").get(page(plant)).content.decode())
    assert "<td>ONNX file<small>training keeps it</small></td>" in told
    assert "<td>Boosted trees</td>" in told


def test_in_korean_too(plant: Plant, signed_in: SignIn) -> None:
    told = kinds(signed_in("engineer").get(page(plant), headers={"accept-language": "ko"}).content.decode())
    assert "모델 종류" in told
    assert "주 모델" in told
