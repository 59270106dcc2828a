"""A person's token: shown once, kept as a hash, and worth no more and no longer than its person allows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from control.actions import tokens
from control.actions.errors import Conflict, Invalid, NoPermission, Unsigned
from control.actions.signing import Hand
from control.models import ApiToken, AuditEntry, Signature
from tests import factories
from tests.factories import NOW, Plant, hand

pytestmark = pytest.mark.django_db


@pytest.fixture
def plant() -> Plant:
    return factories.plant()


def made(plant: Plant, **told: object) -> tuple[ApiToken, str]:
    return tokens.make("reports", **{"days": 30, "acts": True, "by": hand(plant.person("operator")), "now": NOW} | told)


def test_its_secret_is_in_no_table(plant: Plant) -> None:
    row, secret = made(plant)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{secret}%"])  # noqa: S608
            assert cursor.fetchone() == (0,), table
    assert tokens.known(secret, NOW) == row


def test_it_is_made_signed_and_recorded(plant: Plant) -> None:
    row, _secret = made(plant)
    signature = Signature.objects.get()
    assert (signature.meaning, signature.method, signature.object_id) == ("make_token", "password", str(row.pk))
    entry = AuditEntry.objects.get(action="token.make")
    assert (entry.actor, entry.new["name"], entry.new["acts"]) == (plant.person("operator"), "reports", True)


def test_without_a_password_none_is_made(plant: Plant) -> None:
    with pytest.raises(Unsigned):
        made(plant, by=Hand(plant.person("operator")))
    assert not ApiToken.objects.exists()
    assert AuditEntry.objects.filter(action="token.make.refused").exists()


def test_nobody_makes_his_own_at_the_screen_of_another(plant: Plant) -> None:
    by = Hand(plant.person("supervisor"), proved_at=NOW, screen_of=plant.person("operator"))
    with pytest.raises(NoPermission) as refusal:
        made(plant, by=by)
    assert refusal.value.code == "own_token"


@pytest.mark.parametrize("days", [0, -1, 366])
def test_it_ends_within_a_year(plant: Plant, days: int) -> None:
    with pytest.raises(Invalid):
        made(plant, days=days)


def test_it_is_worth_nothing_from_its_end_on(plant: Plant) -> None:
    _row, secret = made(plant, days=1)
    assert tokens.known(secret, NOW + timedelta(days=1, seconds=-1))
    assert tokens.known(secret, NOW + timedelta(days=1)) is None


def test_it_ends_when_it_is_revoked_by_its_person_alone(plant: Plant) -> None:
    row, secret = made(plant)
    with pytest.raises(Conflict):
        tokens.revoke(row.pk, actor=plant.person("supervisor"), now=NOW)
    assert tokens.known(secret, NOW)
    tokens.revoke(row.pk, actor=plant.person("operator"), now=NOW)
    assert tokens.known(secret, NOW) is None
    with pytest.raises(Conflict):
        tokens.revoke(row.pk, actor=plant.person("operator"), now=NOW)
    told = AuditEntry.objects.filter(action="token.revoke").values_list("actor", flat=True)
    assert list(told) == [plant.person("operator").pk]


@pytest.mark.parametrize("end", [{"is_active": False}, {"password": "another"}], ids=["disabled", "password"])
def test_it_ends_with_the_account_or_the_password_it_was_made_under(plant: Plant, end: dict[str, object]) -> None:
    _row, secret = made(plant)
    type(plant.person("operator")).objects.filter(pk=plant.person("operator").pk).update(**end)
    assert tokens.known(secret, NOW) is None


def test_no_other_secret_is_known(plant: Plant) -> None:
    row, secret = made(plant)
    for other in ("", "apc_", secret[:-1], secret.upper(), row.token_sha256):
        assert tokens.known(other, NOW) is None


def test_when_it_was_used_is_known_within_five_minutes(plant: Plant) -> None:
    row, secret = made(plant)
    for seconds, known in ((0, 0), (299, 0), (301, 301)):
        tokens.known(secret, NOW + timedelta(seconds=seconds))
        assert ApiToken.objects.get(pk=row.pk).used_at == NOW + timedelta(seconds=known)
