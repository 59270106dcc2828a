"""Broken rules: one open signal a stream and rule, extended while it is broken, closed by a person with a cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection

from control import events
from control.actions import audit
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.core.types import Rule
from control.models import CauseCode, Signal

NOTE = """
INSERT INTO control_signal AS open
    (stream_id, rule, first_at, last_at, last_seq, points, value, raised_at, action_taken)
SELECT *, %(now)s, '' FROM unnest(
    %(stream_id)s::int8[], %(rule)s::int2[], %(first_at)s::timestamptz[], %(last_at)s::timestamptz[],
    %(last_seq)s::int8[], %(points)s::int4[], %(value)s::float8[])
ON CONFLICT (stream_id, rule) WHERE closed_at IS NULL DO UPDATE SET
    first_at = least(open.first_at, excluded.first_at), last_at = greatest(open.last_at, excluded.last_at),
    last_seq = excluded.last_seq, points = open.points + excluded.points, value = excluded.value
RETURNING xmax = 0
"""  # a row that was there before has been locked by this transaction, and xmax says so


@dataclass(frozen=True, slots=True)
class Broken:
    """Points of one stream that broke one rule: how many, from when to when, the last one's number and value."""

    stream_id: int
    rule: Rule
    first_at: datetime
    last_at: datetime
    last_seq: int
    points: int
    value: float

    def and_then(self, later: Broken) -> Broken:
        return replace(
            later,
            first_at=min(self.first_at, later.first_at),
            last_at=max(self.last_at, later.last_at),
            points=self.points + later.points,
        )


def gathered(points: Iterable[tuple[int, int, datetime, int, float]]) -> list[Broken]:
    """From judged points ``(stream_id, rules, at, seq, value)`` in order: one entry a stream and rule broken."""
    found: dict[tuple[int, Rule], Broken] = {}
    for stream_id, rules, at, seq, value in points:
        for rule in Rule(rules):
            one = Broken(stream_id, rule, at, at, seq, 1, value)
            earlier = found.get((stream_id, rule))
            found[stream_id, rule] = earlier.and_then(one) if earlier else one
    return list(found.values())


def note(broken: Iterable[Broken], *, now: datetime) -> int:
    """Raise or extend a signal for each; returns how many are new. Called inside the pass, which alone writes them."""
    told = list(broken)
    if not told:
        return 0
    columns = {name: [getattr(one, name) for one in told] for name in Broken.__slots__}
    with connection.cursor() as cursor:
        cursor.execute(NOTE, {**columns, "rule": [int(one.rule) for one in told], "now": now})
        return sum(new for (new,) in cursor.fetchall())


def close(signal: Signal, *, cause: CauseCode, action_taken: str, actor: User, now: datetime) -> None:
    """Answer a signal: why it came and what was done. Of two who answer at once, one does."""
    line = signal.stream.lane.equipment.line
    with audit.attempt(actor=actor, action="signal.close", obj=signal, line=line, now=now, reason=action_taken):
        require(actor, Right.ANSWER_SIGNAL, line, now)
        if not action_taken.strip():
            raise Invalid("action_needed", "Say what was done, or that nothing was.")
        closed = {"closed_at": now, "closed_by": actor, "cause": cause, "action_taken": action_taken.strip()[:400]}
        if Signal.objects.filter(pk=signal.pk, closed_at__isnull=True).update(**closed) != 1:
            raise Conflict("already_closed", "Someone has answered this signal already.")
        audit.record(
            actor=actor, action="signal.close", obj=signal, now=now, new={"cause": cause.key}, reason=action_taken,
            line=line,
        )  # fmt: skip
        events.publish("signal", line_id=line.pk, equipment_id=signal.stream.lane.equipment_id)
