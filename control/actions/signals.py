"""Broken rules: one open signal a stream and rule, extended while it is broken, closed by a person with a cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F, Q

from control import events
from control.actions import attention, audit
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.core.types import Rule
from control.models import ActionCode, CauseCode, Line, Loop, Signal

NOTE = """
INSERT INTO control_signal AS open (line_id, kind, stream_id, rule, priority, first_at, last_at, last_seq, points,
    value, raised_at, action_taken, detail, told)
SELECT e.line_id, 'rule', told.*, %(now)s, '', '', '{}' FROM unnest(
    %(stream_id)s::int8[], %(rule)s::int2[], %(priority)s::int2[], %(first_at)s::timestamptz[],
    %(last_at)s::timestamptz[], %(last_seq)s::int8[], %(points)s::int4[], %(value)s::float8[])
    AS told (stream_id, rule, priority)
JOIN control_stream s ON s.id = told.stream_id
JOIN control_lane l ON l.id = s.lane_id JOIN control_equipment e ON e.id = l.equipment_id
ORDER BY told.priority, told.stream_id, told.rule
ON CONFLICT (stream_id, rule) WHERE closed_at IS NULL DO UPDATE SET
    first_at = least(open.first_at, excluded.first_at), last_at = greatest(open.last_at, excluded.last_at),
    last_seq = excluded.last_seq, points = open.points + excluded.points, value = excluded.value
RETURNING open.id, open.line_id, open.xmax = 0
"""  # the most urgent first: a signal joins an older one. Of a row that was there before xmax says so: it is locked
# Signals of one characteristic of a machine, close together, have one cause: the first that is as urgent calls
JOIN = """
UPDATE control_signal AS late SET joins_id = (
    SELECT lead.id FROM control_signal lead JOIN control_stream beside ON beside.id = lead.stream_id
    WHERE lead.closed_at IS NULL AND lead.joins_id IS NULL AND lead.id < late.id AND lead.priority <= late.priority
        AND beside.characteristic_id = own.characteristic_id
        AND lead.last_at >= late.first_at - make_interval(secs => %(within_s)s)
    ORDER BY lead.id LIMIT 1)
FROM control_stream AS own WHERE own.id = late.stream_id AND late.id = ANY(%(new)s)
"""
ONE_CAUSE_S = 600.0
URGENT, USUAL = Rule.OUT_OF_SPEC, Rule.BEYOND_3_SIGMA | Rule.EWMA | Rule.CUSUM | Rule.MULTIVARIATE | Rule.RESIDUAL


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

    @property
    def priority(self) -> int:
        """1: foil is out of specification. 2: a limit is passed. 3: a pattern within the limits."""
        return 1 if self.rule & URGENT else 2 if self.rule & USUAL else 3

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
    columns = {name: [getattr(one, name) for one in told] for name in (*Broken.__slots__, "priority")}
    with connection.cursor() as cursor:
        cursor.execute(NOTE, {**columns, "rule": [int(one.rule) for one in told], "now": now})
        new = {pk: line_id for pk, line_id, is_new in cursor.fetchall() if is_new}
        if new:
            cursor.execute(JOIN, {"new": list(new), "within_s": ONE_CAUSE_S})
    attention.call(set(new.values()), now)
    return len(new)


def raise_(
    line: Line,
    kind: Signal.Kind,
    *,
    now: datetime,
    loop: Loop | None = None,
    detail: str = "",
    priority: int = 1,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Raise what concerns a line or one of its loops, or extend it while it is open. Urgent, it calls at once."""
    scope = {"line": line, "kind": kind, "loop": loop, "stream": None, "closed_at": None}
    said = {"last_at": now, "detail": detail[:200], "told": dict(told or {})}
    first = {"first_at": now, "raised_at": now, "priority": priority, **said}
    row, created = Signal.objects.get_or_create(**scope, defaults=first)
    if not created:
        again = {"points": F("points") + 1, **said}
        Signal.objects.filter(pk=row.pk).update(**again)
    attention.call([line.pk], now)
    events.publish("signal", line_id=line.pk)


def acknowledge(line: Line, ids: Iterable[int], *, actor: User, now: datetime) -> int:
    """Say of open signals of a line that they were seen; they still want a cause. Returns how many that was news of."""
    with audit.attempt(actor=actor, action="signal.acknowledge", obj=line, line=line, now=now):
        require(actor, Right.ANSWER_SIGNAL, line, now)
        unseen = Signal.objects.filter(
            line=line, pk__in=list(ids), closed_at__isnull=True, acknowledged_at__isnull=True
        )
        rows = list(unseen.select_for_update(of=("self",)).order_by("pk"))
        Signal.objects.filter(pk__in=[row.pk for row in rows]).update(acknowledged_at=now, acknowledged_by=actor)
        for row in rows:
            audit.record(actor=actor, action="signal.acknowledge", obj=row, now=now, line=line)
        events.publish("signal", line_id=line.pk)
        return len(rows)


def close(
    signal: Signal, *, cause: CauseCode, action: ActionCode, actor: User, now: datetime, action_taken: str = ""
) -> None:
    """Answer a signal, and with it those that joined it: why it came and what was done. Of two at once, one does.

    ``action_taken`` are words beside the code, where it says too little or needs them.
    """
    line = signal.line
    with audit.attempt(actor=actor, action="signal.close", obj=signal, line=line, now=now, reason=action_taken):
        require(actor, Right.ANSWER_SIGNAL, line, now)
        words = action_taken.strip()[:400]
        if action.needs_text and not words:
            raise Invalid("action_needed", "Say in words what was done.")
        closed = {"closed_at": now, "closed_by": actor, "cause": cause, "action": action, "action_taken": words}
        if Signal.objects.filter(pk=signal.pk, closed_at__isnull=True).update(**closed) != 1:
            raise Conflict("already_closed", "Someone has answered this signal already.")
        joined = Signal.objects.filter(Q(joins=signal.pk) | Q(joins__joins=signal.pk), closed_at__isnull=True)
        told = {"cause": cause.key, "action": action.key, "joined": joined.update(**closed)}
        audit.record(actor=actor, action="signal.close", obj=signal, now=now, new=told, reason=action_taken, line=line)
        events.publish("signal", line_id=line.pk)
