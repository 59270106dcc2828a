"""Versions on their pages and over the API: drafted by one, signed by another, with everything that is wrong said."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from control.actions import figures
from control.models import Signature, Version
from tests.factories import Plant

SignIn = Callable[[str], Client]
PASSWORD = "right-enough-4711"


@pytest.fixture
def plant(plant: Plant) -> Plant:
    supervisor = plant.person("supervisor")
    supervisor.set_password(PASSWORD)
    supervisor.save()
    return plant


def drafted(plant: Plant, client: Client, **told: str) -> Version:
    form = {"key": "k-draft", "reason": "Calmer shift", "veto_s": "50", **told}
    answer = client.post(f"/lines/{plant.line.key}/versions/figures/draft/", form)
    assert answer.status_code == 302, answer.content.decode()
    return Version.objects.latest("pk")


def decided(client: Client, version: Version, verb: str, **told: str) -> int:
    form = {"key": f"{verb}-{version.pk}", "seen": version.sha256, **told}
    return client.post(f"/versions/{version.pk}/decide/{verb}/", form).status_code


def in_review(plant: Plant, signed_in: SignIn) -> Version:
    version = drafted(plant, signed_in("engineer"))
    assert decided(signed_in("engineer"), version, "submit") == 302
    return version


def test_a_figure_goes_from_a_form_through_review_into_force(plant: Plant, signed_in: SignIn) -> None:
    version = in_review(plant, signed_in)
    supervisor = signed_in("supervisor")
    page = supervisor.get(f"/versions/{version.pk}/").content.decode()
    assert "Countdown before an automatic change is approved" in page
    assert "+20" in page  # from 30 s to 50 s
    assert "+66.7" in page
    assert decided(supervisor, version, "approve", when="now", password=PASSWORD) == 302
    assert figures.of(plant.line.pk).veto_s == 50.0
    assert Signature.objects.get(object_type="version").method == "password"
    assert "put in force" in supervisor.get(f"/versions/{version.pk}/").content.decode()


def test_a_supervisor_signs_at_the_engineers_screen(plant: Plant, signed_in: SignIn) -> None:
    version = in_review(plant, signed_in)
    engineer, name = signed_in("engineer"), plant.person("supervisor").username
    page = engineer.get(f"/versions/{version.pk}/").content.decode()
    assert 'data-signer=""' in page
    assert decided(engineer, version, "approve", when="now", signer=name, password=PASSWORD) == 302
    assert Version.objects.get().approved_by == plant.person("supervisor")
    assert Signature.objects.get(object_type="version").screen_of == plant.person("engineer")


def test_without_a_password_nothing_is_signed_and_the_form_is_asked_again(plant: Plant, signed_in: SignIn) -> None:
    version = in_review(plant, signed_in)
    assert decided(signed_in("supervisor"), version, "approve", when="now") == 403
    assert Version.objects.get().state == "in_review"


def test_a_form_with_faults_comes_back_as_it_was_typed(plant: Plant, signed_in: SignIn) -> None:
    form = {"key": "k", "reason": "Because", "veto_s": "5", "doubts": "two"}
    answer = signed_in("engineer").post(f"/lines/{plant.line.key}/versions/figures/draft/", form)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "must be at least 30" in page
    assert "is not a number" in page
    assert 'value="two"' in page
    assert not Version.objects.exists()


def test_a_draft_is_opened_again_and_changed(plant: Plant, signed_in: SignIn) -> None:
    engineer = signed_in("engineer")
    version = drafted(plant, engineer)
    assert 'value="50"' in engineer.get(f"/versions/{version.pk}/change/").content.decode()
    form = {"key": "k2", "reason": "Less", "seen": version.sha256, "veto_s": "40,5"}
    assert engineer.post(f"/versions/{version.pk}/edit/", form).status_code == 302
    assert Version.objects.get().content["veto_s"] == 40.5


@pytest.mark.parametrize("media", ["csv", "json"])
def test_what_was_downloaded_can_be_brought_in_on_another_line(plant: Plant, signed_in: SignIn, media: str) -> None:
    engineer = signed_in("engineer")
    version = drafted(plant, engineer)
    data = engineer.get(f"/versions/{version.pk}/content.{media}").content
    file = SimpleUploadedFile(f"figures.{media}", data)
    form = {"key": "k2", "reason": "The same", "file": file}
    assert engineer.post(f"/lines/{plant.line.key}/versions/figures/import/", form).status_code == 302
    brought = Version.objects.latest("pk")
    assert (brought.content, brought.source) == (version.content, "import")


def test_a_file_with_faults_is_refused_with_all_of_them(plant: Plant, signed_in: SignIn) -> None:
    file = SimpleUploadedFile("figures.csv", b"veto_s,5\nnobody,1\ndoubts,0.5\n")
    form = {"key": "k2", "reason": "The same", "file": file}
    answer = signed_in("engineer").post(f"/lines/{plant.line.key}/versions/figures/import/", form)
    page = answer.content.decode()
    assert answer.status_code == 422
    for words in ("must be at least 30", "nobody: nothing of that name can be set", "must be a whole number"):
        assert words in page


def test_a_version_waits_for_a_time_of_the_plant(plant: Plant, signed_in: SignIn) -> None:
    version = in_review(plant, signed_in)
    told = {"when": "time", "at": "2999-01-01T09:00", "password": PASSWORD}
    supervisor = signed_in("supervisor")
    assert decided(supervisor, version, "approve", **told) == 302
    version.refresh_from_db()
    assert version.due_at is not None
    assert version.due_at.isoformat() == "2999-01-01T00:00:00+00:00"  # Seoul
    assert "with the next roll" not in signed_in("viewer").get(f"/versions/{version.pk}/").content.decode()
    assert decided(supervisor, version, "recall", reason="Not yet") == 302
    assert decided(supervisor, version, "put_in_force", when="lot") == 302
    assert Version.objects.get().waits_for == "lot"


def test_the_page_of_a_line_shows_what_holds_and_what_waits(plant: Plant, signed_in: SignIn) -> None:
    version = in_review(plant, signed_in)
    page = signed_in("operator").get(f"/lines/{plant.line.key}/versions/").content.decode()
    assert f'href="/versions/{version.pk}/"' in page
    assert "the usual values" in page
    assert "Draft another" not in page
    assert (
        f'href="/lines/{plant.line.key}/versions/"'
        in signed_in("operator").get(f"/lines/{plant.line.key}/").content.decode()
    )


def test_a_decision_on_a_content_that_was_reworked_is_refused(plant: Plant, signed_in: SignIn) -> None:
    version = in_review(plant, signed_in)
    told = {"when": "now", "password": PASSWORD, "seen": "0" * 64}
    answer = signed_in("supervisor").post(f"/versions/{version.pk}/decide/approve/", {"key": "k", **told})
    assert answer.status_code == 409


# --- the API ----------------------------------------------------------------------------------------------------------
def sent(client: Client, url: str, key: str = "k", **told: object) -> tuple[int, dict]:
    answer = client.post(f"/api/v1{url}", json.dumps(told), "application/json", headers={"Idempotency-Key": key})
    return answer.status_code, answer.json()


def test_the_same_life_over_the_api(plant: Plant, signed_in: SignIn) -> None:
    engineer, supervisor = signed_in("engineer"), signed_in("supervisor")
    line = f"/lines/{plant.line.pk}/versions"
    status, told = sent(engineer, line, kind="authority", content={"operator_move": 0.8}, reason="New crew")
    assert (status, told["state"], told["number"]) == (200, "draft", 1)
    assert sent(engineer, line, kind="authority", content={"operator_move": 0.8}, reason="New crew")[1] == told
    one = f"/versions/{told['id']}"
    assert sent(engineer, f"{one}/submit", "k2")[1]["state"] == "in_review"
    detail = supervisor.get(f"/api/v1{one}").json()
    assert detail["difference"] == [
        {"path": "operator_move", "old": 1.0, "new": 0.8, "change": pytest.approx(-0.2),
         "percent": pytest.approx(-20), "faults": []},
    ]  # fmt: skip
    asked = {"seen": detail["sha256"], "when": "now"}
    status, refused = sent(supervisor, f"{one}/approve", "k3", **asked)
    assert (status, refused["code"]) == (403, "signature_needed")
    status, done = sent(supervisor, f"{one}/approve", "k3", password=PASSWORD, **asked)
    assert (status, done["state"]) == (200, "active")
    assert figures.table(plant.line.pk).operator.move == 0.8
    held = supervisor.get(f"/api/v1{line}/at", {"kind": "authority", "when": "2026-01-01T00:00:00Z"}).json()
    assert (held["number"], held["content"]["operator_move"]) == (None, 1.0)
    assert [row["number"] for row in engineer.get(f"/api/v1{line}").json()] == [1]


def test_the_api_names_every_fault(plant: Plant, signed_in: SignIn) -> None:
    told = {"kind": "figures", "content": {"veto_s": 5, "x": 1}, "reason": "r"}
    status, refused = sent(signed_in("engineer"), f"/lines/{plant.line.pk}/versions", **told)
    assert (status, refused["code"]) == (422, "not_valid")
    assert refused["difference"]["faults"] == [
        {"path": "x", "code": "unknown", "than": None}, {"path": "veto_s", "code": "below", "than": 30.0},
    ]  # fmt: skip


def test_a_file_over_the_api_becomes_a_draft(plant: Plant, signed_in: SignIn) -> None:
    form = {"file": SimpleUploadedFile("f.csv", b"veto_s,50"), "kind": "figures", "reason": "From next door"}
    answer = signed_in("engineer").post(
        f"/api/v1/lines/{plant.line.pk}/versions/import", form, headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 200, answer.content
    assert Version.objects.get().state == "draft"


# --- who may ----------------------------------------------------------------------------------------------------------
def pages(plant: Plant, version: Version) -> list[str]:
    line = f"/lines/{plant.line.key}/versions"
    return [
        f"{line}/", f"{line}/figures/new/", f"{line}/authority/new/", f"/versions/{version.pk}/",
        f"/versions/{version.pk}/change/",
        f"/versions/{version.pk}/content.csv", f"/versions/{version.pk}/content.json",
        f"/api/v1/lines/{plant.line.pk}/versions", f"/api/v1/versions/{version.pk}",
        f"/api/v1/lines/{plant.line.pk}/versions/at?kind=figures&when=2026-01-01T00:00:00Z",
    ]  # fmt: skip


PLAIN = ("submit", "discard", "rework", "reject", "recall", "retire")


def writes(plant: Plant, version: Version) -> dict[str, dict[str, object]]:
    line, one = f"/lines/{plant.line.key}/versions/figures", f"/versions/{version.pk}"
    told = {"reason": "Because", "seen": version.sha256, "veto_s": "55", "when": "now"}
    forms = (
        f"{line}/draft/",
        f"{one}/edit/",
        *(f"{one}/decide/{verb}/" for verb in (*PLAIN, "approve", "put_in_force")),
    )
    return {url: {**told, "key": url} for url in forms}


def bodies(plant: Plant, version: Version) -> dict[str, dict[str, object]]:
    one = f"/versions/{version.pk}"
    signed = {"seen": version.sha256, "when": "now", "reason": "Because"}
    return {
        f"/lines/{plant.line.pk}/versions": {"kind": "figures", "content": {"veto_s": 55}, "reason": "Because"},
        f"{one}/edit": {"content": {"veto_s": 55}, "seen": version.sha256, "reason": "Because"},
        f"{one}/approve": signed, f"{one}/put_in_force": signed,
        **{f"{one}/{verb}": {"reason": "Because"} for verb in PLAIN},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["viewer", "operator", "supervisor", "engineer", "admin", "auditor"])
def test_who_sees_the_line_reads_its_versions(plant: Plant, signed_in: SignIn, name: str) -> None:
    version, client = in_review(plant, signed_in), signed_in(name)
    for url in pages(plant, version):
        assert client.get(url).status_code == 200, url


@pytest.mark.parametrize("name", ["outsider", "root"])
def test_for_an_outsider_there_are_none(plant: Plant, signed_in: SignIn, name: str) -> None:
    version, client = in_review(plant, signed_in), signed_in(name)
    for url in pages(plant, version):
        assert client.get(url).status_code == 404, url
    for url, form in writes(plant, version).items():
        assert client.post(url, form).status_code == 404, url
    for url, told in bodies(plant, version).items():
        assert sent(client, url, **told)[0] == 404, url


@pytest.mark.parametrize("name", ["viewer", "operator", "admin", "auditor"])
def test_who_neither_writes_nor_reviews_is_refused_by_every_door(plant: Plant, signed_in: SignIn, name: str) -> None:
    version, client = in_review(plant, signed_in), signed_in(name)
    for url in pages(plant, version)[:5]:
        assert "data-writes" not in client.get(url).content.decode(), url
    for url, form in writes(plant, version).items():
        assert client.post(url, form).status_code == 403, url
    for url, told in bodies(plant, version).items():
        assert sent(client, url, url, **told)[0] == 403, url
    assert Version.objects.get().state == "in_review"


def test_nobody_signed_in_is_sent_to_the_door(plant: Plant, signed_in: SignIn) -> None:
    version = in_review(plant, signed_in)
    for url in pages(plant, version):
        assert Client().get(url).status_code == (401 if url.startswith("/api/") else 302), url
    for url, form in writes(plant, version).items():
        assert Client().post(url, form).status_code == 302, url
        assert signed_in("engineer").get(url).status_code == 405, url


def test_what_there_is_not_is_not_found(plant: Plant, signed_in: SignIn) -> None:
    version, engineer = in_review(plant, signed_in), signed_in("engineer")
    line = f"/lines/{plant.line.key}/versions"
    for url in (f"{line}/nothing/new/", "/versions/999999/", f"/versions/{version.pk}/content.exe"):
        assert engineer.get(url).status_code == 404, url
    assert engineer.post(f"/versions/{version.pk}/decide/activate/", {"key": "k"}).status_code == 404
