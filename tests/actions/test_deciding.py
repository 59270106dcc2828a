"""What a decider may do with a change, and what stops him."""

from datetime import timedelta

import pytest

from control.actions import changes, loops
from control.actions.errors import Conflict, Expired, Invalid, NoPermission, NotFound, Refused, Stale
from control.core.lifecycle import State
from control.models import AuditEntry, Change, Equipment, Limits, Loop, Recipe, Tag
from tests.factories import NOW, LONG_AGO, Plant, make_recipe, plant, point, proposal, reason_code, snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def offered(line: Plant, **to: float) -> Change:
    change = changes.propose(loop=line.loop, proposal=proposal(**to), evidence={}, actor="controller", now=NOW)
    assert change is not None
    return change


def approve(line: Plant, change: Change, who: str = "operator", *, version: int | None = None, now=NOW) -> Change:
    return changes.approve(change.pk, actor=line.person(who), version=version or change.version, now=now)


def test_a_small_move_is_put_before_the_operator_who_approves_it(line):
    change = offered(line)
    assert (change.state, change.needs) == (State.PENDING_OPERATOR, "operator")
    approved = approve(line, change)
    approved.refresh_from_db()
    assert (approved.state, approved.decided_by) == (State.APPROVED, line.person("operator"))
    assert [row.action for row in AuditEntry.objects.order_by("number")] == [
        "change.propose",
        "change.offer",
        "change.approve",
    ]
