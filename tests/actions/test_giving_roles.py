"""Roles are given and ended by an administrator of all they reach, signed, and by nobody to himself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from control.actions import audit, authority, grants
from control.actions.errors import Conflict, Invalid, NoPermission, Refused, Unsigned
from control.actions.signing import Hand
from control.models import AuditEntry, Grant, Signature
from tests.factories import NOW, Plant, grant, hand, plant, user

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def line() -> Plant:
    return plant()


@pytest.fixture
def lee() -> User:
    return user("lee")


def give(line: Plant, to: User, role: str = "operator", *, who: str = "admin", **told: Any) -> Grant:
    scope, by = told.pop("scope", line.line), told.pop("by", None) or hand(line.person(who))
    return grants.give(to, role, scope, **{"by": by, "now": NOW, "reason": "starts today"} | told)


def end(line: Plant, given: Grant, **told: Any) -> Grant:
    return grants.end(given, **{"by": hand(line.person("admin")), "now": NOW, "reason": "has left"} | told)


def test_a_role_is_given_signed_and_recorded(line, lee):
    given = give(line, lee, "supervisor", valid_to=NOW + DAY)
    assert authority.roles(lee, line.line, NOW) == {"supervisor"}
    assert authority.roles(lee, line.line, NOW + DAY) == frozenset()
    row = Signature.objects.get()
    assert (row.user, row.meaning, row.object_type, row.object_id) == (
        line.person("admin"), "give_role", "grant", str(given.pk),
    )  # fmt: skip
    entry = AuditEntry.objects.get(action="grant.give")
    assert (entry.new["role"], entry.new["user_id"], entry.line_id) == ("supervisor", lee.pk, line.line.pk)


def test_being_signed_in_does_not_give_a_role(line, lee):
    with pytest.raises(Unsigned):
        give(line, lee, by=Hand(line.person("admin")))
    assert not lee.grants.exists()
    assert AuditEntry.objects.get().action == "grant.give.refused"


@pytest.mark.parametrize("who", ["operator", "supervisor", "engineer", "viewer", "auditor", "outsider"])
def test_only_an_administrator_gives_roles(line, lee, who):
    with pytest.raises(NoPermission):
        give(line, lee, "viewer", who=who)


@pytest.mark.parametrize("who", ["admin", "root"])
def test_nobody_gives_a_role_to_himself(line, who):
    with pytest.raises(NoPermission) as caught:
        give(line, line.person(who), "supervisor", who=who)
    assert caught.value.code == "own_role"


def test_an_administrator_of_a_line_gives_nothing_beyond_it(line, lee):
    for scope in (line.area, line.site, plant("cathode-2", area=line.area).line):
        with pytest.raises(NoPermission):
            give(line, lee, scope=scope)
    grant(line.person("admin"), "admin", site=line.site)
    assert give(line, lee, scope=line.site).site == line.site


def test_a_superuser_gives_the_first_role_of_all(line, lee):
    assert give(line, lee, "admin", who="root", scope=line.site).role == "admin"


@pytest.mark.parametrize("action", grants.KNOWING)
def test_who_knows_the_password_of_an_account_puts_nobody_in_place_who_decides(line, lee, action):
    with audit.atomic():
        audit.record(actor=line.person("admin"), action=action, obj=lee, now=NOW)
    for role in ("operator", "supervisor", "engineer", "admin"):
        with pytest.raises(NoPermission) as caught:
            give(line, lee, role)
        assert caught.value.code == "knows_password"
    assert give(line, lee, "viewer").role == "viewer"
    second = user("second")
    grant(second, "admin", line=line.line)
    assert give(line, lee, by=hand(second)).role == "operator"


@pytest.mark.parametrize(("who", "fits"), [("admin", False), ("root", True)])
def test_the_password_of_somebody_who_acts_is_set_by_a_superuser_only(line, lee, who, fits):
    keeper = line.person(who)
    assert grants.may_set_password(keeper, line.person("supervisor"), NOW) is fits
    assert grants.may_set_password(keeper, line.person("viewer"), NOW)
    assert grants.may_set_password(keeper, lee, NOW)
    assert not grants.may_set_password(keeper, keeper, NOW)
    give(line, lee, "operator", valid_from=NOW + DAY)
    assert grants.may_set_password(keeper, lee, NOW) is fits


def test_a_role_never_begins_in_the_past(line, lee):
    assert give(line, lee, valid_from=NOW - DAY).valid_from == NOW


@pytest.mark.parametrize(
    ("told", "code"),
    [({"role": "king"}, "no_role"), ({"valid_to": NOW}, "ends_before"), ({"reason": " "}, "reason_needed")],
)
def test_what_cannot_be_meant_is_not_given(line, lee, told, code):
    with pytest.raises(Invalid) as caught:
        give(line, lee, **told)
    assert caught.value.code == code


def test_a_role_is_ended_signed_and_at_once(line, lee):
    given = give(line, lee)
    end(line, given)
    assert authority.roles(lee, line.line, NOW) == frozenset()
    assert AuditEntry.objects.get(action="grant.end").old["valid_to"] is None
    assert Signature.objects.filter(meaning="end_role").count() == 1
    with pytest.raises(Conflict):
        end(line, given)


def test_an_end_comes_sooner_never_later(line, lee):
    given = give(line, lee, valid_to=NOW + 2 * DAY)
    with pytest.raises(Conflict):
        end(line, given, at=NOW + 3 * DAY)
    assert end(line, given, at=NOW + DAY).valid_to == NOW + DAY


def test_an_administrator_sees_the_roles_on_what_he_administers(line, lee):
    far = plant("cathode-2", area=line.area)
    own = grants.administered(line.person("admin"), NOW)
    assert {row.line for row in own} == {line.line}
    grant(line.person("admin"), "admin", area=line.area)
    assert {row.line for row in own.all()} >= {line.line, far.line}
    assert not grants.administered(line.person("supervisor"), NOW).exists()


def test_every_refusal_is_recorded(line, lee):
    with pytest.raises(Refused):
        give(line, lee, who="operator")
    assert AuditEntry.objects.get(action="grant.give.refused").object_id == str(lee.pk)
