"""Control limits are drawn from a stretch of metrology, never typed: drafted, then put in force from a moment.

A version is all charts of a stream with one number. Nothing recalculates limits by itself, and none holds backwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db.models import Max

from control import events
from control.actions import audit, chart_rows, machines, phase_one
from control.actions.audit import Actor
from control.actions.authority import Right, require
from control.actions.chart_choice import PARAMETERS, Choice
from control.actions.errors import Conflict, Invalid
from control.actions.phase_one import Weighed
from control.core.machine import WECO
from control.core.spc import limits as core
from control.core.spc.false_alarms import sampled_every
from control.core.types import MeasuredBy, Quality, Rule
from control.models import Equipment, Limits, Measurement, Stream, VersionState

OF_FAST_DATA = Rule.BEYOND_3_SIGMA
ROUGHLY = 100_000  # points simulated for each stream of a machine drawn at once


@dataclass(frozen=True, slots=True)
class Drawn:
    """Streams that have new limits, and why the others have none."""

    streams: list[str]
    refused: Mapping[str, str]


def draft(stream: Stream, choice: Choice, *, actor: User, now: datetime, reason: str) -> int:
    """Store what ``choice`` gives as a draft, with the false alarms it foretells; returns its number."""
    line = stream.lane.equipment.line
    with audit.refusals(actor=actor, action="limits.draft", obj=stream, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        _need(reason)
        try:
            weighed = phase_one.weigh(stream, choice)  # simulates for seconds: in no transaction
        except ValueError as why:
            raise Invalid("no_limits", str(why)) from None
    return _store(stream, weighed, _told_excluded(weighed, choice), actor=actor, now=now, reason=reason)


def _store(
    stream: Stream, weighed: Weighed, excluded: list[dict[str, Any]], *, actor: User, now: datetime, reason: str
) -> int:
    line = stream.lane.equipment.line
    with audit.atomic():
        number = _next_number(_locked(stream))
        for row in weighed.rows:
            row.number, row.reason, row.excluded = number, reason.strip()[:400], excluded
            row.created_at, row.created_by = now, actor
        Limits.objects.bulk_create(weighed.rows)
        told = {"number": number, **_told(weighed.rows), "excluded": excluded}
        audit.record(actor=actor, action="limits.draft", obj=stream, now=now, new=told, reason=reason, line=line)
    return number


def activate(stream: Stream, number: int, *, actor: User, now: datetime, reason: str) -> None:
    """Put a draft in force from ``now``; what was in force is superseded. Of two at once, one does."""
    line = stream.lane.equipment.line
    with audit.attempt(actor=actor, action="limits.activate", obj=stream, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        _need(reason)
        rows = _drafted(_locked(stream), number)
        before = stream.limits.filter(state=VersionState.ACTIVE).values_list("number", flat=True)
        old = {"number": max(before, default=None)}
        _put_in_force(stream, rows, now, actor)
        told = {"number": number, **_told(rows)}
        audit.record(
            actor=actor, action="limits.activate", obj=stream, now=now, old=old, new=told, reason=reason, line=line
        )
        events.publish("plant", line_id=line.pk, equipment_id=stream.lane.equipment_id)


def discard(stream: Stream, number: int, *, actor: User, now: datetime) -> None:
    """A draft that nobody wants; it stays to be read."""
    line = stream.lane.equipment.line
    with audit.attempt(actor=actor, action="limits.discard", obj=stream, line=line, now=now):
        require(actor, Right.CONFIGURE, line, now)
        rows = _drafted(_locked(stream), number)
        stream.limits.filter(pk__in=[row.pk for row in rows]).update(state=VersionState.REJECTED)
        audit.record(actor=actor, action="limits.discard", obj=stream, now=now, new={"number": number}, line=line)


def draw(
    equipment: Equipment, *, since: datetime, until: datetime, actor: Actor, now: datetime, reason: str = ""
) -> Drawn:
    """Find mean and sigma of each stream in ``[since, until)`` and put them in force from ``now``."""
    done, refused = [], {}
    with audit.atomic():
        for stream in machines.streams_of(equipment):
            try:
                _draw(stream, since, until, actor, now, reason)
                done.append(stream.key)
            except ValueError as why:
                refused[stream.key] = str(why)
        told = {"drawn": done, "refused": refused, "from": since, "to": until}
        audit.record(
            actor=actor, action="limits.draw", obj=equipment, now=now, new=told, reason=reason, line=equipment.line_id
        )
    return Drawn(done, refused)


def _draw(stream: Stream, since: datetime, until: datetime, actor: Actor, now: datetime, reason: str) -> None:
    """Where neighbours are alike, sigma is that of all values and only single points far out are judged."""
    rows = Measurement.objects.filter(
        equipment=stream.lane.equipment_id, stream=stream, at__gte=since, at__lt=until,
        by=MeasuredBy.GAUGE, quality=Quality.GOOD, value__isnull=False,
    )  # fmt: skip
    told = list(rows.order_by("at").values_list("at", "value"))
    at_s = np.array([at.timestamp() for at, _ in told])
    values = np.array([value for _, value in told], np.float64)
    wild = core.wild(values)
    found = core.phase_one(values, at_s, excluded=wild)
    fast = found.lag_1 > phase_one.AUTOCORRELATED
    if fast:
        found = core.phase_one(values, at_s, method="standard_deviation", excluded=wild)
    common: dict[str, Any] = {
        "stream": stream,
        "number": _next_number(stream),
        "mean": found.mean,
        "sigma": found.sigma,
        "n": found.n,
        "method": found.method,
        "window_from": datetime.fromtimestamp(found.from_s, UTC),
        "window_to": datetime.fromtimestamp(found.to_s, UTC),
        "excluded": [{"points": found.excluded, "reason": "wild reading"}] if found.excluded else [],
        "reason": reason[:400],
        "created_at": now,
    }
    more = {"lag_1": round(found.lag_1, 3)}
    charts = [Limits(chart=Limits.Chart.INDIVIDUALS, rules=OF_FAST_DATA if fast else WECO, parameters=more, **common)]
    if not fast:
        more = more | PARAMETERS[Limits.Chart.EWMA]
        charts.append(Limits(chart=Limits.Chart.EWMA, rules=Rule.EWMA, parameters=more, **common))
    chart_rows.foretell(charts, values, sampled_every(at_s), ROUGHLY)
    Limits.objects.bulk_create(charts)
    _put_in_force(stream, charts, now, None if isinstance(actor, str) else actor)


def _put_in_force(stream: Stream, rows: Sequence[Limits], now: datetime, by: User | None) -> None:
    active = stream.limits.filter(state=VersionState.ACTIVE)
    active.update(state=VersionState.SUPERSEDED, effective_to=now)
    stream.limits.filter(pk__in=[row.pk for row in rows]).update(
        state=VersionState.ACTIVE, effective_from=now, activated_by=by
    )


def _locked(stream: Stream) -> Stream:
    """The stream, for the rest of the transaction: its versions are numbered and put in force one after the other."""
    return Stream.objects.select_for_update(no_key=True, of=("self",)).get(pk=stream.pk)


def _next_number(stream: Stream) -> int:
    return (stream.limits.aggregate(last=Max("number"))["last"] or 0) + 1


def _drafted(stream: Stream, number: int) -> list[Limits]:
    rows = list(stream.limits.filter(number=number))
    states = {str(row.state) for row in rows}
    if states != {VersionState.DRAFT}:
        raise Conflict("not_a_draft", f"Version {number} is no draft.", {"state": {"is": ", ".join(sorted(states))}})
    return rows


def _need(reason: str) -> None:
    if not reason.strip():
        raise Invalid("reason_needed", "Limits are changed for a reason: give it.")


def _told(rows: Sequence[Limits]) -> dict[str, Any]:
    """What the audit says of a version."""
    one = rows[0]
    return {
        "mean": one.mean, "sigma": one.sigma, "n": one.n, "method": one.method,
        "from": one.window_from, "to": one.window_to,
        "charts": {row.chart: row.rules for row in rows},
        "false_alarms_per_shift": sum(row.expected.get("per_shift", 0.0) for row in rows),
    }  # fmt: skip


def _told_excluded(weighed: Weighed, choice: Choice) -> list[dict[str, Any]]:
    at_s = weighed.window.at_s
    return [
        {
            "from": one.since.isoformat(),
            "to": one.until.isoformat(),
            "points": int(np.sum((at_s >= one.since.timestamp()) & (at_s <= one.until.timestamp()))),
            "reason": one.reason.strip()[:400],
        }
        for one in choice.excluded
    ]
