"""What happened on a line in a shift, each thing once: for the shift that comes, frozen when the old one ends."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from control.core.lifecycle import ENDED, OPEN, State
from control.models import (
    AuditEntry,
    Change,
    Equipment,
    Estimator,
    Handover,
    Hold,
    Limits,
    Line,
    Loop,
    ProcessEvent,
    Signal,
)

Json = dict[str, Any]
MOST = 100  # of one kind are told one by one; the number of all is told anyway
OUTAGE_SCANS = 10  # so many missed scans are an outage
LISTED = (State.APPLIED, State.REJECTED, State.EXPIRED, State.WRITE_FAILED)
VERSIONED = (
    "limits.activate", "limits.in_force", "limits.draw", "model.choose", "model.import", "training.promote",
    "estimator.activate", "plant.store", "version.activate", "version.put_in_force",
)  # fmt: skip
GAPS = """
SELECT before, at FROM (
    SELECT at, lag(at, 1, %(since)s) OVER (ORDER BY at) AS before FROM (
        SELECT at FROM control_snapshot WHERE equipment_id = %(id)s AND at >= %(since)s AND at < %(until)s
        UNION ALL SELECT %(until)s) AS scans) AS pairs
WHERE at - before > make_interval(secs => %(longest_s)s) ORDER BY at
"""


def report(line: Line, since: datetime, until: datetime) -> Json:
    """What happened from ``since`` until just before ``until``, and how things stood then. Ready for JSON."""
    return {
        "modes": _modes(line, since, until),
        "changes": _changes(line, since, until),
        "signals": _signals(line, since, until),
        "holds": _holds(line, since, until),
        "outages": _outages(line, since, until),
        "events": _events(line, since, until),
        "versions": _versions(line, since, until),
    }


def handovers(line_ids: Iterable[int]) -> QuerySet[Handover]:
    """The newest first."""
    return Handover.objects.filter(line__in=line_ids).select_related("line__area__site", "given_by", "accepted_by")


def _modes(line: Line, since: datetime, until: datetime) -> list[Json]:
    """Each loop's mode at the end, since when, and how it came to it. The record knows what was later changed."""
    loops = Loop.objects.filter(equipment__line=line).select_related("equipment").order_by("equipment__position", "id")
    told: dict[str, list[AuditEntry]] = defaultdict(list)
    for row in _recorded(line, ["loop.mode"]).filter(at__gte=since):
        told[row.object_id].append(row)
    return [_mode(loop, told[str(loop.pk)], until) for loop in loops]


def _mode(loop: Loop, rows: list[AuditEntry], until: datetime) -> Json:
    within = [row for row in rows if row.at < until]
    later = next((row for row in rows if row.at >= until), None)
    stood = {"requested": loop.requested_mode, "actual": loop.actual_mode} if later is None else later.old or {}
    begun = within[-1].at if within else loop.mode_since if later is None else None
    changed = [{"at": _iso(row.at), "to": (row.new or {}).get("actual"), **_by(row)} for row in within]
    return {"loop": loop.pk, "key": _key(loop), **stood, "since": _iso(begun), "changed": changed}


def _changes(line: Line, since: datetime, until: datetime) -> Json:
    ended_or_open = Q(state__in=OPEN) | Q(state_since__gte=since) | Q(applied_at__gte=since)
    rows = Change.objects.filter(ended_or_open, line=line, proposed_at__lt=until).order_by("pk")
    found: dict[str, list[Change]] = defaultdict(list)
    for change in rows.select_related("loop__equipment", "decided_by", "reason_code").prefetch_related("moves__tag"):
        if kind := _kind(change, since, until):
            found[kind].append(change)
    counts = Counter({kind: len(changes) for kind, changes in found.items()})
    return {"counts": counts} | {kind: [_change(one) for one in found[kind][-MOST:]] for kind in ("open", *LISTED)}


def _kind(change: Change, since: datetime, until: datetime) -> str | None:
    """What the shift has to say of a change: one thing, in the shift in which it happened; open is said of the end."""
    if change.applied_at and change.applied_at < until and State(change.state) not in OPEN:
        return State.APPLIED if change.applied_at >= since else None
    if State(change.state) not in ENDED or change.state_since >= until:
        return "open"
    return change.state if change.state_since >= since else None


def _change(change: Change) -> Json:
    return {
        "id": change.pk, "loop": change.loop_id, "key": _key(change.loop), "state": change.state,
        "at": _iso(change.applied_at or change.state_since), "needs": change.needs,
        "by": change.decided_by.get_username() if change.decided_by else None,
        "reason_code": change.reason_code.key if change.reason_code else None, "reason": change.reason,
        "moves": [
            {"tag": move.tag.key, "unit": move.tag.unit, "from": move.from_value, "to": move.to_value}
            for move in change.moves.all()
        ],
    }  # fmt: skip


def _signals(line: Line, since: datetime, until: datetime) -> Json:
    """Those that had no cause at the end, one for each cause, and how many came and were answered."""
    rows = Signal.objects.filter(line=line, joins__isnull=True, raised_at__lt=until)
    without = rows.filter(Q(closed_at__isnull=True) | Q(closed_at__gte=until)).order_by("priority", "-last_at")
    listed = without.select_related("stream__lane__equipment", "stream__characteristic", "loop__equipment")[:MOST]
    return {
        "raised": rows.filter(raised_at__gte=since).count(),
        "answered": rows.filter(closed_at__gte=since, closed_at__lt=until).count(),
        "without": without.count(),
        "open": [_signal(row) for row in listed],
    }


def _signal(row: Signal) -> Json:
    stream, loop = row.stream, row.loop
    where = f"{stream.lane.equipment.key}.{stream.key}" if stream else _key(loop) if loop else ""
    return {
        "id": row.pk, "kind": row.kind, "stream": row.stream_id, "loop": row.loop_id, "key": where, "rule": row.rule,
        "priority": row.priority, "first_at": _iso(row.first_at), "last_at": _iso(row.last_at), "points": row.points,
        "detail": row.detail,
    }  # fmt: skip


def _holds(line: Line, since: datetime, until: datetime) -> list[Json]:
    on = Q(ended_at__isnull=True) | Q(ended_at__gt=since)
    here = Q(line=line) | Q(site=line.area.site_id)
    rows = Hold.objects.filter(on, here, since__lt=until).select_related("by", "ended_by", "site").order_by("since")
    return [_hold(row, until) for row in rows]


def _hold(row: Hold, until: datetime) -> Json:
    ended = row.ended_at is not None and row.ended_at < until
    return {
        "loop": row.loop_id, "site": row.site.key if row.site else None, "since": _iso(row.since),
        "by": row.by.get_username(), "reason": row.reason,
        "ended_at": _iso(row.ended_at) if ended else None,
        "ended_by": row.ended_by.get_username() if ended and row.ended_by else None,
    }  # fmt: skip


def _outages(line: Line, since: datetime, until: datetime) -> list[Json]:
    """Where a machine sent nothing for more than OUTAGE_SCANS scans."""
    found = []
    for machine in Equipment.objects.filter(line=line).order_by("position", "id"):
        longest_s = OUTAGE_SCANS * max(machine.cycle_s, 1.0)
        told = {"id": machine.pk, "since": since, "until": until, "longest_s": longest_s}
        with connection.cursor() as cursor:
            cursor.execute(GAPS, told)
            gaps = cursor.fetchall()
        found += [{"equipment": machine.pk, "key": machine.key, "from": _iso(a), "to": _iso(b)} for a, b in gaps[:MOST]]
    return found


def _events(line: Line, since: datetime, until: datetime) -> list[Json]:
    """What was told of or seen in the shift, also if it had happened shortly before."""
    rows = ProcessEvent.objects.filter(equipment__line=line, recorded_at__gte=since, recorded_at__lt=until)
    return [
        {
            "equipment": row.equipment_id, "key": row.equipment.key, "kind": row.kind, "side": row.side,
            "at": _iso(row.at), "note": row.note, "by": row.recorded_by.get_username() if row.recorded_by else None,
        }
        for row in rows.select_related("equipment", "recorded_by").order_by("at", "id")
    ]  # fmt: skip


def _versions(line: Line, since: datetime, until: datetime) -> list[Json]:
    rows = _recorded(line, VERSIONED).filter(at__gte=since, at__lt=until)
    for kind in (Limits.KIND, Estimator.KIND):  # told of the stream, of the machine
        rows = rows.exclude(action="version.activate", new__version__startswith=f"{kind} ")
    return [
        {"at": _iso(row.at), "action": row.action, "object": row.object_type, "id": row.object_id, **_by(row)}
        for row in rows
    ]


def _recorded(line: Line, actions: Iterable[str]) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(line_id=line.pk, action__in=list(actions)).order_by("number")


def _by(row: AuditEntry) -> Json:
    return {"by": row.actor_name, "reason": row.reason}


def _key(loop: Loop) -> str:
    return f"{loop.equipment.key}.{loop.key}"


def _iso(at: datetime | None) -> str | None:
    return at and at.isoformat()
