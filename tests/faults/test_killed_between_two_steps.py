"""Killed (-9) before and after every step that lasts, from the approval to the read-back: it is done once."""

import os
import signal
import threading
from random import Random

import pytest

from control.actions import audit, changes, leases, writing
from control.connectors.twin import TwinConnector
from control.core.lifecycle import State
from control.dispatcher import Connect
from control.models import Change
from tests.actions.test_writing_to_the_twin import DemoLine
from tests.connectors.plcs import RunningPlc
from tests.factories import hand
from tests.faults.one_line import (
    DONE,
    applied,
    approved,
    dispatcher,
    dying,
    in_a_process,
    let_the_lease_run_out,
    put_behind,
)
from tests.faulty import BadLine
from tests.trials import SEED, trial

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = [
    (leases, "take"),
    (TwinConnector, "open"),
    (writing, "take"),
    (TwinConnector, "write"),
    (TwinConnector, "read_back"),
    (writing, "confirm"),
]
LAST_STEPS = [(writing, "adopt"), (writing, "fail"), (writing, "lose")]  # of a write that did not go well
SHARES = {"lost_request": 0.2, "lost_reply": 0.2, "late": 0.2, "refused": 0.1}


@pytest.fixture
def demo(tmp_path):
    with RunningPlc(tmp_path) as plc:
        line = DemoLine(plc)
        line.run(30)
        yield line
        line.link.close()


def connect(demo: DemoLine):
    return lambda _equipment: demo.plc.connector()


def killed_at(demo: DemoLine, of: object, name: str, when: str, line: Connect | None = None) -> int:
    def work() -> None:
        writer = dispatcher(demo, "doomed", line or connect(demo))
        dying(of, name, when)
        writer.run_once()

    return in_a_process(work)


def test_a_dispatcher_killed_before_or_after_any_step_leaves_a_change_that_is_done_once(demo):
    points = [(of, name, when) for of, name in STEPS for when in ("before", "after")]
    for number, (of, name, when) in enumerate(points):
        change = approved(demo, number)
        assert killed_at(demo, of, name, when) == signal.SIGKILL, (name, when)
        let_the_lease_run_out()
        if number % 2:  # whoever takes over may be killed at that, too
            killed_at(demo, writing, "adopt", "after")
            let_the_lease_run_out()
        successor = dispatcher(demo, f"successor {number}", connect(demo))
        successor.run_once()
        successor.stop()
        change.refresh_from_db()
        assert (change.state, len(applied(demo, change))) == (State.APPLIED, 1), (name, when)
        put_behind(demo)
    assert audit.verify().ok


@pytest.mark.parametrize("course", [(3, 4), trial((300, SEED), "trial")], ids=str)
def test_killed_at_any_step_on_a_bad_line_too_nothing_is_doubled_or_guessed(demo, course):
    """One dispatcher after the other dies at some step, while requests and replies are lost, late or refused."""
    count, seed = course
    chance = Random(seed)
    points = [(of, name, when) for of, name in (*STEPS, *LAST_STEPS) for when in ("before", "after")]
    for number in range(count):
        change = approved(demo, number)
        for _ in range(chance.randint(1, 3)):
            bad = BadLine(demo.plc.connector, Random(chance.random()), SHARES)
            killed_at(demo, *chance.choice(points), line=bad.connect)
            let_the_lease_run_out()
        successor = dispatcher(demo, f"successor {number}", connect(demo))
        successor.run_once()
        successor.stop()
        settled(demo, change)
        put_behind(demo)
    assert audit.verify().ok


def settled(demo: DemoLine, change: Change) -> str:
    """How it ended, which is what the machine did by its own log; unless it is called unconfirmed."""
    change.refresh_from_db()
    times = len(applied(demo, change))
    assert change.state in (*DONE, State.UNCONFIRMED, State.WRITE_FAILED)
    assert times <= 1
    assert times == (change.state in DONE) or change.state == State.UNCONFIRMED
    return change.state


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_approval_killed_at_its_commit_is_made_whole_or_not_at_all(demo, when):
    change = waiting(demo)

    def work() -> None:
        dying(audit, "_append", when)
        approve(demo, change)

    assert in_a_process(work) == signal.SIGKILL
    change.refresh_from_db()
    assert change.state == (State.APPROVED if when == "after" else State.PENDING_OPERATOR)
    assert audit.verify().ok


def waiting(demo: DemoLine) -> Change:
    """A change that waits for its operator: approved in the end by whoever is killed at it."""
    told = changes.approve
    try:
        changes.approve = lambda pk, **_told: Change.objects.get(pk=pk)
        return approved(demo, 0)
    finally:
        changes.approve = told


def approve(demo: DemoLine, change: Change) -> None:
    by = hand(demo.people["operator"], demo.now())
    changes.approve(change.pk, by=by, version=change.version, now=demo.now())


@pytest.mark.parametrize("course", [(8, 3), trial((1000, SEED), "trial")], ids=str)
def test_killed_at_any_moment_while_many_are_approved_nothing_is_lost_doubled_or_guessed(demo, course):
    count, seed = course
    chance, ends = Random(seed), []
    for number in range(count):
        change = approved(demo, number)
        for attempt in range(4):
            doomed = lambda: stopped_after(chance.uniform(0.0, 0.08), demo, number, attempt)  # noqa: B023, E731
            if in_a_process(doomed) == 0:
                break
            let_the_lease_run_out()
        let_the_lease_run_out()
        successor = dispatcher(demo, f"successor {number}", connect(demo))
        successor.run_once()
        successor.stop()
        ends.append(settled(demo, change))
        put_behind(demo)
    assert ends.count(State.UNCONFIRMED) <= 0.01 * count
    assert audit.verify().ok


def stopped_after(seconds: float, demo: DemoLine, number: int, attempt: int) -> None:
    """A dispatcher that is killed so long after it began."""
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
    writer = dispatcher(demo, f"doomed {number} {attempt}", connect(demo))
    writer.run_once()
