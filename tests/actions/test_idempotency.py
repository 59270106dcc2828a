"""The same write request sent again has no second effect and gets the same answer."""

import pytest

from control.actions import audit
from control.actions.errors import Conflict, Invalid
from control.actions.idempotency import Answered, once
from control.models import Answer, AuditEntry, Line
from tests.factories import NOW, plant, user

pytestmark = pytest.mark.django_db


def ask(who, act, key="k1", body=b"{}"):
    return once(user=who, key=key, body=body, now=NOW, act=act)


def never():
    raise AssertionError("done twice")


def test_the_second_time_the_stored_answer_is_given():
    who = user("kim")
    assert ask(who, lambda: {"state": "approved"}) == Answered(200, {"state": "approved"})
    assert ask(who, never) == Answered(200, {"state": "approved"}, again=True)


def test_a_refusal_is_an_answer_too_and_its_audit_row_stays():
    made = plant()
    who = made.person("operator")

    def act():
        with audit.attempt(actor=who, action="thing.move", obj=("thing", 1), now=NOW):
            Line.objects.update(name="changed")
            raise Conflict("overtaken", "Somebody was first.", {"by": "lee"})

    expected = {"code": "overtaken", "detail": "Somebody was first.", "difference": {"by": "lee"}}
    assert ask(who, act) == Answered(409, expected)
    assert ask(who, never) == Answered(409, expected, again=True)
    assert AuditEntry.objects.get().action == "thing.move.refused"
    assert Line.objects.get().name != "changed"


def test_another_body_under_the_same_key_is_refused():
    who = user("kim")
    ask(who, dict, body=b"one")
    with pytest.raises(Invalid):
        ask(who, never, body=b"other")


def test_keys_are_each_users_own():
    ask(user("kim"), dict)
    assert not ask(user("lee"), dict).again


def test_what_broke_down_may_be_tried_again():
    who = user("kim")
    with pytest.raises(ZeroDivisionError):
        ask(who, lambda: {"never": 1 / 0})
    assert not Answer.objects.exists()
    assert not ask(who, dict).again


@pytest.mark.parametrize("key", ["", "k" * 81])
def test_a_key_has_one_to_eighty_characters(key):
    with pytest.raises(Invalid):
        ask(user("kim"), never, key=key)
