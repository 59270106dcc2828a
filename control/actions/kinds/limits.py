"""The control limits of a stream as a kind of version: every chart that judges it, with its rules.

``charts`` has for each chart what it judges by and what it was found from, ``excluded`` what of the window was left
out. None of it is ever typed: control.actions.limits draws it from a window. Past charts, and whatever judges, read the
rows of Limits that are written when a version comes into force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from control import events
from control.actions import audit
from control.actions.audit import Actor
from control.actions.kinds.kind import Content, Kind, plainly
from control.core.spc.rules import BEYOND, LENGTHS, ZONES
from control.models import Limits, Line, Stream, Version, VersionState
from control.queries.points import rule_names

Chart = Limits.Chart
LIKE_SINGLE = (Chart.EWMA, Chart.CUSUM, Chart.T2, Chart.MEWMA)  # of the very mean and sigma of the single values
SHOWN = ("mean", "sigma", "lower", "upper", "n", "method", "window_from", "window_to")


def content(rows: Sequence[Limits], excluded: Sequence[Mapping[str, Any]]) -> Content:
    return {"charts": {str(row.chart): row.told() for row in rows}, "excluded": list(excluded)}


def _scope(line: Line, scope: int) -> Stream | None:
    rows = Stream.objects.filter(pk=scope, lane__equipment__line=line)
    return rows.select_related("characteristic", "lane__equipment__line__area__site").first()


def _shown(told: Mapping[str, Any]) -> dict[str, Any]:
    """Each chart's limits, rules and false alarms; how lanes move together is in the whole content alone."""
    charts = told.get("charts", {})
    shown = {f"{chart}.{name}": value for chart in Chart.values if chart in charts
             for name, value in _of_a_chart(chart, charts[chart])}  # fmt: skip
    left_out = sum(one["points"] for one in told.get("excluded", []))
    return shown | ({"excluded": left_out} if charts else {})


def _of_a_chart(chart: str, told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if chart not in LIKE_SINGLE:
        mean, sigma = told["mean"], told["sigma"]
        reach = told["parameters"].get("beyond", BEYOND.beyond)
        whole = {**told, **dict(zip(("lower", "upper"), Limits.lines(chart, mean, sigma, reach), strict=True))}
        yield from ((name, whole[name]) for name in SHOWN)
    yield "rules", ", ".join(rule_names(told["rules"]))
    yield "per_shift", told["expected"].get("per_shift")
    for name, value in sorted(told["parameters"].items()):
        if name == "others":
            yield name, ", ".join(value)
        elif isinstance(value, str | int | float) and not _goes_without_saying(name, value, told["rules"]):
            yield name, value


def _goes_without_saying(name: str, value: object, rules: int) -> bool:
    """Zones are those that every set has, and a run that no rule looks at has no length."""
    return (name in ZONES and value == getattr(BEYOND, name)) or (name in LENGTHS and not LENGTHS[name] & rules)


def write(version: Version, now: datetime) -> int | None:
    """The rows by which it judges from ``now`` on, in place of those in force; returns the number of the latter."""
    active = Limits.objects.filter(stream=version.scope, state=VersionState.ACTIVE)
    before = active.values_list("number", flat=True).first()
    active.update(state=VersionState.SUPERSEDED, effective_to=now)
    Limits.objects.bulk_create(Limits.of(version))
    return before


def _take_effect(version: Version, *, actor: Actor, now: datetime) -> None:
    stream = Stream.objects.select_related("lane").get(pk=version.scope)
    before = write(version, now)
    audit.record(
        actor=actor, action="limits.in_force", obj=stream, now=now, reason=version.reason, line=version.line_id,
        old={"number": before}, new={"number": version.number, **_in_short(version.content)},
    )  # fmt: skip
    events.publish("plant", line_id=version.line_id, equipment_id=stream.lane.equipment_id)


def _in_short(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit says of a version."""
    charts = told["charts"]
    one = next(charts[chart] for chart in Limits.SINGLE if chart in charts)
    return {
        "mean": one["mean"], "sigma": one["sigma"], "n": one["n"], "method": one["method"],
        "from": one["window_from"], "to": one["window_to"],
        "charts": {chart: row["rules"] for chart, row in charts.items()},
        "false_alarms_per_shift": sum(row["expected"].get("per_shift", 0.0) for row in charts.values()),
    }  # fmt: skip


LIMITS = Kind(
    key=Limits.KIND,
    scope_of=_scope,
    usual=lambda stream: {},
    faults=lambda stream, told: [],
    shown=_shown,
    value=plainly,
    take_effect=_take_effect,
    drawn=True,
)
