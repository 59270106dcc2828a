"""A signature given at a screen: by whoever is signed in there, or by somebody who comes and gives his password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from control.models import AuditEntry, Change, Signature
from tests.dashboards.conftest import PASSWORD
from tests.factories import Plant

SignIn = Callable[[str], Client]
WithPassword = Callable[[str], User]


@pytest.fixture
def large(change: Change, signed_in: SignIn) -> Change:
    """A change that waits for a supervisor."""
    form = {"verb": "ask_supervisor", "key": "up", "version": change.version}
    signed_in("operator").post(f"/changes/{change.pk}/decide/", form)
    change.refresh_from_db()
    return change


def approve(client: Client, change: Change, **more: object) -> int:
    form = {"verb": "approve", "key": "k", "version": change.version, **more}
    return client.post(f"/changes/{change.pk}/decide/", form).status_code


def state_of(change: Change) -> str:
    return Change.objects.get(pk=change.pk).state


def test_a_supervisor_signs_at_the_operators_screen_and_the_operator_stays_signed_in(
    large: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    screen, supervisor = signed_in("operator"), with_password("supervisor")
    screen.cookies["apc_station_name"] = "coater%20desk"
    told = {"signer": supervisor.username, "password": PASSWORD, "reason": "the lot is heavy"}
    assert approve(screen, large, **told) == 302
    row = Signature.objects.get()
    assert (row.user, row.screen_of.username.partition("@")[0], row.method) == (supervisor, "operator", "password")
    assert (row.meaning, row.reason, row.station) == ("approve_beyond", "the lot is heavy", "coater desk")
    large.refresh_from_db()
    assert (large.state, large.decided_by) == ("approved", supervisor)
    assert AuditEntry.objects.get(action="change.approve").actor == supervisor
    assert "operator@" in screen.get("/inbox/").content.decode()


def test_an_operators_own_approval_is_signed_by_being_signed_in(change: Change, signed_in: SignIn) -> None:
    assert approve(signed_in("operator"), change) == 302
    row = Signature.objects.get()
    assert (row.method, row.meaning, row.screen_of) == ("session", "approve", None)


def test_a_supervisor_who_is_signed_in_is_asked_all_the_same(large: Change, signed_in: SignIn) -> None:
    client = signed_in("supervisor")
    answer = client.post(
        f"/changes/{large.pk}/decide/", {"verb": "approve", "key": "k", "version": large.version, "back": "/inbox/"}
    )
    page = answer.content.decode()
    assert answer.status_code == 403
    assert 'name="password"' in page
    assert f'name="version" value="{large.version}"' in page
    assert "beyond the operator" in page
    assert state_of(large) == "pending_supervisor"


def test_the_page_that_asks_sends_the_same_form_again_and_its_key_still_serves(
    large: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("supervisor")
    client = signed_in("supervisor")
    assert [approve(client, large), approve(client, large, password=PASSWORD)] == [403, 302]
    assert state_of(large) == "approved"


def test_ones_own_password_holds_for_five_minutes(
    large: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("supervisor")
    client = signed_in("supervisor")
    assert client.post("/sign/", {"password": PASSWORD}).status_code == 204
    session = client.session
    session["proved_at"] = (timezone.now() - timedelta(seconds=310)).isoformat()
    session.save()
    assert approve(client, large) == 403
    assert client.post("/sign/", {"password": PASSWORD}).status_code == 204
    assert approve(client, large, key="later") == 302


def test_nobody_signs_by_what_somebody_else_proved_at_this_screen(
    large: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("operator")
    supervisor, screen = with_password("supervisor"), signed_in("operator")
    assert screen.post("/sign/", {"signer": supervisor.username, "password": PASSWORD}).status_code == 204
    assert approve(screen, large, signer=supervisor.username) == 403
    assert screen.post("/sign/", {"password": PASSWORD}).status_code == 204
    assert approve(screen, large, signer=supervisor.username, key="k2") == 403
    assert state_of(large) == "pending_supervisor"


def test_an_operator_who_signs_for_himself_stays_an_operator(
    large: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("operator")
    assert approve(signed_in("operator"), large, password=PASSWORD) == 403
    assert not Signature.objects.exists()


def test_who_signs_must_see_the_line_himself(large: Change, signed_in: SignIn, with_password: WithPassword) -> None:
    outsider = with_password("outsider")
    assert approve(signed_in("operator"), large, signer=outsider.username, password=PASSWORD) == 404


def test_a_wrong_password_is_said_and_the_form_kept(
    large: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("supervisor")
    told = {"verb": "approve", "key": "k", "version": large.version, "password": "wrong", "reason": "because"}
    page = signed_in("supervisor").post(f"/changes/{large.pk}/decide/", told).content.decode()
    assert "do not match" in page
    assert 'value="because"' in page
    assert "wrong" not in page.replace("Wrong", "").partition("<form")[2]


def test_five_wrong_passwords_lock_and_hold_works_all_the_same(
    plant: Plant, large: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    with_password("supervisor")
    client = signed_in("supervisor")
    answers = [client.post("/sign/", {"password": "wrong"}).json()["code"] for _ in range(6)]
    assert answers == 5 * ["wrong_password"] + ["locked_out"]
    assert "5 minutes" in client.post("/sign/", {"password": PASSWORD}).json()["words"]
    assert approve(client, large, password=PASSWORD) == 403
    assert client.get("/inbox/").status_code == 200
    assert client.post(f"/lines/{plant.line.key}/hold/").status_code == 302
    assert plant.line.holds.filter(ended_at__isnull=True).exists()


def test_a_lock_shuts_the_front_door_and_the_administrations_too(plant: Plant, with_password: WithPassword) -> None:
    root = with_password("root")
    wrong, right = ({"username": root.username, "password": word} for word in ("wrong", PASSWORD))
    client = Client()
    for _ in range(5):
        client.post("/accounts/login/", wrong)
    assert "looked at again" in client.post("/accounts/login/", right).content.decode()
    assert client.post("/admin/login/", right).status_code == 200
    assert "_auth_user_id" not in client.session
    assert client.post("/accounts/login/", right, REMOTE_ADDR="10.9.8.7").status_code == 302


def test_a_password_is_in_no_answer_and_no_row(large: Change, signed_in: SignIn, with_password: WithPassword) -> None:
    with_password("supervisor")
    client = signed_in("supervisor")
    approve(client, large, password=PASSWORD)
    page = client.get(f"/changes/{large.pk}/").content.decode()
    told = str([*AuditEntry.objects.values(), *Signature.objects.values(), dict(client.session)])
    assert PASSWORD not in page + told


def test_the_change_shows_who_signed_and_what_it_meant(
    large: Change, signed_in: SignIn, with_password: WithPassword
) -> None:
    supervisor, screen = with_password("supervisor"), signed_in("operator")
    approve(screen, large, signer=supervisor.username, password=PASSWORD)
    page = screen.get(f"/changes/{large.pk}/").content.decode()
    assert "I approve this move, beyond the operator" in page
    assert "password asked again · at the screen of operator@" in page
    assert Signature.objects.get().content_sha256[:12] in page


@pytest.mark.parametrize(("name", "alone"), [("operator", False), ("supervisor", True)])
def test_the_button_says_what_it_means_and_whether_somebody_else_must_sign(
    large: Change, signed_in: SignIn, name: str, alone: bool
) -> None:
    page = signed_in(name).get(f"/changes/{large.pk}/").content.decode()
    assert 'data-sign="I approve this move, beyond the operator' in page
    assert ('data-signer=""' not in page) == alone


def test_the_name_of_a_station_is_kept_in_its_browser(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("operator")
    client.post("/station/", {"name": "코터 \x7fdesk; 2", "next": "/"})
    assert "코터 desk; 2" in client.get("/").content.decode()
    client.post("/station/", {"theme": "night"})
    assert "코터 desk; 2" in client.get("/").content.decode()


def test_nothing_is_checked_where_no_password_was_given(large: Change, signed_in: SignIn) -> None:
    client = signed_in("supervisor")
    assert client.post("/sign/").json()["code"] == "signature_needed"
    assert client.post("/api/v1/sign", "{}", content_type="application/json").status_code == 403


def test_ones_own_password_is_changed_at_the_same_door(
    plant: Plant, signed_in: SignIn, with_password: WithPassword
) -> None:
    person, new = with_password("supervisor"), "another long enough one"
    client, elsewhere = signed_in("supervisor"), signed_in("supervisor")
    form = {"new_password1": new, "new_password2": new}
    pages = [client.post("/accounts/password/", form | {"old_password": "wrong"}).content.decode() for _ in range(6)]
    assert "do not match" in pages[0]
    assert "looked at again" in pages[5]
    told = form | {"old_password": PASSWORD}
    assert client.post("/accounts/password/", told, REMOTE_ADDR="10.9.8.7").status_code == 302
    assert AuditEntry.objects.get(action="user.own_password").actor == person
    assert client.get("/inbox/").status_code == 200
    assert elsewhere.get("/inbox/").status_code == 302


def test_nobody_is_sent_a_password_by_mail_nor_changes_it_by_another_door(plant: Plant, signed_in: SignIn) -> None:
    assert Client().get("/accounts/password_reset/").status_code == 404
    assert signed_in("root").get("/admin/password_change/").headers["Location"] == "/accounts/password/"
