"""An approved change reaches the machine at most once, and what is not known is called unconfirmed."""

from datetime import timedelta

import pytest

from control.actions import changes, leases, loops, writing
from control.actions.errors import Conflict, NoPermission
from control.core.exchange import WriteCommand
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import MeasuredBy, Quality
from control.dispatcher import WRITE_S, Dispatcher
from control.models import AuditEntry, Change, Grant, Lease, Loop, SetPointMove, Tag
from tests.factories import NOW, Plant, approved, hand, make_loop, offered, plant, point, snapshot
from tests.machine import Machine, Time

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def machine(time) -> Machine:
    return Machine(time)


def dispatcher(line: Plant, machine: Machine, holder: str = "one") -> Dispatcher:
    time = machine.time
    return Dispatcher(
        line.line.pk, holder, machine.connect, clock=time.now, sleep=time.sleep, timer=time.timer
    )  # fmt: skip


def now_is(change: Change) -> str:
    change.refresh_from_db()
    return change.state


def told(change: Change) -> dict:
    """The new values of the last audit row of the change."""
    return AuditEntry.objects.filter(object_type="change", object_id=str(change.pk)).order_by("-number")[0].new


def test_an_approved_change_is_taken_written_once_read_back_and_applied(line, machine):
    change = approved(line, pump_top=60.3, bolt_top_1=502.0, bolt_top_2=498.0)
    dispatcher(line, machine).run_once()
    assert now_is(change) == State.APPLIED
    assert machine.applied == [
        (str(change.command_id), 1, {"pump_top": 60.3, "bolt_top_1": 502.0, "bolt_top_2": 498.0})
    ]
    assert [row.read_back for row in change.moves.all()] == [60.3, 502.0, 498.0]
    assert not SetPointMove.objects.filter(in_flight=True).exists()
    line.loop.refresh_from_db()
    assert line.loop.last_move_at == change.taken_at == NOW


def test_nothing_is_written_that_was_not_approved(line, machine):
    offered(line)
    dispatcher(line, machine).run_once()
    assert not machine.sent


def test_taking_is_durable_before_the_first_byte_leaves(line, machine, monkeypatch):
    change = approved(line)
    seen = []
    decide = machine.decide
    monkeypatch.setattr(machine, "decide", lambda *told: (seen.append(now_is(change)), decide(*told))[1])
    dispatcher(line, machine).run_once()
    assert seen == [State.WRITING]


def test_a_second_look_writes_nothing_more(line, machine):
    change = approved(line)
    writer = dispatcher(line, machine)
    writer.run_once()
    writer.run_once()
    assert now_is(change) == State.APPLIED
    assert len(machine.sent) == 1


# --- gates ------------------------------------------------------------------------------------------------------------
def _hold(line, machine):
    return loops.hold(line.line, actor=line.person("operator"), now=NOW)


def _expire(line, machine):
    machine.time.elapsed = 600.0


def _revoke(line, machine):
    Grant.objects.filter(user=line.person("operator")).update(valid_to=NOW)


def _retire(line, machine):
    operator = line.person("operator")
    operator.is_active = False
    operator.save()


def _leave_the_mode(line, machine):
    Loop.objects.update(actual_mode=Mode.ADVISORY)


def _local_mode(line, machine):
    machine.status["remote_mode"] = 0.0


def _doubt_the_mode(line, machine):
    machine.doubtful.add("remote_mode")


def _leave_out_the_interlock(line, machine):
    Tag.objects.create(
        equipment=line.coater, slot=99, key="interlock_ok", name="Interlock", kind="status", unit="", low=0, high=1
    )


def _set_by_hand(line, machine):
    machine.set_points["pump_top"] = 60.1


def _narrow_the_machine(line, machine):
    Tag.objects.filter(key="pump_top").update(machine_high=60.1)


def _go_stale(line, machine):
    machine.time.elapsed = 11.0


def _go_bad(line, machine):
    snapshot(line, NOW + timedelta(milliseconds=1), bad=("pump_top",))
    machine.time.elapsed = 0.001


def _doubt_a_prediction(line, machine):
    point(line, "loading/2-top", NOW, 19.9, by=MeasuredBy.PREDICTION, quality=Quality.DOUBTFUL)


@pytest.mark.parametrize(
    ("happening", "state", "code"),
    [
        (_expire, State.EXPIRED, "expired"),
        (_revoke, State.BLOCKED, "approver_lost_permission"),
        (_retire, State.BLOCKED, "approver_lost_permission"),
        (_leave_the_mode, State.BLOCKED, "mode_does_not_write"),
        (_local_mode, State.BLOCKED, "machine_not_ready"),
        (_doubt_the_mode, State.BLOCKED, "machine_not_ready"),
        (_leave_out_the_interlock, State.BLOCKED, "machine_not_ready"),
        (_set_by_hand, State.BLOCKED, "set_point_moved"),
        (_narrow_the_machine, State.BLOCKED, "approver_lost_permission"),
        (_go_stale, State.BLOCKED, "changed_since"),
        (_go_bad, State.BLOCKED, "changed_since"),
        (_doubt_a_prediction, State.BLOCKED, "inputs_not_good"),
        (_hold, State.APPROVED, ""),
    ],
)
def test_every_gate_is_passed_again_before_the_write(line, machine, happening, state, code):
    change = approved(line)
    happening(line, machine)
    dispatcher(line, machine).run_once()
    assert (now_is(change), change.reason) == (state, code)
    assert not machine.sent


def test_what_was_frozen_by_hold_is_written_when_a_supervisor_lets_go(line, machine):
    change = approved(line)
    held = _hold(line, machine)
    writer = dispatcher(line, machine)
    writer.run_once()
    loops.release(held, by=hand(line.person("supervisor")), now=NOW, reason="all clear")
    writer.run_once()
    assert now_is(change) == State.APPLIED


def test_a_machine_that_does_not_answer_is_waited_for(line, machine):
    change = approved(line)
    machine.deaf = True
    writer = dispatcher(line, machine)
    writer.run_once()
    assert now_is(change) == State.APPROVED
    machine.deaf = False
    writer.run_once()
    assert now_is(change) == State.APPLIED


# --- faults -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "state", "writes"),
    [
        ("not_sent", State.WRITE_FAILED, 0),
        ("refused", State.WRITE_FAILED, 0),
        ("clamped", State.WRITE_FAILED, 1),
        ("lost_reply", State.APPLIED, 1),
        ("lost_request", State.APPLIED, 1),
        ("late", State.APPLIED, 1),
        ("unreadable", State.UNCONFIRMED, 0),
    ],
)
def test_with_command_ids_at_the_machine_no_fault_doubles_a_write(line, machine, fault, state, writes):
    change = approved(line)
    machine.faults = [fault]
    writer = dispatcher(line, machine)
    writer.run_once()
    writer.run_once()
    assert now_is(change) == state
    assert len(machine.applied) == writes


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("lost_reply", State.APPLIED),
        ("lost_request", State.UNCONFIRMED),
        ("late", State.APPLIED),
        ("unreadable", State.UNCONFIRMED),
    ],
)
def test_without_command_ids_nothing_is_sent_a_second_time(line, machine, fault, state):
    machine.keeps_command_ids = False
    change = approved(line)
    machine.faults = [fault]
    writer = dispatcher(line, machine)
    writer.run_once()
    writer.run_once()
    assert now_is(change) == state
    assert len(machine.sent) == 1


def test_an_answer_lost_twice_is_unconfirmed_unless_the_machine_shows_it(line, machine):
    change = approved(line)
    machine.faults = ["lost_request", "lost_request"]
    dispatcher(line, machine).run_once()
    assert now_is(change) == State.UNCONFIRMED
    assert len(machine.sent) == 2
    assert len({command.command_id for command in machine.sent}) == 1


def test_a_wrong_read_back_fails_and_says_what_the_machine_holds(line, machine):
    change = approved(line)
    machine.faults = ["wrong"]
    dispatcher(line, machine).run_once()
    assert now_is(change) == State.WRITE_FAILED
    assert told(change)["read_back"] == {"pump_top": pytest.approx(60.2)}
    assert len(machine.sent) == 1


def test_an_answer_lost_under_hold_is_not_sent_again(line, machine):
    change = approved(line)
    machine.faults = ["lost_request"]
    decline = machine.connect

    def hold_then_connect(equipment=None):
        if machine.sent:
            _hold(line, machine)
        return decline(equipment)

    machine.connect = hold_then_connect
    dispatcher(line, machine).run_once()
    assert now_is(change) == State.UNCONFIRMED
    assert not machine.applied


# --- unconfirmed ------------------------------------------------------------------------------------------------------
@pytest.fixture
def unconfirmed(line, machine) -> Change:
    Loop.objects.update(requested_mode=Mode.AUTO)
    machine.keeps_command_ids = False
    machine.faults = ["lost_request"]
    change = approved(line)
    dispatcher(line, machine).run_once()
    assert now_is(change) == State.UNCONFIRMED
    return change


def test_an_unconfirmed_write_closes_its_parameters(line, machine, unconfirmed):
    other = Plant(**{**vars(line), "loop": make_loop(line.coater, "loading-again")})
    change = approved(other)
    dispatcher(line, machine).run_once()
    assert (now_is(change), change.reason) == (State.BLOCKED, "tag_in_flight")
    assert len(machine.sent) == 1


def test_a_supervisor_resolves_it_with_a_reason(line, unconfirmed):
    told = {"version": unconfirmed.version, "applied": False, "now": NOW}
    with pytest.raises(NoPermission):
        changes.resolve(unconfirmed.pk, actor=line.person("operator"), reason="looked", **told)
    changes.resolve(unconfirmed.pk, actor=line.person("supervisor"), reason="panel shows 60.0", **told)
    assert now_is(unconfirmed) == State.WRITE_FAILED
    assert not SetPointMove.objects.filter(in_flight=True).exists()


def test_a_write_resolved_as_done_counts_from_when_it_was_sent(line, unconfirmed):
    told = {"version": unconfirmed.version, "applied": True, "now": NOW + 60 * SECOND}
    changes.resolve(unconfirmed.pk, actor=line.person("supervisor"), reason="panel shows 60.3", **told)
    assert (now_is(unconfirmed), unconfirmed.applied_at) == (State.APPLIED, NOW)


def test_an_unconfirmed_write_takes_its_loop_out_of_automatic_mode(line, machine):
    change = approved(line)
    order = take(line, machine, change)
    Loop.objects.update(actual_mode=Mode.AUTO)
    writing.lose(order, "no answer", NOW)
    assert Loop.objects.get().actual_mode == Mode.SUPERVISED


def test_the_gates_before_a_second_sending_are_asked_under_the_lock_of_the_line(line, machine, monkeypatch):
    order = take(line, machine, approved(line))
    asked = []
    locked, held = writing.lock, writing.on_hold
    monkeypatch.setattr(writing, "lock", lambda line_id: (asked.append(("lock", line_id)), locked(line_id))[1])
    monkeypatch.setattr(writing, "on_hold", lambda loop: (asked.append(("hold", loop.pk)), held(loop))[1])
    link = machine.connect()
    seen = writing.Seen(NOW, link.read()[-1].readings(), link.read_back(["pump_top"]))
    assert writing.objection_to_sending(order, seen, NOW) is None
    assert asked == [("lock", line.line.pk), ("hold", line.loop.pk)]


# --- crashes and zombies ----------------------------------------------------------------------------------------------
def take(line: Plant, machine: Machine, change: Change, holder: str = "one") -> writing.Order:
    """As far as a dispatcher comes that dies before its first byte."""
    lease = leases.take(line.line.pk, holder)
    link = machine.connect()
    seen = writing.Seen(NOW, link.read()[-1].readings(), link.read_back(["pump_top"]))
    order = writing.take(change.pk, lease, seen, NOW)
    assert order is not None
    return order


def lapse() -> None:
    Lease.objects.update(expires_at=None)


def send(machine: Machine, order: writing.Order) -> str:
    return machine.connect().write(WriteCommand(order.command_id, order.fence, order.values)).code


def test_who_takes_over_after_a_crash_before_sending_sends_under_the_same_id(line, machine):
    change = approved(line)
    order = take(line, machine, change)
    lapse()
    dispatcher(line, machine, "two").run_once()
    assert now_is(change) == State.APPLIED
    assert machine.applied == [(order.command_id, 2, {"pump_top": 60.3})]


def test_who_takes_over_after_a_crash_after_sending_sends_nothing(line, machine):
    change = approved(line)
    send(machine, take(line, machine, change))
    lapse()
    dispatcher(line, machine, "two").run_once()
    assert now_is(change) == State.APPLIED
    assert len(machine.sent) == 1


def test_who_takes_over_and_finds_something_else_guesses_nothing(line, machine):
    change = approved(line)
    take(line, machine, change)
    machine.set_points["pump_top"] = 60.15
    lapse()
    dispatcher(line, machine, "two").run_once()
    assert now_is(change) == State.UNCONFIRMED
    assert not machine.sent


def test_a_dispatcher_that_slept_past_its_lease_changes_nothing_at_the_machine(line, machine):
    change = approved(line)
    old = take(line, machine, change)
    lapse()
    dispatcher(line, machine, "two").run_once()
    machine.set_points["pump_top"] = 60.4  # somebody goes on from there
    assert send(machine, old) == "applied"  # the answer of then, and no second write
    assert machine.set_points["pump_top"] == 60.4
    assert len(machine.applied) == 1
    with pytest.raises(Conflict, match="taken this write over"):
        writing.fail(old, "late", "", NOW)


def test_the_machine_refuses_a_command_under_an_old_fence(line, machine):
    change = approved(line)
    old = take(line, machine, change)
    machine.fence = old.fence + 1
    assert send(machine, old) == "stale_fence"
    assert not machine.applied


def test_a_machine_whose_fence_is_ahead_of_ours_ends_the_change_instead_of_asking_for_ever(line, machine):
    change = approved(line)
    machine.fence = 9  # as after the database was restored from a backup
    writer = dispatcher(line, machine)
    writer.run_once()
    writer.run_once()
    assert (now_is(change), told(change)["code"]) == (State.WRITE_FAILED, "stale_fence")
    assert len(machine.sent) == 1
    assert not SetPointMove.objects.filter(in_flight=True).exists()


def slow_to_send(machine: Machine, monkeypatch, seconds: float) -> None:
    """A dispatcher held up between the taking and the write."""
    taken = writing.take

    def take_and_sleep(*told):
        order = taken(*told)
        machine.time.sleep(seconds)
        return order

    monkeypatch.setattr(writing, "take", take_and_sleep)


@pytest.mark.parametrize("held_up", [leases.TTL_S, leases.TTL_S - WRITE_S + 0.1])
def test_nothing_is_sent_when_the_lease_does_not_outlast_the_write_by_our_own_watch(
    line, machine, monkeypatch, held_up
):
    change = approved(line)
    slow_to_send(machine, monkeypatch, held_up)
    dispatcher(line, machine).run_once()
    assert now_is(change) == State.WRITING
    assert not machine.sent


def test_what_expires_between_the_gates_and_the_write_is_not_sent(line, machine, monkeypatch):
    change = approved(line)
    Change.objects.update(expires_at=NOW + SECOND)
    slow_to_send(machine, monkeypatch, 1.0)
    dispatcher(line, machine).run_once()
    assert (now_is(change), told(change)["code"]) == (State.WRITE_FAILED, "expired")
    assert not machine.sent


def test_only_one_dispatcher_has_a_line_and_the_fence_only_grows(line, machine):
    approved(line)
    first = leases.take(line.line.pk, "one")
    assert leases.take(line.line.pk, "two") is None
    assert leases.take(line.line.pk, "one") == first
    lapse()
    second = leases.take(line.line.pk, "two")
    assert second.fence == first.fence + 1
    with pytest.raises(Conflict):
        leases.require(first)
    dispatcher(line, machine, "three").run_once()
    assert not machine.sent


def test_a_new_dispatcher_leaves_no_loop_in_automatic_mode(line, machine):
    Loop.objects.update(actual_mode=Mode.AUTO, requested_mode=Mode.AUTO)
    dispatcher(line, machine).run_once()
    line.loop.refresh_from_db()
    assert (line.loop.requested_mode, line.loop.actual_mode) == (Mode.AUTO, Mode.SUPERVISED)
    assert line.loop.mode_reasons[0]["code"] == "new_dispatcher"


def test_stopping_lets_the_next_one_in_at_once(line, machine):
    writer = dispatcher(line, machine)
    writer.run_once()
    writer.stop()
    assert leases.take(line.line.pk, "two") is not None


def test_when_an_undo_is_applied_what_it_undoes_is_reverted(line, machine):
    change = approved(line)
    writer = dispatcher(line, machine)
    writer.run_once()
    snapshot(line, NOW + SECOND, pump_top=60.3)
    machine.time.elapsed = 1.0
    back = changes.undo(change.pk, actor=line.person("operator"), now=NOW + SECOND)
    changes.approve(back.pk, by=hand(line.person("operator2"), NOW), version=back.version, now=NOW + SECOND)
    writer.run_once()
    assert (now_is(back), now_is(change)) == (State.APPLIED, State.REVERTED)
    assert machine.set_points["pump_top"] == 60.0
