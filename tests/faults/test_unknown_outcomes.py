"""Requests and replies that are lost, late, refused or wrong: nothing is done twice, and nothing unknown is guessed."""

from collections import Counter
from random import Random

import pytest

from control.core.lifecycle import State
from control.models import AuditEntry, Change, Lease
from tests.actions.test_writing_to_the_twin import DemoLine
from tests.connectors.plcs import RunningPlc
from tests.faults.one_line import DONE, applied, approved, dispatcher, put_behind
from tests.faulty import BadLine
from tests.trials import SEED, trial

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


def test_a_dispatcher_stopped_past_its_lease_writes_nothing_when_it_wakes(demo):
    """It has read the machine and is about to take the change when another takes the line over and does it all."""
    bad = BadLine(demo.plc.connector, Random(1), {})
    for number in range(5):
        change = approved(demo, number)
        sleeper = dispatcher(demo, f"sleeper {number}", bad.connect)
        sleeper._renew()
        Lease.objects.update(expires_at=None)
        successor = dispatcher(demo, f"successor {number}", bad.connect)
        successor.run_once()
        before = sum(bad.writes.values())
        sleeper.run_once()
        assert sum(bad.writes.values()) == before
        change.refresh_from_db()
        assert (change.state in DONE, len(applied(demo, change))) == (True, 1)
        successor.stop()
        put_behind(demo)
