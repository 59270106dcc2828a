"""Requests and replies that are lost, late, refused or wrong: nothing is done twice, and nothing unknown is guessed."""

from collections import Counter
from datetime import datetime, timedelta
from random import Random

import pytest

from control.connectors.base import Ack, Reading, WriteCommand
from control.connectors.twin import TwinConnector
from control.core.lifecycle import State
from control.dispatcher import Dispatcher
from control.models import AuditEntry, Change
from tests.actions.test_writing_to_the_twin import DemoLine, set_point
from tests.connectors.plcs import RunningPlc
from tests.faults.one_line import (
    DONE,
    TAG,
    Waiting,
    applied,
    approved,
    dispatcher,
    let_the_lease_run_out,
    put_behind,
    stopped_at,
)
from tests.faulty import BadLine
from tests.trials import SEED, rounds, trial

pytestmark = pytest.mark.django_db(transaction=True)
SHARES = {"lost_request": 0.1, "lost_reply": 0.1, "late": 0.1, "refused": 0.1, "wrong_read_back": 0.1, "frozen": 0.1}
SAID = {"refused": State.WRITE_FAILED, "wrong_read_back": State.WRITE_FAILED, "": State.APPLIED}


@pytest.fixture
def demo(tmp_path):
    with RunningPlc(tmp_path) as plc:
        line = DemoLine(plc)
        line.run(30)
        yield line
        line.link.close()


@pytest.mark.parametrize("course", [(12, 7), trial((500, SEED), "trial")], ids=str)
@pytest.mark.parametrize("keeps", [True, False], ids=["machine keeps ids", "machine keeps none"])
def test_a_bad_line_doubles_nothing_and_what_is_unknown_is_called_so(demo, keeps, course):
    count, seed = course
    bad = BadLine(demo.plc.connector, Random(seed), SHARES, keeps_command_ids=keeps)
    writer, ends = dispatcher(demo, "one", bad.connect), Counter()
    for number in range(count):
        change = approved(demo, number)
        writer.run_once()
        change.refresh_from_db()
        ends[check(demo, bad, change)] += 1
        bad.heal()
        put_behind(demo)
    writer.stop()
    assert ends[State.APPLIED] >= count // 4, ends
    assert all(writes == 1 for writes in bad.writes.values()) or keeps


def check(demo: DemoLine, bad: BadLine, change: Change) -> str:
    """What was said of the change against what the machine did, by its own log."""
    times, met = len(applied(demo, change)), bad.met[str(change.command_id)]
    assert times <= 1
    assert change.state in (State.APPLIED, State.WRITE_FAILED, State.UNCONFIRMED)
    if change.state == State.APPLIED:
        assert times == 1
    if met == "refused":
        assert times == 0
    assert change.state == SAID.get(met, change.state), met
    if change.state == State.UNCONFIRMED:
        assert AuditEntry.objects.filter(action="change.lose", object_id=str(change.pk)).count() == 1
        assert change.moves.get().in_flight
    return change.state


@pytest.mark.parametrize("times", rounds(2, 200))
def test_a_dispatcher_stopped_past_its_lease_writes_nothing_when_it_wakes(demo, times):
    """It has read the machine and is about to take the change when another takes the line over and does it all."""
    bad = BadLine(demo.plc.connector, Random(1), {})
    for number in range(times):
        change = approved(demo, number)
        sleeper = dispatcher(demo, f"sleeper {number}", bad.connect)
        sleeper._renew()
        let_the_lease_run_out()
        successor = dispatcher(demo, f"successor {number}", bad.connect)
        successor.run_once()
        before = sum(bad.writes.values())
        sleeper.run_once()
        assert sum(bad.writes.values()) == before
        change.refresh_from_db()
        assert (change.state in DONE, len(applied(demo, change))) == (True, 1)
        successor.stop()
        put_behind(demo)


@pytest.mark.parametrize("times", rounds(2, 200))
def test_a_dispatcher_stopped_with_its_command_in_hand_changes_nothing_when_it_goes_on(demo, times):
    """The process stands still before its first byte; another does the change, somebody goes on by hand, it wakes."""
    for number in range(times):
        change = approved(demo, number)
        zombie = dispatcher(demo, f"zombie {number}", lambda _: demo.plc.connector())
        with stopped_at(TwinConnector, "write", zombie.run_once):
            let_the_lease_run_out()
            successor = dispatcher(demo, f"successor {number}", lambda _: demo.plc.connector())
            successor.run_once()
            successor.stop()
            set_by_hand(demo, set_point(demo.plc.hosted) + 0.05)
            held = demo.holds(TAG)
        change.refresh_from_db()
        assert (change.state, len(applied(demo, change)), demo.holds(TAG)) == (State.APPLIED, 1, held)
        put_behind(demo)


@pytest.mark.parametrize("course", [(2, 3), trial((200, SEED), "trial-200")], ids=str)
def test_a_set_point_moved_by_hand_after_the_approval_is_left_alone(demo, course):
    times, seed = course
    chance = Random(seed)
    for number in range(times):
        change = approved(demo, number)
        set_by_hand(demo, set_point(demo.plc.hosted) + chance.choice((-1, 1)) * chance.uniform(0.05, 1.0))
        held = demo.holds(TAG)
        writer = dispatcher(demo, f"one {number}", lambda _: demo.plc.connector())
        writer.run_once()
        writer.stop()
        change.refresh_from_db()
        assert (change.state, change.reason) == (State.BLOCKED, "set_point_moved")
        assert (applied(demo, change), demo.holds(TAG)) == ([], held)
        set_by_hand(demo, 62.0)
        put_behind(demo)


@pytest.mark.parametrize("course", [(6, 4), trial((200, SEED), "trial-200")], ids=str)
def test_nothing_reaches_a_slow_machine_after_its_expiry(demo, course):
    """Each look at the machine takes a while, and the change expires at some moment of that."""
    times, seed = course
    chance, ends = Random(seed), Counter()
    for number in range(times):
        change = approved(demo, number)
        slow = SlowLine(demo, chance)
        Change.objects.filter(pk=change.pk).update(expires_at=demo.now() + timedelta(seconds=chance.uniform(0.0, 6.0)))
        slow.writer(f"one {number}").run_once()
        change.refresh_from_db()
        for at in slow.written:
            assert at < change.expires_at + timedelta(seconds=1)
        assert len(applied(demo, change)) == len(slow.written) == (change.state in DONE)
        ends[change.state] += 1
        let_the_lease_run_out()
        put_behind(demo)
    assert {State.APPLIED, State.EXPIRED} <= set(ends), ends


class SlowLine:
    """Reading takes up to a second and a half by the dispatcher's clock; when a command came is written down."""

    def __init__(self, demo: DemoLine, chance: Random) -> None:
        self.demo, self.chance, self.waiting = demo, chance, Waiting()
        self.written: list[datetime] = []

    def now(self) -> datetime:
        return self.demo.now() + timedelta(seconds=self.waiting.elapsed)

    def writer(self, holder: str) -> Dispatcher:
        time = {"clock": self.now, "sleep": self.waiting.sleep, "timer": self.waiting.timer}
        return Dispatcher(self.demo.stored.line.pk, holder, self.connect, **time)

    def connect(self, _equipment: object) -> TwinConnector:
        link = self.demo.plc.connector()
        read, write = link.read_back, link.write

        def slow(tags: list[str]) -> dict[str, Reading]:
            self.waiting.sleep(self.chance.uniform(0.0, 1.5))
            return read(tags)

        def noted(command: WriteCommand) -> Ack:
            self.written.append(self.now())
            return write(command)

        link.read_back, link.write = slow, noted
        return link


def set_by_hand(demo: DemoLine, value: float) -> None:
    """Somebody turns the knob at the machine, and the next scans show it."""
    demo.plc.call(lambda: demo.plc.hosted.line.stations["coater"].actuators.set({TAG: value}))
