"""Shifts end by the clock; one crew gives the line to the next, and the next accepts. Both sign, and are two people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from control import events
from control.actions import attention, audit, figures, sizing
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid, NotFound, Refused
from control.actions.loops import lock, stand_down
from control.actions.signing import Hand, sign
from control.core.demotion import Trigger
from control.core.shifts import Shifts
from control.models import Handover, Line, Loop, Mode, ShiftNote
from control.queries import handover as queries

SYSTEM = "system"
GIVE, ACCEPT = "give_shift", "accept_shift"  # what the two signatures mean
CATCH_UP = timedelta(days=7)  # of shifts that ended while nothing ran; before that a line begins anew
LONGEST_NOTE = 1000


def make_due(now: datetime) -> int:
    """End the shifts that are over, with their reports, and begin the next ones; returns how many ended."""
    ended = 0
    for line in Line.objects.select_related("area__site"):
        running = _running(line)
        if running is None or running.ends_at <= now:
            ended += _catch_up(line, now)
    return ended


def watch(now: datetime) -> None:
    """Where a shift was not accepted in time no loop goes on in automatic mode."""
    for line_id in Loop.objects.filter(actual_mode=Mode.AUTO).values_list("equipment__line", flat=True).distinct():
        if late := overdue(line_id, now):
            loops = Loop.objects.filter(equipment__line=line_id, actual_mode=Mode.AUTO)
            detail = late.ends_at.isoformat(timespec="minutes")
            stand_down(loops.select_related("equipment"), actor=SYSTEM, code=Trigger.HAND_OVER, now=now, detail=detail)


def overdue(line_id: int, now: datetime) -> Handover | None:
    """The last shift that ended, where nobody has accepted it in time."""
    newest = Handover.objects.filter(line=line_id, report__isnull=False).order_by("-ends_at").first()
    if newest is None or newest.accepted_at is not None:
        return None
    late_at = newest.ends_at + timedelta(seconds=figures.of(line_id).accept_within_s)
    return newest if now >= late_at else None


def report(handover: Handover, now: datetime) -> dict[str, Any]:
    """What happened in a shift: as it was when the shift ended, or until now while it runs."""
    if handover.report is not None:
        return dict(handover.report)
    return _made(handover.line, handover.starts_at, min(now, handover.ends_at))


def note(handover: Handover, text: str, *, actor: User, now: datetime) -> ShiftNote:
    """Tell the next shift something, until it has accepted."""
    line = handover.line
    with audit.attempt(actor=actor, action="shift.note", obj=handover, line=line, now=now):
        require(actor, Right.HAND_OVER, lock(line.pk), now)
        if not text.strip():
            raise Invalid("text_needed", "A note needs words.")
        _not_accepted(_present(handover))
        row = ShiftNote.objects.create(handover=handover, at=now, by=actor, text=text.strip()[:LONGEST_NOTE])
        _tell("shift.note", handover, actor=actor, now=now, told={"note": row.pk, "text": row.text})
        return row


def give(handover: Handover, *, by: Hand, now: datetime) -> Handover:
    """Sign that this is what happened. Shortly before its end a shift ends with that; its report is then frozen."""
    line = handover.line
    with audit.attempt(actor=by.user, action="shift.give", obj=handover, line=line, now=now):
        require(by.user, Right.HAND_OVER, lock(line.pk), now)
        row = _not_accepted(_present(handover))
        if row.given_by is not None and row.given_at is not None:
            raise Conflict("shift_given", "The shift has been given already.", _who(row.given_by, row.given_at))
        if row.report is None:
            _end_early(row, now)
        sign(row, by=by, meaning=GIVE, content=content(row), now=now, line=line)
        Handover.objects.filter(pk=row.pk).update(given_by=by.user, given_at=now)
        _tell("shift.give", row, actor=by.user, now=now)
        return _present(row)


def accept(handover: Handover, *, by: Hand, now: datetime) -> Handover:
    """Sign that it was read and the line is taken over: somebody else than who gave it."""
    line = handover.line
    with audit.attempt(actor=by.user, action="shift.accept", obj=handover, line=line, now=now):
        require(by.user, Right.HAND_OVER, lock(line.pk), now)
        row = _not_accepted(_present(handover))
        if row.given_by is None:
            raise Conflict("shift_not_given", "Nobody has given the shift yet.")
        if row.given_by == by.user:
            raise Refused("own_shift", "Who gave the shift cannot accept it.")
        sign(row, by=by, meaning=ACCEPT, content=content(row), now=now, line=line)
        Handover.objects.filter(pk=row.pk).update(accepted_by=by.user, accepted_at=now)
        _tell("shift.accept", row, actor=by.user, now=now)
        return _present(row)


def content(row: Handover) -> dict[str, Any]:
    """What is signed: the report with its notes as they are."""
    notes = [{"at": one.at.isoformat(), "by": one.by.get_username(), "text": one.text} for one in row.notes.all()]
    shift = {"line": row.line.key, "starts_at": row.starts_at.isoformat(), "ends_at": row.ends_at.isoformat()}
    return shift | {"report": row.report, "notes": notes}


def _catch_up(line: Line, now: datetime) -> int:
    ended = 0
    with audit.atomic():
        lock(line.pk)
        running = _running(line) or _begin(line, now)  # nothing is known of what was before
        while running.ends_at <= now:
            _end(running, now)
            ended += 1
            missed = now - running.ends_at > CATCH_UP
            running = _begin(line, _shifts(line).begun(now) if missed else running.ends_at)
    return ended


def _running(line: Line) -> Handover | None:
    return Handover.objects.filter(line=line, report__isnull=True).first()


def _begin(line: Line, starts_at: datetime) -> Handover:
    """The next shift. One that was given a little early makes the next one longer, not another short one."""
    early = timedelta(seconds=figures.of(line.pk).accept_within_s)
    return Handover.objects.create(line=line, starts_at=starts_at, ends_at=_shifts(line).next(starts_at + early))


def _end(row: Handover, now: datetime) -> None:
    row.report = _made(row.line, row.starts_at, row.ends_at)
    row.save(update_fields=["report", "ends_at"])
    _tell("shift.end", row, actor=SYSTEM, now=now)


def _end_early(row: Handover, now: datetime) -> None:
    early = timedelta(seconds=figures.of(row.line_id).accept_within_s)
    if row.ends_at - now > early:
        raise Refused("shift_goes_on", "The shift has not ended yet.", {"ends_at": row.ends_at.isoformat()})
    row.ends_at = now
    _end(row, now)
    _begin(row.line, row.ends_at)


def _made(line: Line, since: datetime, until: datetime) -> dict[str, Any]:
    calls = attention.rate(line.pk, until)
    told = {"calls": calls.calls, "budget": calls.budget, "each_ten_minutes": calls.each_ten_minutes}
    return queries.report(line, since, until) | {"moves": sizing.summed(line, since, until), "calls": told}


def _shifts(line: Line) -> Shifts:
    said = figures.of(line.pk)
    return Shifts(line.time_zone, said.first_shift_h, said.shifts_a_day)


def _present(handover: Handover) -> Handover:
    """The row as it is under the line's lock."""
    found = Handover.objects.select_related("line__area__site", "given_by", "accepted_by").filter(pk=handover.pk)
    row = found.first()
    if row is None:
        raise NotFound("not_found", "There is no such shift.")
    return row


def _not_accepted(row: Handover) -> Handover:
    if row.accepted_by is not None and row.accepted_at is not None:
        who = _who(row.accepted_by, row.accepted_at)
        raise Conflict("shift_accepted", "The shift has been accepted already.", who)
    return row


def _who(user: User, at: datetime) -> dict[str, str]:
    """Whoever comes too late reads who was first, and when."""
    return {"by": user.get_username(), "since": at.isoformat()}


def _tell(action: str, row: Handover, *, actor: audit.Actor, now: datetime, told: dict[str, Any] | None = None) -> None:
    shift = {"starts_at": row.starts_at, "ends_at": row.ends_at}
    audit.record(actor=actor, action=action, obj=row, now=now, new=shift | (told or {}), line=row.line_id)
    events.publish("shift", line_id=row.line_id)
