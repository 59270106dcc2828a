"""The people of the past shift: they look at the inbox, think for a while, and decide by the same verbs as anyone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle

from django.contrib.auth.models import User

from control.actions import changes, shifts, signals, signing
from control.actions.errors import Refused
from control.actions.signing import Hand
from control.core.lifecycle import State
from control.demo.people import SYSTEM, People
from control.models import ActionCode, CauseCode, Change, Grant, Handover, Signal

PENDING = (State.PENDING_OPERATOR, State.PENDING_SUPERVISOR)


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of an open change after ``thinks_s`` seconds: a reason code rejects it; ``away`` lets it expire."""

    thinks_s: float
    reject: str = ""
    away: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found when a signal is looked into."""

    cause: str
    action: str
    done: str


FEW = 3  # points of a signal that may be the gauge's doing
STARES = timedelta(minutes=10)
SINGLE = Finding("gauge_fault", "nothing_needed", "Single readings; the foil beside them is good. Nothing done.")
SEVERAL = Finding("slurry_batch", "watched", "Followed up at the coater until it was back on target.")
TRIMMED = Finding(
    "set_point_change",
    "nothing_needed",
    "Set by hand while the loops were open. It stays so; the loops go on from there.",
)
NOTE = "Lanes held by hand for most of the shift; the pump of line 1 is louder than it was."
HABITS = (
    Answer(45),
    Answer(80),
    Answer(35),
    Answer(60, reject="process_upset"),
    Answer(50),
    Answer(0, away=True),
    Answer(40),
    Answer(70),
    Answer(90, reject="adjusted_by_hand"),
    Answer(55),
)


class Crew:
    """One habit after the other, whichever loop asks next; a change that takes the place of another waits no longer."""

    def __init__(self, people: People, password: str) -> None:
        self.people, self.password = people, password
        self.habits = cycle(HABITS)
        self.proved: dict[int, User] = {}
        self.asked: dict[int, tuple[datetime, Answer]] = {}  # loop -> since when, and what will be answered

    def attend(self, now: datetime) -> None:
        """Decide what has been looked at for long enough."""
        pending = {change.loop_id: change for change in Change.objects.filter(state__in=PENDING).order_by("pk")}
        self.asked = {loop_id: asked for loop_id, asked in self.asked.items() if loop_id in pending}
        for loop_id, change in pending.items():
            if loop_id not in self.asked:
                self.asked[loop_id] = change.proposed_at, next(self.habits)
            since, answer = self.asked[loop_id]
            if not answer.away and now - since >= timedelta(seconds=answer.thinks_s) and now > change.proposed_at:
                del self.asked[loop_id]
                self._decide(change, answer, now)

    def answer(self, now: datetime) -> None:
        """Close the signals that have been open for a while, with a cause."""
        known = (SINGLE, SEVERAL, TRIMMED)
        causes = {code.key: code for code in CauseCode.objects.filter(key__in=[one.cause for one in known])}
        actions = {code.key: code for code in ActionCode.objects.filter(key__in=[one.action for one in known])}
        raised = Signal.objects.filter(closed_at__isnull=True, joins__isnull=True, raised_at__lte=now - STARES)
        for signal in raised.select_related("line__area"):
            found = SINGLE if signal.points <= FEW else SEVERAL
            found = TRIMMED if signal.kind == Signal.Kind.RECIPE_DRIFT else found
            signals.close(
                signal, cause=causes[found.cause], action=actions[found.action], action_taken=found.done,
                actor=self.people.operator, now=now,
            )  # fmt: skip

    def hand_over(self, now: datetime) -> None:
        """Give every shift that has ended, and have the next one accept it."""
        shifts.make_due(now)
        for row in Handover.objects.filter(report__isnull=False, accepted_by=None).select_related("line__area__site"):
            shifts.note(row, NOTE, actor=self.people.operator, now=now)
            given = shifts.give(row, by=self._signing(self.people.operator, now), now=now)
            shifts.accept(given, by=self._signing(self.people.supervisor, now), now=now)

    def _decide(self, change: Change, answer: Answer, now: datetime) -> None:
        actor = self.people.operator if change.needs == Grant.Role.OPERATOR else self.people.supervisor
        with suppress(Refused):  # the world has moved on while they were thinking, which is recorded
            if answer.reject:
                changes.reject(change.pk, actor=actor, version=change.version, code=answer.reject, now=now)
            else:
                changes.approve(change.pk, by=self._hand(actor, now), version=change.version, now=now)

    def _hand(self, person: User, now: datetime) -> Hand:
        """A supervisor gives his password, as anywhere; being signed in is enough for an operator."""
        return self._signing(person, now) if person == self.people.supervisor else Hand(person, station=SYSTEM)

    def _signing(self, person: User, now: datetime) -> Hand:
        """His password is looked at the first time only: one look takes as long as minutes of the shift."""
        if person.pk not in self.proved:
            self.proved[person.pk] = signing.prove(person.username, self.password, address="", now=now)
        return Hand(self.proved[person.pk], SYSTEM, proved_at=now)
