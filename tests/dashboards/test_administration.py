"""Django admin: roles are given there and recorded; the audit is read there and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from control.actions import audit
from control.demo.people import KEPT_BY_ADMINS
from control.models import AuditEntry, Change, Grant, SetAside, Signature
from tests.dashboards.conftest import PASSWORD
from tests.factories import Plant


@pytest.fixture
def root(plant: Plant) -> Client:
    client = Client()
    client.force_login(plant.person("root"))
    return client


def test_the_audit_is_read_only_for_everybody(root: Client, plant: Plant) -> None:
    with audit.atomic():
        audit.record(actor="test", action="line.hold", obj=plant.line, now=timezone.now(), line=plant.line)
    listing = reverse("admin:control_auditentry_changelist")
    assert root.get(listing, {"q": "line.hold"}).status_code == 200
    assert root.get(reverse("admin:control_auditentry_add")).status_code == 403
    assert root.get(reverse("admin:control_auditentry_change", args=[1])).status_code == 200
    assert root.post(reverse("admin:control_auditentry_change", args=[1]), {"reason": "x"}).status_code == 403
    assert root.post(reverse("admin:control_auditentry_delete", args=[1]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": ["1"], "post": "yes"}
    root.post(listing, chosen)
    assert AuditEntry.objects.exclude(action="request.refused").count() == 1


def test_every_list_of_the_administration_opens(root: Client, change: Change) -> None:
    for name in ("grant", "reasoncode", "causecode", "actioncode", "line", "equipment", "tag", "source", "recipe",
                 "limits", "loop", "change", "estimator", "roll", "product"):  # fmt: skip
        assert root.get(reverse(f"admin:control_{name}_changelist")).status_code == 200, name


def test_a_change_cannot_be_edited_around_the_workflow(root: Client, change: Change) -> None:
    answer = root.post(reverse("admin:control_change_change", args=[change.pk]), {"state": "approved"})
    assert answer.status_code == 403


def role_form(person: User, plant: Plant, **more: Any) -> dict[str, Any]:
    return {
        "user": person.pk, "role": "viewer", "line": plant.line.pk, "reason": "starts today", "password": PASSWORD,
        "valid_from_0": "2026-01-01", "valid_from_1": "00:00:00",
    } | more  # fmt: skip


@pytest.fixture
def signing_root(plant: Plant, with_password: Callable[[str], User]) -> Client:
    client = Client()
    client.force_login(with_password("root"))
    return client


def test_a_role_is_given_and_ended_signed(signing_root: Client, plant: Plant) -> None:
    outsider, adding = plant.person("outsider"), reverse("admin:control_grant_add")
    assert signing_root.post(adding, role_form(outsider, plant)).status_code == 302
    grant = Grant.objects.get(user=outsider)
    row = AuditEntry.objects.get(action="grant.give")
    assert (row.object_id, row.actor, row.new["role"]) == (str(grant.pk), plant.person("root"), "viewer")
    changing = reverse("admin:control_grant_change", args=[grant.pk])
    assert signing_root.get(changing).status_code == 200
    ends = {"valid_to_0": "2026-01-01", "valid_to_1": "00:00:00", "reason": "has left", "password": PASSWORD}
    assert signing_root.post(changing, ends | {"role": "supervisor"}).status_code == 302
    grant.refresh_from_db()
    assert (grant.role, grant.valid_to is not None) == ("viewer", True)
    assert [one.meaning for one in Signature.objects.order_by("pk")] == ["give_role", "end_role"]
    deleting = reverse("admin:control_grant_delete", args=[grant.pk])
    assert signing_root.post(deleting, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("more", "words"),
    [({"password": "wrong"}, "do not match"), ({"password": ""}, "required"), ({"reason": ""}, "required"),
     ({"line": ""}, "one of them")],
)  # fmt: skip
def test_an_unsigned_role_is_not_given_and_the_form_says_why(
    signing_root: Client, plant: Plant, more: dict[str, str], words: str
) -> None:
    outsider = plant.person("outsider")
    page = signing_root.post(reverse("admin:control_grant_add"), role_form(outsider, plant, **more))
    assert words in page.content.decode()
    assert not Grant.objects.filter(user=outsider).exists()


def test_nobody_gives_himself_a_role_here_either_and_that_is_recorded(signing_root: Client, plant: Plant) -> None:
    answer = signing_root.post(reverse("admin:control_grant_add"), role_form(plant.person("root"), plant))
    assert "Nobody gives a role to himself" in answer.content.decode()
    assert AuditEntry.objects.get(action="grant.give.refused").new["code"] == "own_role"


def test_wrong_passwords_here_are_counted_too(signing_root: Client, plant: Plant) -> None:
    url, form = reverse("admin:control_grant_add"), role_form(plant.person("outsider"), plant)
    for _ in range(5):
        signing_root.post(url, form | {"password": "wrong"})
    assert "Too many wrong passwords" in signing_root.post(url, form).content.decode()


def test_who_keeps_accounts_sets_no_password_of_somebody_who_acts(keeper: Client, root: Client, plant: Plant) -> None:
    new = {"password1": "long-enough-7731", "password2": "long-enough-7731", "usable_password": "true"}
    for person, answers in ((plant.person("supervisor"), (403, 302)), (plant.person("viewer"), (302, 302))):
        url = reverse("admin:auth_user_password_change", args=[person.pk])
        assert tuple(client.post(url, new | {"set-password": "1"}).status_code for client in (keeper, root)) == answers
    for client, name in ((keeper, "keeper"), (root, plant.person("root").username)):
        own = reverse("admin:auth_user_password_change", args=[User.objects.get(username=name).pk])
        assert client.post(own, new | {"set-password": "1"}).status_code == 403


def test_rows_that_were_set_aside_are_found_and_read_and_nothing_more(root: Client, plant: Plant) -> None:
    row = SetAside.objects.create(
        source=plant.source, received_at=timezone.now(), kind="snapshot", row="{}", reason="unknown_tag",
        detail="pump_topp is not a tag of coater", fingerprint="f",
    )  # fmt: skip
    listing = reverse("admin:control_setaside_changelist")
    assert "pump_topp" in root.get(listing, {"q": "unknown_tag"}).content.decode()
    assert "pump_topp" not in root.get(listing, {"q": "wrong_unit"}).content.decode()
    assert root.get(reverse("admin:control_setaside_change", args=[row.pk])).status_code == 200
    assert root.post(reverse("admin:control_setaside_change", args=[row.pk]), {"reason": "x"}).status_code == 403
    assert root.post(reverse("admin:control_setaside_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


@pytest.fixture
def keeper(plant: Plant) -> Client:
    """Somebody who keeps accounts, names and codes, and may do nothing else."""
    person = User.objects.create_user("keeper", password="x", is_staff=True)
    kept = [f"{verb}_{what}" for verb in ("add", "change", "view", "delete") for what in KEPT_BY_ADMINS]
    person.user_permissions.set(Permission.objects.filter(codename__in=kept))
    client = Client()
    client.force_login(person)
    return client


def account_form(person: User, **more: Any) -> dict[str, Any]:
    """What a browser sends of an account's page, which also says what the instant on it was."""
    joined = person.date_joined
    parts = {"date_joined_0": joined.date().isoformat(), "date_joined_1": joined.time().isoformat("seconds")}
    shown = {f"initial-{name}": value for name, value in parts.items()}
    return {"username": person.username, "is_active": "on"} | parts | shown | more


def test_who_keeps_accounts_cannot_raise_anybody_himself_included(keeper: Client, plant: Plant) -> None:
    person, group = User.objects.get(username="keeper"), Group.objects.create(name="Mighty")
    wish = {"is_superuser": "on", "is_staff": "on", "groups": [group.pk],
            "user_permissions": [Permission.objects.get(codename="delete_user").pk]}  # fmt: skip
    before = set(person.user_permissions.all())
    url = reverse("admin:auth_user_change", args=[person.pk])
    assert keeper.post(url, account_form(person, first_name="Kim", **wish)).status_code == 302
    person.refresh_from_db()
    assert (person.first_name, person.is_superuser, person.groups.count()) == ("Kim", False, 0)
    assert set(person.user_permissions.all()) == before


def test_the_account_of_a_superuser_is_edited_by_superusers_only(keeper: Client, root: Client, plant: Plant) -> None:
    other, new = plant.person("root"), {"password1": "long-enough-7731", "password2": "long-enough-7731"}
    for name in ("change", "password_change"):
        form = account_form(other, first_name="X") | new | {"usable_password": "true"}
        assert keeper.post(reverse(f"admin:auth_user_{name}", args=[other.pk]), form).status_code == 403
    deleting = reverse("admin:auth_user_delete", args=[other.pk])
    assert keeper.post(deleting, {"post": "yes"}).status_code == 403
    change = reverse("admin:auth_user_change", args=[other.pk])
    assert root.post(change, account_form(other, first_name="X", is_superuser="on", is_staff="on")).status_code == 302


def test_what_is_done_to_an_account_is_recorded_without_its_password(keeper: Client, plant: Plant) -> None:
    secret = {"password1": "long-enough-7731", "password2": "long-enough-7731", "usable_password": "true"}
    assert keeper.post(reverse("admin:auth_user_add"), {"username": "lee"} | secret).status_code == 302
    lee = User.objects.get(username="lee")
    keeper.post(reverse("admin:auth_user_change", args=[lee.pk]), account_form(lee, first_name="Lee"))
    again = {"password1": "other-enough-7731", "password2": "other-enough-7731", "usable_password": "true"}
    password = reverse("admin:auth_user_password_change", args=[lee.pk])
    assert keeper.get(password).status_code == 200
    assert keeper.post(password, again | {"password2": "mistyped"}).status_code == 200
    assert keeper.post(password, again | {"set-password": "1"}).status_code == 302
    rows = list(AuditEntry.objects.filter(object_type="user", object_id=str(lee.pk)).order_by("number"))
    assert [row.action for row in rows] == ["user.add", "user.change", "user.password"]
    assert rows[1].new == {"username": "lee", "fields": ["first_name"]}
    assert {row.actor_name for row in rows} == {"keeper"}
    lee.refresh_from_db()
    told = str([(row.old, row.new, row.reason) for row in rows])
    assert "enough" not in told
    assert lee.password not in told


def group_rows() -> list[tuple[str, Any, Any]]:
    return list(
        AuditEntry.objects.filter(object_type="group").order_by("number").values_list("action", "old", "new")
    )  # fmt: skip


def test_what_a_group_may_do_is_recorded_as_it_was_and_is_and_so_is_its_end(root: Client) -> None:
    may = Permission.objects.get(codename="delete_user")
    assert root.post(reverse("admin:auth_group_add"), {"name": "Keepers"}).status_code == 302
    group, bare = Group.objects.get(name="Keepers"), {"name": "Keepers", "permissions": []}
    change = reverse("admin:auth_group_change", args=[group.pk])
    assert root.post(change, {"name": "Keepers", "permissions": [may.pk]}).status_code == 302
    chosen = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    assert root.post(reverse("admin:auth_group_changelist"), chosen).status_code == 302
    mighty = {"name": "Keepers", "permissions": ["auth.delete_user"]}
    assert group_rows() == [("group.add", None, bare), ("group.change", bare, mighty), ("group.delete", mighty, None)]
    assert not Group.objects.filter(pk=group.pk).exists()


def test_a_group_is_changed_by_superusers_only(keeper: Client, plant: Plant) -> None:
    group, person = Group.objects.create(name="Keepers"), User.objects.get(username="keeper")
    person.user_permissions.add(*Permission.objects.filter(content_type__model="group"))
    wish = {"name": "Keepers", "permissions": [Permission.objects.get(codename="delete_user").pk]}
    assert keeper.post(reverse("admin:auth_group_change", args=[group.pk]), wish).status_code == 403
    assert keeper.post(reverse("admin:auth_group_add"), wish | {"name": "Others"}).status_code == 403
    assert keeper.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"}).status_code == 403
    assert keeper.get(reverse("admin:auth_group_change", args=[group.pk])).status_code == 200
    assert (group.permissions.count(), Group.objects.filter(name="Others").exists()) == (0, False)


def test_the_end_of_an_account_is_recorded(root: Client) -> None:
    person = User.objects.create_user("lee", first_name="Lee")
    assert root.post(reverse("admin:auth_user_delete", args=[person.pk]), {"post": "yes"}).status_code == 302
    row = AuditEntry.objects.get(action="user.delete")
    assert (row.object_id, row.old, row.new) == (str(person.pk), {"username": "lee"}, None)


def test_a_corrected_name_and_a_changed_code_are_recorded_as_they_were_and_are(keeper: Client, plant: Plant) -> None:
    old = plant.line.name
    url = reverse("admin:control_line_change", args=[plant.line.pk])
    form = {"name": "Line, corrected", "name_ko": plant.line.name_ko, "area": plant.line.area_id}
    assert keeper.post(url, form).status_code == 302
    assert keeper.post(url, form).status_code == 302
    row = AuditEntry.objects.get(action="name.change")
    assert (row.old, row.new, row.line_id) == ({"name": old}, {"name": "Line, corrected"}, plant.line.pk)
    code = {"key": "felt_odd", "name": "Felt odd", "is_active": "on"}
    assert keeper.post(reverse("admin:control_reasoncode_add"), code).status_code == 302
    assert AuditEntry.objects.get(action="code.add").new["key"] == "felt_odd"


def test_an_account_is_not_changed_when_the_audit_cannot_be_written(
    keeper: Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_told: Any) -> None:
        raise RuntimeError("no audit")

    person, new = plant.person("viewer"), {"password1": "long-enough-7731", "password2": "long-enough-7731"}
    monkeypatch.setattr(audit, "record", broken)
    with pytest.raises(RuntimeError):
        keeper.post(
            reverse("admin:auth_user_password_change", args=[person.pk]),
            new | {"usable_password": "true", "set-password": "1"},
        )
    assert User.objects.get(pk=person.pk).password == "!"
