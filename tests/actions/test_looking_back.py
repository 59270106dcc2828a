"""Recommendations that were not followed are scored by the foil that was made without them."""

from datetime import timedelta

import pytest

from control.actions import changes
from control.core.lifecycle import State
from control.core.types import MeasuredBy
from control.models import AuditEntry, Change, Snapshot
from control.queries import loops as queries
from tests.factories import NOW, Plant, alive, offered, plant, point, reason_code, snapshot

pytestmark = pytest.mark.django_db
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
DUE = NOW + 30 * SECOND + 2 * MINUTE + 2 * MINUTE  # settled, watched, and through the gauge


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def rejected(line: Plant, *, stood: float | None, lanes=(1, 2, 3, 4), by=MeasuredBy.GAUGE) -> Change:
    """A change that would have brought every lane from 19.88 up by 0.33; without it they stood at ``stood``."""
    reason_code()
    change = offered(line, pump_top=61.0)
    told = {"version": change.version, "code": "wrong_direction", "now": NOW}
    changes.reject(change.pk, actor=line.person("operator"), **told)
    if stood is not None:
        measured(line, NOW, stood, lanes, by)
    return change


def measured(line: Plant, since, stood: float, lanes=(1, 2, 3, 4), by=MeasuredBy.GAUGE, **held: float) -> None:
    stands(line, since, **held)
    for lane in lanes:
        for seconds in range(35, 150, 20):
            point(line, f"loading/{lane}-top", since + seconds * SECOND, stood, by=by)


def stands(line: Plant, since, **held: float) -> None:
    """Where the machine stands in the window that is looked at."""
    Snapshot.objects.filter(at__gt=since).delete()
    for seconds in (40, 90, 140):
        snapshot(line, since + seconds * SECOND, **held)


def after(change: Change, now=DUE) -> Change:
    alive(change.loop.equipment, now)
    changes.tend(now)
    change.refresh_from_db()
    return change


@pytest.mark.parametrize(
    ("stood", "verdict"),
    [
        (19.60, "would_have_helped"),
        (19.84, "no_difference"),
        (20.0, "would_have_harmed"),
        (20.3, "would_have_harmed"),
    ],
)
def test_a_rejection_is_held_against_what_was_measured_instead(line, stood, verdict):
    change = after(rejected(line, stood=stood))
    assert (change.state, change.hindsight["verdict"]) == (State.REJECTED, verdict)
    assert change.hindsight["streams"][0]["stood"] == pytest.approx(stood)
    assert change.hindsight["streams"][0]["forgone"] == pytest.approx(0.33)


def test_nothing_is_said_before_the_foil_has_passed_the_gauge(line):
    change = rejected(line, stood=19.6)
    assert after(change, DUE - SECOND).hindsight is None


def test_it_is_said_once_and_recorded(line):
    change = after(rejected(line, stood=19.6))
    first = change.hindsight
    measured(line, NOW, 25.0)
    assert after(change, DUE + MINUTE).hindsight == first
    assert AuditEntry.objects.filter(action="change.hindsight").count() == 1
    assert change.version == Change.objects.get().version


def test_what_expired_is_looked_back_on_from_its_end(line):
    change = offered(line, pump_top=61.0)
    ended = change.expires_at
    measured(line, ended, 19.6)
    assert after(change, ended).state == State.EXPIRED
    assert after(change, ended + (DUE - NOW)).hindsight["verdict"] == "would_have_helped"


def test_predictions_are_no_proof(line):
    assert after(rejected(line, stood=19.6, by=MeasuredBy.PREDICTION)).hindsight is None


def test_what_is_never_measured_is_said_to_be_unknown(line):
    change = rejected(line, stood=19.6, lanes=(1,))
    assert after(change, DUE + 29 * MINUTE).hindsight is None
    assert after(change, DUE + 30 * MINUTE).hindsight == {"measured": False}


def test_what_somebody_set_by_hand_instead_counts(line):
    change = rejected(line, stood=20.0)
    stands(line, NOW, pump_top=61.0)  # he set the very same himself
    found = after(change).hindsight
    assert (found["verdict"], found["streams"][0]["forgone"]) == ("no_difference", pytest.approx(0.0))


def test_while_nobody_knows_where_the_machine_stood_nothing_is_said(line):
    change = rejected(line, stood=19.6)
    Snapshot.objects.filter(at__gt=NOW).delete()
    assert after(change).hindsight is None
    assert after(change, DUE + 30 * MINUTE).hindsight == {"measured": False}


@pytest.mark.parametrize(("stood", "verdict"), [(19.7, "would_have_helped"), (20.3, "would_have_harmed")])
def test_what_a_person_changed_is_held_against_his_own_values(line, stood, verdict):
    first = offered(line, pump_top=61.5)
    told = {"version": first.version, "values": {"pump_top": 60.3}, "now": NOW}
    edit = changes.edit(first.pk, actor=line.person("operator"), **told)
    Change.objects.filter(pk=edit.pk).update(state=State.VERIFYING, applied_at=NOW + MINUTE)
    measured(line, NOW + MINUTE, stood, pump_top=60.3)
    first.refresh_from_db()
    assert after(first, DUE + MINUTE - SECOND).hindsight is None
    found = after(first, DUE + MINUTE).hindsight
    assert (found["verdict"], found["streams"][0]["forgone"]) == (verdict, pytest.approx(0.33 * 1.2))


@pytest.mark.parametrize("state", [State.SUPERSEDED, State.WITHDRAWN, State.BLOCKED])
def test_what_was_not_refused_is_not_looked_back_on(line, state):
    change = rejected(line, stood=19.6)
    Change.objects.update(state=state)
    assert after(change).hindsight is None


def test_the_record_of_a_loop_counts_what_became_of_its_recommendations(line):
    after(rejected(line, stood=19.6))
    row = Change.objects.get()
    for state in (State.EFFECTIVE, State.EFFECTIVE, State.VERIFYING, State.EXPIRED, State.SUPERSEDED, State.SUPERSEDED):
        row.pk, row.state, row.hindsight = None, state, None
        row.save(force_insert=True)
    row.pk, row.author, row.state, row.supersedes_id = None, line.person("operator"), State.EFFECTIVE, row.pk
    row.save(force_insert=True)
    found = queries.record(line.loop, NOW - MINUTE)
    assert [(fate.outcome, fate.number, fate.verdicts) for fate in found] == [
        (State.APPLIED, 3, {"effective": 2}), (State.REJECTED, 1, {"would_have_helped": 1}), (State.EXPIRED, 1, {}),
        ("edited", 1, {}),
    ]  # fmt: skip
    assert [fate.number for fate in queries.record(line.loop, NOW)] == [0, 0, 0, 0]
