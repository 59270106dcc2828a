"""Roles are given by site, area or line, between two dates; everything else is denied."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser

from control.actions.authority import Right, decides, may, roles, visible_lines
from control.models import Grant
from tests.factories import LONG_AGO, NOW, grant, plant, user

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_a_role_on_a_line_says_nothing_of_another_line():
    one = plant("cathode-1")
    other = plant("cathode-2", area=one.area)
    operator = one.person("operator")
    assert roles(operator, one.line, NOW) == {"operator"}
    assert roles(operator, other.line, NOW) == frozenset()
    assert list(visible_lines(operator, NOW)) == [one.line]


@pytest.mark.parametrize("scope", ["site", "area", "line"])
def test_a_role_reaches_down_from_its_scope(scope):
    made, person = plant(), user("newcomer")
    grant(person, "supervisor", **{scope: getattr(made, scope)})
    assert roles(person, made.line, NOW) == {"supervisor"}
    assert list(visible_lines(person, NOW)) == [made.line]


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "in_force"),
    [
        (LONG_AGO, None, True),
        (NOW, NOW + DAY, True),
        (NOW + timedelta(microseconds=1), None, False),
        (LONG_AGO, NOW, False),
    ],
    ids=["open", "from now", "from tomorrow", "until now"],
)
def test_a_role_holds_from_its_first_moment_until_before_its_last(valid_from, valid_to, in_force):
    made, person = plant(), user("newcomer")
    grant(person, "operator", line=made.line, valid_from=valid_from, valid_to=valid_to)
    assert may(person, Right.DECIDE, made.line, NOW) is in_force


def test_a_superuser_has_no_right_on_a_line_by_being_one():
    made = plant()
    assert not any(may(made.person("root"), right, made.line, NOW) for right in Right)


def test_who_is_not_signed_in_may_nothing():
    made = plant()
    assert not any(may(AnonymousUser(), right, made.line, NOW) for right in Right)
    assert not visible_lines(AnonymousUser(), NOW)


RIGHTS = {
    "viewer": {"view"},
    "operator": {"view", "propose", "decide", "hold", "answer_signal", "record_event"},
    "supervisor": {
        "view", "view_shadow", "propose", "decide", "hold", "answer_signal", "record_event", "release", "set_mode",
        "resolve", "review", "audit",
    },
    "engineer": {"view", "view_shadow", "hold", "answer_signal", "record_event", "configure", "review", "audit"},
    "admin": {"view", "audit"},
    "auditor": {"view", "view_shadow", "audit"},
    "outsider": set(),
}  # fmt: skip


@pytest.mark.parametrize("who", RIGHTS)
def test_each_role_may_exactly_what_the_table_says(who):
    made = plant()
    assert {right for right in Right if may(made.person(who), right, made.line, NOW)} == RIGHTS[who]


def test_every_role_there_is_has_a_row():
    assert set(Grant.Role.values) == RIGHTS.keys() - {"outsider"}


@pytest.mark.parametrize(
    ("held", "needs", "enough"),
    [
        ({"operator"}, "operator", True),
        ({"operator"}, "supervisor", False),
        ({"supervisor"}, "operator", True),
        ({"operator", "supervisor"}, "supervisor", True),
        ({"engineer", "admin"}, "operator", False),
        ({"supervisor"}, "nobody", False),
    ],
)
def test_the_ladder_of_those_who_approve(held, needs, enough):
    assert decides(frozenset(held), needs) is enough
