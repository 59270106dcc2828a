"""What surrounds the points of a lane's charts in a time range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from ninja import Schema

from control.models import Lane, Limits, Recipe, SetPointMove
from control.queries import lane as queries
from control.queries import limits as limit_queries
from control.queries import process_events
from dashboards import wording
from dashboards.instants import aware
from dashboards.names import Names

ZONE_STEP = timedelta(hours=1)
LONGEST = timedelta(days=400)  # a frame is not asked about for longer
NO_SPEC: dict[str, float | None] = {"lower": None, "target": None, "upper": None}
TAIL = timedelta(days=2)  # an open page goes on for so long with the zone it was given


class LimitsStep(Schema):
    """One version of control limits, for as long as it was in force within the range.

    Those of counts are for a sample of the size ``sample``; of another size n they lie sqrt(sample / n) times as far
    from the mean, never below 0 nor above ``most``.
    """

    number: int
    mean: float
    sigma: float
    lower: float
    upper: float
    sample: float | None
    most: float | None
    start: datetime
    end: datetime | None


class SpecStep(Schema):
    """A specification, for as long as a recipe said so; None where it said nothing."""

    lower: float | None
    target: float | None
    upper: float | None
    start: datetime
    end: datetime | None


class StreamFrame(Schema):
    """``lower``, ``target`` and ``upper`` are the specification at the end of the range, ``specs`` all within it.

    ``as_counts``: what is charted last in the range is the count itself, n times the value, without unit and
    specification.
    """

    id: int
    key: str
    name: str
    unit: str
    decimals: int
    lower: float | None
    target: float | None
    upper: float | None
    specs: list[SpecStep]
    limits: list[LimitsStep]
    as_counts: bool


class Event(Schema):
    at: datetime
    kind: str
    text: str
    change: int | None = None


class Offset(Schema):
    """From this instant on, the plant's clock shows UTC plus so many minutes, and calls it so."""

    start: datetime
    minutes: int
    name: str


class Frame(Schema):
    zone: str
    offsets: list[Offset]
    streams: list[StreamFrame]
    events: list[Event]
    rules: dict[str, str]
    doubts: dict[str, str]


def frame(lane: Lane, start: datetime, end: datetime) -> Frame:
    start, end = aware(start), aware(end)
    start = max(start, end - LONGEST)
    line = lane.equipment.line
    return Frame(
        zone=line.time_zone,
        offsets=list(offsets(line.time_zone, start, end + TAIL)),
        streams=_streams(lane, start, end),
        events=sorted(
            [*_moves(lane, start, end), *_rolls(lane, start, end), *_process(lane, start, end)],
            key=lambda event: event.at,
        ),
        rules={rule.name.lower(): str(words) for rule, words in wording.RULES.items()},
        doubts={doubt.name.lower(): str(words) for doubt, words in wording.DOUBTS.items()},
    )


def offsets(zone: str, start: datetime, end: datetime) -> Iterator[Offset]:
    """The zone's offsets in the range, so that a browser needs to know nothing of zones; found to the hour."""
    here, at = ZoneInfo(zone), start.replace(minute=0, second=0, microsecond=0)
    last = None
    while at <= end:
        local = at.astimezone(here)
        told = local.utcoffset(), local.tzname()
        if told != last:
            yield Offset(start=at, minutes=int((told[0] or timedelta()).total_seconds() // 60), name=told[1] or zone)
        last, at = told, at + ZONE_STEP


def _streams(lane: Lane, start: datetime, end: datetime) -> list[StreamFrame]:
    recipes = queries.recipes_between(lane.equipment.line_id, start, end)
    steps: dict[int, list[LimitsStep]] = {}
    as_counts: dict[int, bool] = {}
    single = queries.limits_between(lane, start, end).filter(chart__in=Limits.SINGLE)
    for row in single.order_by("stream_id", "effective_from"):
        steps.setdefault(row.stream_id, []).extend(_steps(row, row.begun, start, end))
        as_counts[row.stream_id] = row.chart in Limits.AS_COUNTS
    framed = []
    for stream in queries.streams_of(lane):
        counts = as_counts.get(stream.pk, False)  # a specification is of the rate
        specs = [] if counts else _specs(stream.key, lane.equipment.key, recipes)
        about = stream.characteristic
        framed.append(
            StreamFrame(
                id=stream.pk,
                key=stream.key,
                name=str(about),
                unit="" if counts else about.unit,
                decimals=about.decimals,
                **(specs[-1].dict(include={"lower", "target", "upper"}) if specs else NO_SPEC),
                specs=specs,
                limits=steps.get(stream.pk, []),
                as_counts=counts,
            )
        )
    return framed


def _specs(stream: str, machine: str, recipes: Iterable[tuple[Recipe, datetime, datetime | None]]) -> list[SpecStep]:
    """Recipes one after the other that say the same are one step."""
    found: list[SpecStep] = []
    for recipe, start, end in recipes:
        told = {**NO_SPEC, **(recipe.stream_spec(machine, stream) or {})}
        if found and found[-1].end == start and found[-1].dict(include=set(NO_SPEC)) == told:
            found[-1].end = end
        else:
            found.append(SpecStep(**told, start=start, end=end))
    return found


def _steps(row: Limits, begun: datetime, start: datetime, end: datetime) -> Iterator[LimitsStep]:
    """One, or of a short-run chart one for every recipe."""
    if "nominal" not in row.parameters:
        yield _step(row, None, begun, row.effective_to)
        return
    recipes = limit_queries.recipes_begun(row.stream, max(start, begun), row.effective_to or end)
    begins = [begun, *recipes]
    targets = limit_queries.targets(row.stream, np.array([at.timestamp() for at in begins]))
    for begin, until, target in zip(begins, [*begins[1:], row.effective_to], targets.tolist(), strict=True):
        yield _step(row, None if np.isnan(target) else target, begin, until)


def _step(row: Limits, target: float | None, start: datetime, end: datetime | None) -> LimitsStep:
    mean, sigma = row.under(target)
    lower, upper = Limits.lines(row.chart, mean, sigma, row.reach)
    most = 1.0 if row.chart in Limits.SHARES else None
    sample = row.parameters["sample"] if row.chart in Limits.COUNTS else None
    return LimitsStep(
        number=row.number, mean=mean, sigma=sigma, lower=lower, upper=upper, sample=sample, most=most, start=start,
        end=end,
    )  # fmt: skip


def _moves(lane: Lane, start: datetime, end: datetime) -> Iterator[Event]:
    row: SetPointMove
    for row in queries.moves_between(lane, start, end):
        yield Event(at=row.change.applied_at, kind="move", text=wording.move_sentence(row), change=row.change_id)


def _rolls(lane: Lane, start: datetime, end: datetime) -> Iterator[Event]:
    for roll in queries.rolls_between(lane, start, end):
        text = wording.roll(roll.number, roll.lot)
        yield Event(at=roll.started_at, kind="roll", text=text)


def _process(lane: Lane, start: datetime, end: datetime) -> Iterator[Event]:
    """What happened to the machine, on this lane's side of the web."""
    names = Names(lane.equipment.line_id)
    for row in process_events.between(lane.equipment, start, end):
        if process_events.concerns(row, lane.side):
            note = names.event_note(row.equipment_id, row.note)
            yield Event(at=row.at, kind="process", text=" · ".join(part for part in (str(row), note) if part))
