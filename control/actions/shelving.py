"""A rule of a stream that is known to speak of nothing new is put aside: for a time, with a reason, never for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User

from control import events
from control.actions import attention, audit, figures
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.models import Shelf, Signal


def shelve(signal: Signal, *, minutes: int, reason: str, actor: User, now: datetime) -> Shelf:
    """Until then what the signal tells of calls nobody; it is stored all the same."""
    line = signal.line
    with audit.attempt(actor=actor, action="signal.shelve", obj=signal, line=line, now=now, reason=reason):
        require(actor, Right.ANSWER_SIGNAL, line, now)
        if signal.stream is None:
            raise Invalid("not_shelved", "Only a rule of a stream can be shelved.")
        if not reason.strip():
            raise Invalid("reason_needed", "Shelving needs a reason.")
        longest_min = int(figures.of(line.pk).shelve_longest_s // 60)
        if not 0 < minutes <= longest_min:
            raise Invalid("shelved_too_long", "Not for that long.", {"low": 1, "high": longest_min})
        row = Shelf.objects.create(
            stream=signal.stream, rule=signal.rule, by=actor, since=now, until=now + timedelta(minutes=minutes),
            reason=reason.strip()[:400],
        )  # fmt: skip
        told = {"stream": row.stream_id, "rule": row.rule, "until": row.until}
        audit.record(actor=actor, action="signal.shelve", obj=signal, now=now, new=told, reason=reason, line=line)
        events.publish("signal", line_id=line.pk)
        return row


def unshelve(signal: Signal, *, actor: User, now: datetime) -> None:
    """Take it off the shelf before its time: it may call again."""
    line = signal.line
    with audit.attempt(actor=actor, action="signal.unshelve", obj=signal, line=line, now=now):
        require(actor, Right.ANSWER_SIGNAL, line, now)
        lying = Shelf.objects.filter(stream=signal.stream_id, rule=signal.rule, since__lt=now, until__gt=now)
        if not lying.update(until=now):
            raise Conflict("not_on_a_shelf", "It is not shelved.")
        audit.record(actor=actor, action="signal.unshelve", obj=signal, now=now, line=line)
        attention.call([line.pk], now)
        events.publish("signal", line_id=line.pk)
