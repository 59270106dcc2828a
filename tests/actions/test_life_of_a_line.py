"""Whatever people, time, machine and crashes do in any order: the promises about writes hold."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from control.actions import audit, changes, loops, writing
from control.actions.errors import Refused
from control.core.exchange import WriteCommand
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import Move
from control.dispatcher import Dispatcher
from control.models import AuditEntry, Change, Grant, Lease
from tests.factories import LONG_AGO, plant, proposal, reason_code, snapshot
from tests.machine import Machine, Time

FAULTS = ["not_sent", "lost_request", "lost_reply", "late", "refused", "clamped"]
WHO = st.sampled_from(["operator", "operator2", "supervisor", "viewer", "engineer", "outsider"])


class Entry:
    """What the machine saw when it did a command: was the change approved, in time, and free of HOLD?"""

    def __init__(self, life: LifeOfALine, command_id: str) -> None:
        change = Change.objects.get(command_id=command_id)
        self.command_id = command_id
        self.approved = change.decided_by is not None and change.state == State.WRITING
        self.in_time = life.time.now() < change.expires_at + timedelta(seconds=1)
        self.held = life.held


class LifeOfALine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        connection.cursor().execute("SAVEPOINT life")
        self.time = Time()
        self.plant = plant()
        reason_code()
        self.machine = Machine(self.time)
        self.held = False
        self.entries: list[Entry] = []
        self.holder = 0
        self.writer = self.new_writer()
        decide = self.machine.decide

        def watched(command, fault=""):
            before = len(self.machine.applied)
            ack = decide(command, fault)
            if len(self.machine.applied) > before:
                self.entries.append(Entry(self, command.command_id))
            return ack

        self.machine.decide = watched
        self.scan()

    def teardown(self) -> None:
        self.every_step_is_a_row_of_the_record()
        connection.cursor().execute("ROLLBACK TO SAVEPOINT life")

    def new_writer(self) -> Dispatcher:
        self.holder += 1
        time = self.time
        return Dispatcher(
            self.plant.line.pk, f"holder {self.holder}", self.machine.connect,
            clock=time.now, sleep=time.sleep, timer=time.timer,
        )  # fmt: skip

    def scan(self) -> None:
        snapshot(self.plant, self.time.now(), **self.machine.set_points)

    def newest(self) -> Change | None:
        return Change.objects.order_by("-pk").first()

    @rule(seconds=st.sampled_from([1, 5, 60, 400]))
    def time_passes(self, seconds):
        self.time.sleep(seconds)
        self.scan()
        changes.tend(self.time.now())

    @rule(delta=st.sampled_from([0.3, -0.3, 0.6, 1.2, 3.0]))
    def the_controller_proposes(self, delta):
        self.scan()
        base = self.machine.set_points["pump_top"]
        told = replace(proposal(self.time.now()), moves=(Move("pump_top", base, base + delta, ()),))
        self.plant.loop.refresh_from_db()
        changes.propose(loop=self.plant.loop, proposal=told, evidence={}, actor="controller", now=self.time.now())

    @rule(who=WHO, behind=st.integers(0, 1))
    def somebody_approves(self, who, behind):
        self._try(lambda change, **told: changes.approve(change.pk, version=change.version - behind, **told), who)

    @rule(who=WHO)
    def somebody_rejects(self, who):
        self._try(
            lambda change, **told: changes.reject(change.pk, version=change.version, code="wrong_direction", **told),
            who,
        )

    @rule(who=WHO, applied=st.booleans())
    def somebody_resolves(self, who, applied):
        self._try(
            lambda change, **told: changes.resolve(
                change.pk, version=change.version, applied=applied, reason="seen", **told
            ),
            who,
        )

    @rule(who=WHO)
    def somebody_undoes(self, who):
        self._try(lambda change, **told: changes.undo(change.pk, **told), who)

    @rule()
    def hold(self):
        loops.hold(self.plant.line, actor=self.plant.person("engineer"), now=self.time.now())
        self.held = True

    @rule()
    def release(self):
        if self.held:
            loops.release(self.plant.line, actor=self.plant.person("supervisor"), now=self.time.now(), reason="clear")
            self.held = False

    @rule(mode=st.sampled_from([Mode.SHADOW, Mode.ADVISORY, Mode.SUPERVISED]))
    def the_mode_is_set(self, mode):
        told = {"actor": self.plant.person("supervisor"), "now": self.time.now(), "reason": "trial"}
        loops.set_mode(self.plant.loop, mode, **told)

    @rule(valid=st.booleans())
    def the_operators_right_comes_and_goes(self, valid):
        grants = Grant.objects.filter(user=self.plant.person("operator"))
        grants.update(valid_to=None if valid else self.time.now(), valid_from=LONG_AGO)

    @rule(delta=st.sampled_from([0.05, -0.4]))
    def somebody_turns_the_knob(self, delta):
        self.machine.set_points["pump_top"] += delta

    @rule(fault=st.sampled_from(["", *FAULTS]))
    def the_dispatcher_looks(self, fault):
        self.machine.faults = [fault]
        self.writer.run_once()
        self.machine.faults = []

    @rule(sent=st.booleans())
    def the_dispatcher_dies_after_taking(self, sent):
        change = Change.objects.filter(state=State.APPROVED).first()
        self.scan()
        if change and self.writer._renew():
            link = self.machine.connect()
            seen = writing.Seen(self.time.now(), link.read()[-1].readings(), link.read_back(["pump_top"]))
            order = writing.take(change.pk, self.writer.lease, seen, self.time.now())
            if order and sent:
                link.write(WriteCommand(order.command_id, order.fence, order.values))
        Lease.objects.update(expires_at=None)
        self.writer = self.new_writer()

    def _try(self, act, who):
        change = self.newest()
        if change is not None:
            with suppress(Refused):
                act(change, actor=self.plant.person(who), now=self.time.now())

    @invariant()
    def no_command_is_done_twice(self):
        done = [entry.command_id for entry in self.entries]
        assert len(done) == len(set(done))

    @invariant()
    def nothing_is_written_unapproved_late_or_under_hold(self):
        assert all(entry.approved and entry.in_time and not entry.held for entry in self.entries)

    @invariant()
    def what_is_called_applied_was_done(self):
        said = Change.objects.filter(state=State.APPLIED, moves__read_back__isnull=False)
        assert {str(change.command_id) for change in said} <= {entry.command_id for entry in self.entries}

    def every_step_is_a_row_of_the_record(self):
        for change in Change.objects.all():
            rows = AuditEntry.objects.filter(object_type="change", object_id=str(change.pk))
            assert rows.exclude(action__endswith=".refused").count() == change.version
        assert audit.verify().ok


@pytest.mark.django_db
def test_the_promises_hold_whatever_happens():
    run_state_machine_as_test(
        LifeOfALine,
        settings=settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
