"""Whatever people, time, machine, messages and crashes do in any order: the promises about writes hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Count
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import integers, sampled_from

from control.actions import audit, changes, idempotency, loops, writing
from control.actions.errors import Refused
from control.actions.signing import Hand
from control.core.exchange import WriteCommand
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import Move
from control.dispatcher import Dispatcher
from control.models import AuditEntry, Change, Grant, Hold, Lease, Signature
from tests.factories import LONG_AGO, hand, plant, proposal, reason_code, snapshot
from tests.machine import Machine, Time
from tests.trials import SEED, trial

FAULTS = ("", "", "", "not_sent", "lost_request", "lost_reply", "late", "refused", "clamped", "wrong")
WHO = ("operator", "operator2", "supervisor", "viewer", "engineer", "outsider")
MODES = (Mode.SUPERVISED, Mode.SUPERVISED, Mode.ADVISORY, Mode.SHADOW)
DELTAS = (0.3, -0.3, 0.6, -0.6, 0.3, 3.0)  # rpm of 60: half a per cent, one, and what nobody may approve
OPERATOR_S, SUPERVISOR_S = 1.0, 3.0  # per cent that each may approve in one move
PUMP = "pump_top"
HAND = "hand"
BETWEEN = ("", "", "", "held", "rights", "mode", "knob", "long")
CONFIRMED = (State.APPLIED, State.VERIFYING, State.EFFECTIVE, State.INEFFECTIVE)
WRITES: list[int] = []  # of every life lived here


@dataclass(frozen=True)
class Done:
    """What was true at the moment the machine did a command."""

    change_id: int
    command_id: str
    approved: bool
    entitled: bool
    in_time: bool
    held: bool


@dataclass(frozen=True)
class Message:
    """An approval as a browser sent it; it may come twice, or late."""

    change_id: int
    version: int
    who: str
    key: str
    proved: bool = True


class Life(RuleBasedStateMachine):
    """One line with its people, its machine and its dispatchers. Every rule is something that can happen."""

    @initialize()
    def begin(self) -> None:
        self.undone = transaction.atomic()  # each life leaves the database as it was
        self.undone.__enter__()
        self.time, self.plant = Time(), plant()
        reason_code()
        self.machine = Machine(self.time)
        self.held: Hold | None = None
        self.done: list[Done] = []
        self.last_touch = ""  # what the pump's set-point comes from: a command's id, or a hand
        self.sent: list[Message] = []
        self.writers: list[Dispatcher] = []
        self.new_writer()
        self.decide, self.machine.decide = self.machine.decide, self.watch
        self.scan()

    def teardown(self) -> None:
        if hasattr(self, "undone"):
            WRITES.append(len(self.done))
            whole = audit.verify().ok
            transaction.set_rollback(True)
            self.undone.__exit__(None, None, None)
            assert whole

    # --- what the rules are made of -----------------------------------------------------------------------------------

    def watch(self, command: WriteCommand, fault: str = "") -> Any:
        before = len(self.machine.applied)
        ack = self.decide(command, fault)
        if len(self.machine.applied) > before:
            change = Change.objects.get(command_id=command.command_id)
            in_time = self.time.now() < change.expires_at + timedelta(seconds=1)
            approved = change.decided_by is not None and change.state in (State.WRITING, State.UNCONFIRMED)
            entitled = approved and self.entitled(change)
            self.done.append(Done(change.pk, command.command_id, approved, entitled, in_time, self.held is not None))
            self.last_touch = command.command_id
        return ack

    def entitled(self, change: Change) -> bool:
        """Whether who approved may, by the roles he has now and this one move, signed as it must be; not its author."""
        now = self.time.now()
        grants = Grant.objects.filter(user=change.decided_by, valid_from__lte=now)
        roles = {grant.role for grant in grants if grant.valid_to is None or grant.valid_to > now}
        move = change.moves.get()
        size = abs(move.to_value - move.from_value) / 60.0 * 100
        may = {"supervisor"} | ({"operator"} if size <= OPERATOR_S + 1e-9 else set())
        ways = Signature.objects.filter(object_type="change", object_id=str(change.pk), user=change.decided_by)
        signed = ways.filter(method="password").exists() if size > OPERATOR_S + 1e-9 else ways.exists()
        own = change.author_id == change.decided_by_id
        return signed and not own and size <= SUPERVISOR_S + 1e-9 and bool(roles & may)

    def new_writer(self) -> None:
        time = self.time
        self.writers.append(
            Dispatcher(
                self.plant.line.pk, f"holder {len(self.writers)}", self.machine.connect,
                clock=time.now, sleep=time.sleep, timer=time.timer,
            )
        )  # fmt: skip

    @property
    def writer(self) -> Dispatcher:
        return self.writers[-1]

    def scan(self) -> None:
        snapshot(self.plant, self.time.now(), **self.machine.set_points)

    def newest(self) -> Change | None:
        return Change.objects.order_by("-pk").first()

    def decide_on(self, act: Callable[..., object], who: str, **told: object) -> None:
        change = self.newest()
        self.scan()
        if change is not None:
            with suppress(Refused):
                act(change.pk, actor=self.plant.person(who), now=self.time.now(), **told)

    def deliver(self, message: Message) -> None:
        """The approval as the door takes it: with its key, so that it counts once."""
        person, now = self.plant.person(message.who), self.time.now()

        def act() -> dict[str, Any]:
            by = hand(person, now) if message.proved else Hand(person)
            return {"state": str(changes.approve(message.change_id, by=by, version=message.version, now=now).state)}

        with suppress(Refused):
            idempotency.once(user=person, key=message.key, body=str(message).encode(), now=now, act=act)

    def approve(self, who: str, *, version: int | None = None, proved: bool = True) -> None:
        change = self.newest()
        if change is None:
            return
        self.scan()
        seen = change.version if version is None else version
        message = Message(change.pk, seen, who, f"key {len(self.sent)}", proved)
        self.sent.append(message)
        self.deliver(message)

    def dispatch(self, fault: str) -> None:
        self.scan()
        self.machine.faults = [fault]
        self.writer.run_once()
        self.machine.faults = []

    def propose(self, delta: float) -> None:
        self.scan()
        base = self.machine.set_points[PUMP]
        told = replace(proposal(self.time.now()), moves=(Move(PUMP, base, base + delta, ()),))
        self.plant.loop.refresh_from_db()
        changes.propose(loop=self.plant.loop, proposal=told, evidence={}, actor="controller", now=self.time.now())

    def put_in_order(self) -> None:
        """What a day that began badly needs before a change can be written again."""
        self.time.jumped = self.time.furthest
        self.time.sleep(660)  # the rest after an earlier no, and what is open expires
        self.scan()
        changes.tend(self.time.now())
        self.rights_change(has=True)
        if self.held:
            self.released()
        self.resolved(applied=False)
        self.mode_set(Mode.SUPERVISED)

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(delta=sampled_from(DELTAS[:4]))
    def all_goes_well(self, delta: float) -> None:
        self.all_goes_well_but_for(fault="", delta=delta, between="")

    @rule(fault=sampled_from(FAULTS), delta=sampled_from(DELTAS[:4]), between=sampled_from(BETWEEN))
    def something_goes_wrong(self, fault: str, delta: float, between: str) -> None:
        self.all_goes_well_but_for(fault, delta, between)

    def all_goes_well_but_for(self, fault: str, delta: float, between: str) -> None:
        self.put_in_order()
        self.propose(delta)
        self.approve("supervisor2")
        self.something_comes_between(between)
        self.dispatch(fault)

    def something_comes_between(self, what: str) -> None:
        """An approval and the write it allows."""
        if what == "held":
            self.held_by_anyone()
        elif what == "rights":
            self.rights_change(has=False)
        elif what == "mode":
            self.mode_set(Mode.ADVISORY)
        elif what == "knob":
            self.knob_turned(-0.4)
        elif what == "long":
            self.time.sleep(3600)

    @rule(delta=sampled_from(DELTAS))
    def proposed_or_superseded(self, delta: float) -> None:
        self.propose(delta)

    @rule(seconds=sampled_from((1, 5, 60, 400)))
    def time_passes(self, seconds: int) -> None:
        self.time.sleep(seconds)
        self.scan()
        changes.tend(self.time.now())
        changes.tend(self.time.now())  # a second beat: it changes nothing

    @rule(seconds=sampled_from((-7200, -90, 3600, 3 * 86400)))
    def the_clock_jumps(self, seconds: int) -> None:
        self.time.jump(seconds)

    @rule(who=sampled_from(("supervisor2", "operator2")), proved=sampled_from((True, True, False)))
    def approved(self, who: str, proved: bool) -> None:
        self.approve(who, proved=proved)

    @rule(who=sampled_from(WHO), behind=integers(0, 2))
    def approved_by_anyone(self, who: str, behind: int) -> None:
        change = self.newest()
        self.approve(who, version=None if change is None else change.version - behind)

    @precondition(lambda self: self.sent)
    @rule(which=integers(0, 30))
    def an_approval_comes_again_or_late(self, which: int) -> None:
        self.deliver(self.sent[which % len(self.sent)])

    @rule(who=sampled_from(WHO))
    def rejected(self, who: str) -> None:
        change = self.newest()
        self.decide_on(changes.reject, who, version=change.version if change else 0, code="wrong_direction")

    @rule(applied=sampled_from((True, False)))
    def resolved(self, applied: bool) -> None:
        change = self.newest()
        told = {"version": change.version if change else 0, "applied": applied, "reason": "seen at the panel"}
        self.decide_on(changes.resolve, "supervisor", **told)

    @rule(who=sampled_from(WHO[:3]))
    def undone_by_a_new_change(self, who: str) -> None:
        self.decide_on(changes.undo, who)

    @rule(who=sampled_from(WHO), by=sampled_from((0.1, -0.1, 0.4, 2.0)))
    def edited_by_anyone(self, who: str, by: float) -> None:
        change = self.newest()
        if change is not None:
            values = {PUMP: change.moves.get().to_value + by}
            self.decide_on(changes.edit, who, version=change.version, values=values)

    @rule(who=sampled_from(WHO))
    def withdrawn(self, who: str) -> None:
        change = self.newest()
        self.decide_on(changes.withdraw, who, version=change.version if change else 0, reason="")

    @rule()
    def held_by_anyone(self) -> None:
        self.held = loops.hold(self.plant.line, actor=self.plant.person("engineer"), now=self.time.now())

    @precondition(lambda self: self.held)
    @rule()
    def released(self) -> None:
        now = self.time.now()
        loops.release(self.held, by=hand(self.plant.person("supervisor"), now), now=now, reason="clear")
        self.held = None

    @rule(mode=sampled_from(MODES))
    def mode_set(self, mode: Mode) -> None:
        now = self.time.now()
        loops.request(self.plant.loop, mode, by=hand(self.plant.person("supervisor"), now), now=now, reason="trial")

    @rule(has=sampled_from((True, False)))
    def rights_change(self, has: bool) -> None:
        grants = Grant.objects.filter(user=self.plant.person("supervisor2"))
        grants.update(valid_to=None if has else self.time.now(), valid_from=LONG_AGO)

    @rule(by=sampled_from((0.05, -0.4)))
    def knob_turned(self, by: float) -> None:
        self.machine.set_points[PUMP] += by
        self.last_touch = HAND

    @rule(fault=sampled_from(FAULTS))
    def dispatched(self, fault: str) -> None:
        self.dispatch(fault)

    @rule(after=sampled_from(("nothing", "taking", "writing", "adopting")))
    def dispatcher_killed(self, after: str) -> None:
        change = Change.objects.filter(state=State.APPROVED).first()
        self.scan()
        if change and after != "nothing" and self.writer._renew():
            self.take(change, send=after != "taking")
        Lease.objects.update(expires_at=None)
        self.new_writer()
        if change and after == "adopting" and self.writer._renew():
            writing.adopt(change.pk, self.writer.lease)
            Lease.objects.update(expires_at=None)
            self.new_writer()

    def take(self, change: Change, *, send: bool) -> None:
        link = self.machine.connect()
        scans = link.read()
        seen = writing.Seen(self.time.now(), scans[-1].readings(), link.read_back([PUMP]))
        order = writing.take(change.pk, self.writer.lease, seen, self.time.now())
        if order and send:
            link.write(WriteCommand(order.command_id, order.fence, order.values))

    @precondition(lambda self: len(self.writers) > 1)
    @rule()
    def an_overtaken_dispatcher_wakes_up(self) -> None:
        self.scan()
        self.writers[-2].run_once()

    @precondition(lambda self: self.machine.sent)
    @rule(which=integers(0, 30))
    def a_write_comes_again(self, which: int) -> None:
        self.machine.decide(self.machine.sent[which % len(self.machine.sent)])

    # --- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def no_change_is_written_twice(self) -> None:
        ids = [done.command_id for done in self.done]
        assert len(ids) == len(set(ids))
        assert len({done.change_id for done in self.done}) == len(ids)

    @invariant()
    def nothing_is_written_unapproved_late_or_under_hold(self) -> None:
        wrong = [done for done in self.done if not (done.approved and done.entitled and done.in_time and not done.held)]
        assert wrong == []

    @invariant()
    def what_is_called_applied_was_done(self) -> None:
        said = Change.objects.filter(state__in=CONFIRMED, moves__read_back__isnull=False, command_id__isnull=False)
        assert {str(change.command_id) for change in said} <= {done.command_id for done in self.done}

    @invariant()
    def the_machine_holds_what_was_confirmed_last(self) -> None:
        command_id = None if self.last_touch in ("", HAND) else self.last_touch
        change = Change.objects.filter(command_id=command_id, state__in=CONFIRMED).first() if command_id else None
        if change is not None:
            [read_back] = change.moves.values_list("read_back", flat=True)
            assert read_back is None or read_back == pytest.approx(self.machine.set_points[PUMP])

    @invariant()
    def every_transition_has_one_row(self) -> None:
        rows = AuditEntry.objects.filter(object_type="change").exclude(action__endswith=".refused")
        told = {int(key): count for key, count in rows.values_list("object_id").annotate(Count("number"))}
        assert told == dict(Change.objects.values_list("pk", "version"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "course", [(8, 30, 20), *(trial((200, 50, SEED + number), f"trial-{number}") for number in range(10))], ids=str
)
def test_the_promises_hold_whatever_happens(course: tuple[int, int, int]) -> None:
    lives, steps, drawn = course
    told = settings(
        max_examples=lives, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    WRITES.clear()
    run_state_machine_as_test(seed(drawn)(Life), settings=told)
    assert 2 * sum(WRITES) >= lives, "too little was written for that to show anything"
