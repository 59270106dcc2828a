"""Two who decide at once, in real threads on a real database: one wins, the other reads who and when."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F

from control.actions import audit, changes, idempotency, tending
from control.actions.errors import Conflict, Refused
from control.core.lifecycle import State
from control.models import Answer, AuditEntry, Change
from tests.factories import NOW, Plant, hand, offered, plant, reason_code, snapshot
from tests.trials import rounds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each of them gave, or the refusal it met, all let go at the same moment."""
    start = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            start.wait(10)
            return act()
        except Refused as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def approving(line: Plant, change: Change, who: str) -> Callable[[], object]:
    return lambda: changes.approve(change.pk, by=hand(line.person(who)), version=change.version, now=NOW)


def end(change: Change) -> None:
    """Make room for the next race without counting in the shift's sum, nor among its calls."""
    Change.objects.filter(pk=change.pk).update(state=State.EXPIRED, proposed_at=F("proposed_at") - timedelta(days=1))


@pytest.mark.parametrize("races", rounds(20, 1000))
def test_of_two_approvers_one_wins_and_the_other_reads_who_and_when(line, races):
    for _ in range(races):
        change = offered(line)
        answers = at_once(approving(line, change, "operator"), approving(line, change, "operator2"))
        lost = [answer for answer in answers if isinstance(answer, Refused)]
        won = [answer for answer in answers if isinstance(answer, Change)]
        assert (len(won), len(lost)) == (1, 1)
        assert isinstance(lost[0], Conflict)
        assert lost[0].difference["by"] == won[0].decided_by.username
        assert lost[0].difference["since"] == NOW.isoformat()
        end(change)
    assert AuditEntry.objects.filter(action="change.approve").count() == races
    assert AuditEntry.objects.filter(action="change.approve.refused").count() == races
    assert audit.verify().ok


@pytest.mark.parametrize("races", rounds(10, 200))
def test_of_one_who_approves_and_one_who_rejects_one_wins(line, races):
    reason_code()
    for _ in range(races):
        change = offered(line, pump_top=60.3)
        told = {"version": change.version, "code": "wrong_direction", "now": NOW}
        reject = lambda: changes.reject(change.pk, actor=line.person("operator2"), **told)  # noqa: B023, E731
        answers = at_once(approving(line, change, "operator"), reject)
        assert sum(isinstance(answer, Conflict) for answer in answers) == 1
        end(change)


@pytest.mark.parametrize("races", rounds(1, 100))
def test_of_twenty_approvers_one_wins(line, races):
    people = [User.objects.create(username=f"operator {number}") for number in range(20)]
    for person in people:
        line.line.area.site.grant_set.create(user=person, role="operator", valid_from=NOW)
    for _ in range(races):
        change = offered(line)
        told = {"version": change.version, "now": NOW}
        answers = at_once(*(lambda who=who: changes.approve(change.pk, by=hand(who), **told) for who in people))  # noqa: B023
        assert sum(isinstance(answer, Change) for answer in answers) == 1
        assert sum(isinstance(answer, Conflict) for answer in answers) == 19
        end(change)


@pytest.mark.parametrize("races", rounds(10, 200))
def test_what_expires_in_the_very_moment_is_not_approved(line, races):
    for _ in range(races):
        change = offered(line)
        Change.objects.filter(pk=change.pk).update(expires_at=NOW)
        at_once(lambda: tending.expire_due(NOW), approving(line, change, "operator"))
        assert Change.objects.get(pk=change.pk).state == State.EXPIRED
        end(change)


def test_the_same_request_twice_at_once_has_one_effect(line):
    change = offered(line)
    operator = line.person("operator")

    def post() -> object:
        return idempotency.once(
            user=operator, key="k1", body=b"approve", now=NOW,
            act=lambda: {"state": str(approving(line, change, "operator")().state)},
        )  # fmt: skip

    answers = at_once(post, post)
    given = [answer for answer in answers if isinstance(answer, idempotency.Answered)]
    assert all(answer.answer == {"state": "approved"} for answer in given)
    assert sum(not answer.again for answer in given) == 1
    assert all(answer.code == "in_progress" for answer in answers if isinstance(answer, Refused))
    assert AuditEntry.objects.filter(action="change.approve").count() == Answer.objects.count() == 1
