"""Django admin: roles are given there and recorded; the audit is read there and nothing more."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from control.actions import audit
from control.models import AuditEntry, Change, Grant, SetAside
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
    assert AuditEntry.objects.count() == 1


def test_every_list_of_the_administration_opens(root: Client, change: Change) -> None:
    for name in ("grant", "reasoncode", "causecode", "line", "equipment", "tag", "source", "recipe", "limits", "loop",
                 "change", "estimator", "roll", "product"):  # fmt: skip
        assert root.get(reverse(f"admin:control_{name}_changelist")).status_code == 200, name


def test_a_change_cannot_be_edited_around_the_workflow(root: Client, change: Change) -> None:
    answer = root.post(reverse("admin:control_change_change", args=[change.pk]), {"state": "approved"})
    assert answer.status_code == 403


def test_giving_a_role_is_a_row_of_the_audit(root: Client, plant: Plant) -> None:
    form = {
        "user": plant.person("outsider").pk, "role": "viewer", "line": plant.line.pk,
        "valid_from_0": "2026-01-01", "valid_from_1": "00:00:00",
    }  # fmt: skip
    assert root.post(reverse("admin:control_grant_add"), form).status_code == 302
    grant = Grant.objects.get(user=plant.person("outsider"))
    row = AuditEntry.objects.get(action="grant.give")
    assert (row.object_id, row.actor, row.new["role"]) == (str(grant.pk), plant.person("root"), "viewer")
    assert root.post(reverse("admin:control_grant_delete", args=[grant.pk]), {"post": "yes"}).status_code == 403


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
