"""Whose hand it is: passwords are proved at one door, guessing ends, and what is signed says by whom and how."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from control.actions import audit, loops, signing
from control.actions.errors import NoPermission, Unsigned
from control.actions.signing import Hand
from control.actions.situation import on_hold
from control.core.vm.estimator import content_hash
from control.models import AuditEntry, Guesses, Signature
from tests.factories import NOW, Plant, hand, plant, user

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PASSWORD, HERE, THERE = "a long enough one", "10.0.0.1", "10.0.0.2"
pytestmark = pytest.mark.django_db


@pytest.fixture
def kim() -> User:
    person = user("kim", first_name="Kim", last_name="Jiwoo")
    person.set_password(PASSWORD)
    person.save()
    return person


def proved(password: str = PASSWORD, *, name: str = "kim", address: str = HERE, now=NOW) -> User:
    return signing.prove(name, password, address=address, now=now)


def refused(**told: object) -> NoPermission:
    with pytest.raises(NoPermission) as caught:
        proved(**{"password": "wrong", **told})
    return caught.value


def signed(by: Hand, *, now=NOW, password: bool = True, line: Plant | None = None) -> Signature:
    with audit.atomic():
        told = {"meaning": "approve", "content": {"id": 12, "to": 60.3}, "reason": "looks right", "line": 7}
        return signing.sign(("change", 12), by=by, now=now, password=password, **told)


def test_a_signature_tells_who_when_what_why_where_and_how(kim):
    other = user("lee")
    row = signed(Hand(kim, station="coater desk", address=HERE, proved_at=NOW, screen_of=other))
    row.refresh_from_db()
    assert (row.user, row.printed_name, row.at, row.meaning, row.reason) == (
        kim, "Kim Jiwoo", NOW, "approve", "looks right",
    )  # fmt: skip
    assert (row.station, row.address, row.method, row.screen_of) == ("coater desk", HERE, "password", other)
    assert (row.object_type, row.object_id, row.line_id) == ("change", "12", 7)
    assert row.content_sha256 == content_hash({"to": 60.3, "id": 12})


def test_it_is_chained_with_all_it_says(kim):
    row = signed(Hand(kim, proved_at=NOW))
    entry = AuditEntry.objects.get(action="signature.give")
    assert (entry.object_id, entry.actor, entry.line_id) == (str(row.pk), kim, 7)
    assert (entry.new["content_sha256"], entry.new["of"]) == (row.content_sha256, "change:12")
    assert audit.verify().ok


def test_being_signed_in_does_not_sign_what_takes_a_password(kim):
    with pytest.raises(Unsigned):
        signed(Hand(kim))
    assert signed(Hand(kim), password=False).method == "session"


def test_a_password_holds_for_five_minutes(kim):
    early = Hand(kim, proved_at=NOW)
    assert signed(early, now=NOW + 300 * SECOND).method == "password"
    with pytest.raises(Unsigned):
        signed(early, now=NOW + 301 * SECOND)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE control_signature SET meaning = 'x'",
        "DELETE FROM control_signature",
        "TRUNCATE control_signature",
    ],
)
def test_the_database_itself_keeps_signatures(kim, statement):
    signed(Hand(kim, proved_at=NOW))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; {statement}")


def test_the_right_password_proves_its_owner_and_counts_against_nobody(kim):
    for _ in range(30):
        assert proved() == kim
    assert not Guesses.objects.filter(failures__gt=0).exists()


def test_a_name_typed_with_full_width_letters_is_the_same_name(kim):
    assert proved(name="ｋｉｍ") == kim


def test_five_wrong_passwords_lock_that_name_there_for_five_minutes(kim):
    assert [refused().code for _ in range(6)] == 5 * ["wrong_password"] + ["locked_out"]
    assert refused(password=PASSWORD).difference == {"until": (NOW + 5 * MINUTE).isoformat()}
    assert proved(address=THERE) == kim
    assert refused(name="lee").code == "wrong_password"
    assert proved(now=NOW + 5 * MINUTE) == kim


def test_right_passwords_that_are_just_being_looked_at_lock_nothing(kim):
    """Of five at once at one desk one is mistyped: that one alone counts. A sixth waits for them."""
    right = [signing._Tries(hashlib.sha256(b"kim").hexdigest(), HERE, NOW) for _ in range(4)]
    assert [one.begin() for one in right] == 4 * [None]
    assert refused().code == "wrong_password"
    assert refused(password=PASSWORD).difference == {"until": (NOW + signing.A_LOOK).isoformat()}
    for one in right:
        one.take_back()
    assert proved() == kim
    assert set(Guesses.objects.values_list("failures", "wrong", "locked_until")) == {(1, 1, None)}
    assert [refused().code for _ in range(5)] == 4 * ["wrong_password"] + ["locked_out"]


def test_wrong_passwords_that_lie_far_apart_lock_nothing(kim):
    for minutes in range(0, 30, 2):
        assert refused(now=NOW + minutes * MINUTE).code == "wrong_password"


def test_twenty_wrong_ones_from_anywhere_lock_the_name_everywhere(kim):
    codes = [refused(address=f"10.0.1.{number // 4}").code for number in range(21)]
    assert codes == 20 * ["wrong_password"] + ["locked_out"]
    assert refused(password=PASSWORD, address=THERE).code == "locked_out"
    assert proved(now=NOW + 15 * MINUTE) == kim


def test_a_lock_leaves_hold_alone():
    line = plant()
    operator = line.person("operator")
    for _ in range(6):
        refused(name=operator.username)
    loops.hold(line.line, actor=operator, now=NOW)
    assert on_hold(line.loop)


def test_a_disabled_account_proves_nothing(kim):
    User.objects.filter(pk=kim.pk).update(is_active=False)
    assert refused(password=PASSWORD).code == "wrong_password"


def test_a_name_that_nobody_has_takes_the_same_steps(kim, monkeypatch, django_assert_num_queries):
    hashed = []
    for hasher in hashers.get_hashers():
        encode = type(hasher).encode
        monkeypatch.setattr(
            type(hasher), "encode", lambda self, *told, encode=encode: hashed.append(1) or encode(self, *told)
        )
    refused()
    first = len(hashed)
    refused(name="nobody")
    assert (first, len(hashed)) == (1, 2)
    assert [refused(name="nobody").code for _ in range(5)][-1] == "locked_out"


def test_every_wrong_password_is_recorded_with_where_it_was_typed(kim):
    for _ in range(5):
        refused()
    rows = list(AuditEntry.objects.filter(action="password.refused").order_by("number"))
    assert {(row.object_type, row.object_id, row.new["address"]) for row in rows} == {("user", str(kim.pk), HERE)}
    assert [row.new["until"] is None for row in rows] == [True, True, True, True, False]
    assert "wrong" not in str([row.new for row in rows]).replace("wrong_password", "")


def test_a_scanner_does_not_fill_the_audit(kim):
    for number in range(40):
        refused(name=f"guess {number}")
        refused(name="kim")
    rows = AuditEntry.objects.filter(action="password.refused")
    assert rows.filter(object_type="address").count() == 1
    assert rows.filter(object_type="user").count() == 5
    refused(name="guess", now=NOW + MINUTE)
    assert rows.filter(object_type="address").count() == 2


def test_what_is_typed_as_a_name_is_not_kept(kim):
    refused(name="my secret password")
    told = [*AuditEntry.objects.values_list("actor_name", "object_id", "new", "reason"), *Guesses.objects.values_list()]
    assert "secret" not in str(told)


def test_old_counts_are_forgotten(kim):
    refused(name="somebody")
    refused(now=NOW + timedelta(days=2))
    assert Guesses.objects.count() == 2


def test_a_hand_of_the_tests_is_proved():
    assert hand(user("lee")).proved(NOW)
