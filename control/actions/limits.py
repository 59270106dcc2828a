"""Control limits are drawn from a stretch of metrology, never typed: drafted, reviewed by another, then in force.

A version is all charts of a stream with one number. Nothing recalculates limits by itself, and none holds backwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db.models import FloatField, Func

from control.actions import audit, chart_rows, machines, phase_one, versions
from control.actions._version import begin
from control.actions.audit import Actor
from control.actions.authority import Right, require
from control.actions.chart_choice import PARAMETERS, Choice
from control.actions.errors import Invalid
from control.actions.kinds import LIMITS, Content
from control.actions.kinds.limits import content, write
from control.actions.loops import lock
from control.actions.phase_one import Weighed
from control.core.machine import WECO
from control.core.spc import limits as core
from control.core.spc.false_alarms import sampled_every
from control.core.types import MeasuredBy, Quality, Rule
from control.models import Equipment, Limits, Line, Measurement, Stream, Version, VersionState

OF_FAST_DATA = Rule.BEYOND_3_SIGMA
EPOCH_S = Func("at", template="date_part('epoch', %(expressions)s)", output_field=FloatField())
ROUGHLY = 100_000  # points simulated for each stream of a machine drawn at once
Source = Version.Source


@dataclass(frozen=True, slots=True)
class Drawn:
    """Streams that have their first limits, those whose new ones wait for a review, and why the others have none."""

    streams: list[str]
    waiting: list[str]
    refused: Mapping[str, str]


def draft(stream: Stream, choice: Choice, *, actor: User, now: datetime, reason: str) -> Version:
    """A draft of what ``choice`` gives, with the false alarms it foretells."""
    asked: dict[str, Any] = {"actor": actor, "now": now, "reason": reason}
    return keep(stream, found(stream, choice, **asked), source=Source.PAGE, **asked)


def found(stream: Stream, choice: Choice, *, actor: User, now: datetime, reason: str) -> Content:
    """What ``choice`` gives, for whoever may draft it. It simulates for seconds, so no transaction should be open."""
    line = stream.lane.equipment.line
    with audit.refusals(actor=actor, action="limits.draft", obj=stream, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        if not reason.strip():
            raise Invalid("reason_needed", "Limits are changed for a reason: give it.")
        try:
            weighed = phase_one.weigh(stream, choice)
        except ValueError as why:
            raise Invalid("no_limits", str(why)) from None
    return content(weighed.rows, _told_excluded(weighed, choice))


def keep(stream: Stream, told: Content, *, actor: User, now: datetime, reason: str, source: str) -> Version:
    """Store as a draft what was found."""
    line = stream.lane.equipment.line
    return versions.draft(
        LIMITS.key, line, stream.pk, told, actor=actor, now=now, reason=reason, source=source, drawn=True
    )  # fmt: skip


def draw(
    equipment: Equipment, *, since: datetime, until: datetime, actor: Actor, now: datetime, reason: str = ""
) -> Drawn:
    """Find mean and sigma of each stream in ``[since, until)``.

    The first limits of a stream are in force from ``now``; any others wait for somebody to review them. The line is
    locked only once all are found.
    """
    found, refused = dict[Stream, Content](), dict[str, str]()
    for stream in machines.streams_of(equipment):
        try:
            found[stream] = content(*_rows(stream, since, until))
        except ValueError as why:
            refused[stream.key] = str(why)
    told: dict[str, Any] = {"refused": refused, "from": since, "to": until}
    with audit.atomic():
        first = {stream.key: _begin(stream, equipment.line, of, actor=actor, now=now, reason=reason)
                 for stream, of in found.items()}  # fmt: skip
        done, waiting = ([key for key, is_first in first.items() if is_first is which] for which in (True, False))
        told |= {"drawn": done, "waiting": waiting}
        audit.record(
            actor=actor, action="limits.draw", obj=equipment, now=now, new=told, reason=reason, line=equipment.line_id
        )
    return Drawn(done, waiting, refused)


def _begin(stream: Stream, line: Line, told: Content, *, actor: Actor, now: datetime, reason: str) -> bool:
    """In force if nothing ever was, else in review; True for the former."""
    asked: dict[str, Any] = {"line": line, "actor": actor, "now": now, "reason": reason[:400]}
    lock(line.pk)
    ever = Version.objects.filter(kind=LIMITS.key, scope=stream.pk, effective_from__isnull=False)
    if not ever.exists():
        write(versions.install(LIMITS.key, scope=stream.pk, content=told, **asked), now)
        return True
    base = versions.active(LIMITS.key, stream.pk)
    begin(LIMITS.key, stream.pk, told, state=VersionState.IN_REVIEW, source=Source.TRAINING, base=base, **asked)
    return False


def _rows(stream: Stream, since: datetime, until: datetime) -> tuple[list[Limits], list[dict[str, Any]]]:
    """The charts, and what was left out. Where neighbours are alike, sigma is that of all values and only single points
    far out are judged."""
    if stream.characteristic.counted:
        return list(phase_one.weigh(stream, phase_one.usual(stream, since, until)).rows), []
    rows = Measurement.objects.filter(
        equipment=stream.lane.equipment_id, stream=stream, at__gte=since, at__lt=until,
        by=MeasuredBy.GAUGE, quality=Quality.GOOD, value__isnull=False,
    )  # fmt: skip
    told = np.array(list(rows.order_by("at").values_list(EPOCH_S, "value")), np.float64)
    at_s, values = told.reshape(-1, 2).T
    wild = core.wild(values)
    drawn = core.phase_one(values, at_s, excluded=wild)
    fast = drawn.lag_1 > phase_one.AUTOCORRELATED
    if fast:
        drawn = core.phase_one(values, at_s, method="standard_deviation", excluded=wild)
    common: dict[str, Any] = {
        "mean": drawn.mean,
        "sigma": drawn.sigma,
        "n": drawn.n,
        "method": drawn.method,
        "window_from": datetime.fromtimestamp(drawn.from_s, UTC),
        "window_to": datetime.fromtimestamp(drawn.to_s, UTC),
    }
    more = {"lag_1": round(drawn.lag_1, 3)}
    charts = [Limits(chart=Limits.Chart.INDIVIDUALS, rules=OF_FAST_DATA if fast else WECO, parameters=more, **common)]
    if not fast:
        more = more | PARAMETERS[Limits.Chart.EWMA]
        charts.append(Limits(chart=Limits.Chart.EWMA, rules=Rule.EWMA, parameters=more, **common))
    chart_rows.foretell(charts, values, sampled_every(at_s), ROUGHLY)
    return charts, [{"points": drawn.excluded, "reason": "wild reading"}] if drawn.excluded else []


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
