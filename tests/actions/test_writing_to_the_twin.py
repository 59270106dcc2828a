"""The whole way on the demo line: the twin's scans come in, a change is approved, the twin takes it, and only once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from control.actions import changes, ingest, plant
from control.core.lifecycle import State
from control.core.types import Expected, Move, Proposal
from control.dispatcher import Dispatcher
from control.models import Change, Loop
from tests.connectors.plcs import RunningPlc
from tests.core.twins import START
from tests.factories import cast, hand

pytestmark = pytest.mark.django_db(transaction=True)
PLANT = Path(__file__).parents[2] / "fixtures" / "plants" / "cathode.toml"


class DemoLine:
    """The twin of the cathode line with its rows in the database."""

    def __init__(self, plc: RunningPlc) -> None:
        self.plc = plc
        self.stored = plant.store(plant.read(PLANT), actor="test", reason="", now=self.now())
        self.people = cast(self.stored.line)
        self.loop = Loop.objects.select_related("equipment").get(equipment__line=self.stored.line, key="loading-top")
        self.link = plc.connector()
        self.since = 0

    def now(self) -> datetime:
        return datetime.fromtimestamp(START + self.plc.steps, UTC)

    def run(self, seconds: int) -> None:
        """Let the twin run and bring in what it says, as the collector does."""
        self.plc.step(seconds)
        raw = ingest.raw()
        known = ingest.known(raw, self.stored.source.pk)
        while scans := self.link.read(self.since):
            self.since = scans[-1].sequence
            ingest.store_batch(raw, known, ingest.batch_of_scans(known, scans), now=self.now())

    def holds(self, tag: str) -> float:
        return self.link.read_back([tag])[tag].value

    def approved(self, tag: str, delta: float) -> Change:
        base, at_s = self.holds(tag), self.now().timestamp()
        expected = Expected("loading/1-top", 20.0, 19.9, 19.9, 19.95, 0.1)
        proposal = Proposal(
            "loading-top", at_s, 1, 10.0, (Move(tag, base, base + delta, ()),), (expected,), (), ((0.33,),)
        )
        change = changes.propose(
            loop=self.loop, proposal=proposal, evidence={}, actor="controller", now=self.now()
        )  # fmt: skip
        by = hand(self.people["operator"], self.now())
        return changes.approve(change.pk, by=by, version=change.version, now=self.now())

    def dispatcher(self, holder: str = "one") -> Dispatcher:
        return Dispatcher(
            self.stored.line.pk, holder, lambda _: self.plc.connector(), clock=self.now, sleep=lambda _: None
        )  # fmt: skip


@pytest.fixture
def demo(tmp_path):
    with RunningPlc(tmp_path) as plc:
        line = DemoLine(plc)
        line.run(30)
        yield line
        line.link.close()


def test_an_approved_change_moves_the_set_point_of_the_twin_once(demo):
    change, base = demo.approved("pump_top", 0.3), demo.holds("pump_top")
    demo.dispatcher().run_once()
    change.refresh_from_db()
    assert (change.state, demo.holds("pump_top")) == (State.APPLIED, pytest.approx(base + 0.3))
    demo.dispatcher().run_once()
    log = demo.plc.hosted.memory.log_path.read_text().splitlines()
    assert len(log) == 1
    assert str(change.command_id) in log[0]


def test_in_local_mode_the_twin_is_not_written_to(demo):
    change, base = demo.approved("pump_top", 0.3), demo.holds("pump_top")
    demo.link.disturb({"kind": "remote_off", "duration_s": 60.0})
    demo.run(2)
    demo.dispatcher().run_once()
    change.refresh_from_db()
    assert (change.state, change.reason) == (State.BLOCKED, "machine_not_ready")
    assert demo.holds("pump_top") == base


def test_a_set_point_typed_at_the_machine_after_the_approval_stops_the_write(demo):
    change = demo.approved("pump_top", 0.3)
    hosted = demo.plc.hosted
    demo.plc.call(lambda: hosted.line.stations["coater"].actuators.set({"pump_top": set_point(hosted) + 0.1}))
    demo.dispatcher().run_once()
    change.refresh_from_db()
    assert (change.state, change.reason) == (State.BLOCKED, "set_point_moved")


def set_point(hosted) -> float:
    return hosted.line.stations["coater"].actuators.set_points["pump_top"]
