"""Bringing in an ONNX file on the model health page and over the API: an engineer's, answered with words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from control.core.vm.onnx import MOST_BYTES
from control.models import AuditEntry, TrainingRun
from dashboards import uploads
from tests.core.onnx_files import linear
from tests.factories import Plant

SignIn = Callable[[str], Client]
DECLARED = b'streams = ["loading/1-top"]\noutput = "y"\n[inputs]\nX = ["pump_top"]\n'
GOOD = linear([[0.0]], [0.0])
OTHERS = ("viewer", "operator", "supervisor", "admin", "auditor")


def form(data: bytes = GOOD, declaration: bytes = DECLARED, reason: str = "from the laboratory") -> dict[str, object]:
    files = {"model": ("model.onnx", data), "declaration": ("model.toml", declaration)}
    return {name: SimpleUploadedFile(file, content) for name, (file, content) in files.items()} | {"reason": reason}


def page(plant: Plant) -> str:
    return f"/models/{plant.coater.pk}/outside/"


def api(plant: Plant) -> str:
    return f"/api/v1/equipment/{plant.coater.pk}/models"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_only_an_engineer_finds_the_form(plant: Plant, signed_in: SignIn, language: str) -> None:
    for name in ("engineer", *OTHERS):
        text = (
            signed_in(name).get(f"/models/{plant.coater.pk}/", headers={"accept-language": language}).content.decode()
        )
        assert ('type="file"' in text) == (name == "engineer")


def test_from_the_page_a_model_goes_to_a_run_of_training(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    answer = client.post(page(plant), form(), follow=True)
    assert "will be compared" in answer.content.decode()
    run = TrainingRun.objects.get()
    assert (run.state, run.reason, list(run.outside["streams"])) == (
        "waiting",
        "from the laboratory",
        ["loading/1-top"],
    )
    assert AuditEntry.objects.get(action="model.import").new["run"] == run.pk
    assert client.post(page(plant), form()).status_code == 409
    assert client.post(api(plant), form()).status_code == 409


def test_from_the_api_a_model_goes_the_same_way(plant: Plant, signed_in: SignIn) -> None:
    answer = signed_in("engineer").post(api(plant), form())
    assert answer.status_code == 202
    assert answer.json()["state"] == "waiting"
    assert answer.json()["id"] == TrainingRun.objects.get().pk


@pytest.mark.parametrize(
    ("data", "declaration", "words"),
    [
        (b"\x80\x04pickled", DECLARED, "pickle or joblib"),
        (b"", DECLARED, "not an ONNX file"),
        (bytes(MOST_BYTES + 10), DECLARED, "are the most"),
        (GOOD, DECLARED.replace(b"pump_top", b"<b>moon</b>"), "no such feature: &lt;b&gt;moon&lt;/b&gt;"),
        (GOOD, b"", "output must name"),
        (GOOD, b"\xff", "UTF-8"),
    ],
)
def test_what_is_not_taken_is_answered_with_the_reason(
    plant: Plant, signed_in: SignIn, data: bytes, declaration: bytes, words: str
) -> None:
    client = signed_in("engineer")
    answer = client.post(page(plant), form(data, declaration))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert 'value="from the laboratory"' in answer.content.decode()
    told = client.post(api(plant), form(data, declaration))
    assert (told.status_code, told.json()["code"]) == (422, "not_a_model")
    assert not TrainingRun.objects.exists()


def test_without_a_reason_or_a_file_nothing_is_taken(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    assert client.post(page(plant), form(reason=" ")).status_code == 422
    assert client.post(page(plant), {"reason": "no file"}).status_code == 422
    assert client.post(api(plant), {"reason": "no file"}).status_code == 422
    assert not TrainingRun.objects.exists()


def test_a_request_far_too_large_is_not_even_read(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    for url in (page(plant), api(plant)):
        assert client.post(url, form(bytes(uploads.MOST))).status_code == 400
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize("name", OTHERS)
def test_nobody_else_brings_one_in(plant: Plant, signed_in: SignIn, name: str) -> None:
    client = signed_in(name)
    assert client.post(page(plant), form()).status_code == 403
    assert client.post(api(plant), form()).status_code == 403
    assert not TrainingRun.objects.exists()


def test_for_an_outsider_the_machine_does_not_exist_and_a_stranger_is_shown_the_door(
    plant: Plant, signed_in: SignIn
) -> None:
    for name in ("outsider", "root"):
        assert [signed_in(name).post(url, form()).status_code for url in (page(plant), api(plant))] == [404, 404]
    assert [Client().post(url, form()).status_code for url in (page(plant), api(plant))] == [302, 401]


def test_without_its_csrf_token_nothing_is_taken(plant: Plant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(plant.person("engineer"))
    assert [client.post(url, form()).status_code for url in (page(plant), api(plant))] == [403, 403]
