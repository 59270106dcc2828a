"""A small plant and its people in the database, the same for every test that needs one.

One line with one coater: four lanes on top, loading measured 60 m behind the die, one loop that moves a pump and four
slot bolts. ``plant()`` makes it whole; ``snapshot()`` and ``point()`` add what the machine and the pipeline would.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from operator import attrgetter

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from psycopg.sql import SQL, Identifier

from control.actions import changes
from control.actions.signing import Hand
from control.core.types import Contribution, Expected, MeasuredBy, Move, Proposal, Quality
from control.models import (
    ActionCode,
    Area,
    CauseCode,
    Change,
    Characteristic,
    Equipment,
    Grant,
    Handshake,
    Intake,
    Lane,
    Line,
    Loop,
    Mode,
    Point,
    Product,
    ReasonCode,
    Recipe,
    Roll,
    Site,
    Snapshot,
    Source,
    Stream,
    Tag,
    VersionState,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=365)
SPEC = {"lower": 19.4, "target": 20.0, "upper": 20.6}
GRANTED = ("operator", "operator2", "supervisor", "supervisor2", "engineer", "admin", "viewer", "auditor")
LANES = (1, 2, 3, 4)
BOLTS = tuple(f"bolt_top_{lane}" for lane in LANES)
BOLT_DEFAULTS = {"unit": "um", "kind": "parameter", "low": 0, "high": 1000, "machine_low": 300, "machine_high": 700}
TAGS: dict[str, dict[str, object]] = {
    "pump_top": {
        "unit": "rpm", "kind": "parameter", "low": 0, "high": 120,
        "machine_low": 20, "machine_high": 100, "max_step": 3.0, "deadband": 0.02,
    },
    **{bolt: {**BOLT_DEFAULTS, "max_step": 20.0, "deadband": 0.5} for bolt in BOLTS},
    "solids": {"unit": "%", "kind": "process", "low": 40, "high": 80},
    "line_speed": {"unit": "m/min", "kind": "process", "low": 0, "high": 100},
    "web_position": {"unit": "m", "kind": "process", "low": 0, "high": 1e6},
    "roll_number": {"unit": "", "kind": "status", "low": 0, "high": 1e9},
}  # fmt: skip
USUAL: dict[str, float] = {
    "pump_top": 60.0,
    **dict.fromkeys(BOLTS, 500.0),
    "solids": 65.0,
    "line_speed": 30.0,
    "web_position": 1000.0,
    "roll_number": 7,
}
SETTINGS = {
    "cvs": [f"loading/{lane}-top" for lane in LANES],
    "mvs": ["pump_top", *BOLTS],
    "gains": [[0.33, *(0.01 if bolt == lane else 0.0 for bolt in LANES)] for lane in LANES],
    "sum_zero": list(BOLTS),
    "ewma_weight": 0.3,
    "deadband": 0.06,
    "dead_time_m": 60.0,
}
_numbers = count(1)


@dataclass(frozen=True)
class Plant:
    """Rows of one small plant; people by name: ``plant.people["operator"]``."""

    site: Site
    area: Area
    line: Line
    coater: Equipment
    source: Source
    recipe: Recipe
    roll: Roll
    loop: Loop
    people: dict[str, User]

    @cached_property
    def tags(self) -> dict[str, Tag]:
        return {tag.key: tag for tag in self.coater.tags.all()}

    @cached_property
    def streams(self) -> dict[str, Stream]:
        rows = Stream.objects.filter(lane__equipment=self.coater).select_related("lane", "characteristic")
        return {stream.key: stream for stream in rows}

    def person(self, name: str) -> User:
        return self.people[name]


def plant(key: str = "cathode-1", *, mode: str = Mode.SUPERVISED, area: Area | None = None) -> Plant:
    """A whole small plant. Call it again with another ``key`` (and the same ``area``) for a second line."""
    area = area or make_area()
    line = Line.objects.create(area=area, key=key, name=f"Line {key}", name_ko=f"{key} 라인")
    coater = Equipment.objects.create(
        line=line, key="coater", name="Coater", name_ko="코터", kind="coater", gauge_distance_m=60.0,
        connector={"kind": "none"},
        web={"position": "web_position", "speed": "line_speed", "roll": "roll_number"},
    )  # fmt: skip
    _tags(coater)
    _streams(coater)
    recipe = make_recipe(line)
    return Plant(
        site=area.site,
        area=area,
        line=line,
        coater=coater,
        source=Source.objects.create(line=line, key=f"{key}-gateway"),
        recipe=recipe,
        roll=Roll.objects.create(equipment=coater, number=7, lot="S-0042", recipe=recipe, started_at=NOW),
        loop=make_loop(coater, mode=mode),
        people=cast(line),
    )


def make_area(key: str = "demo") -> Area:
    site = Site.objects.create(key=key, name="Demo site", name_ko="데모 공장", time_zone="Asia/Seoul")
    return Area.objects.create(site=site, key="electrode", name="Electrode", name_ko="전극")


def make_recipe(line: Line, *, number: int = 1, state: str = VersionState.ACTIVE, **set_points: float) -> Recipe:
    product, _ = Product.objects.get_or_create(key="nmc", defaults={"name": "NMC cathode", "name_ko": "NMC 양극"})
    targets = {key: USUAL[key] for key in ("pump_top", *BOLTS)} | set_points
    content = {
        "set_points": {f"coater.{key}": value for key, value in targets.items()},
        "specs": {"coater.loading": SPEC},
    }
    return Recipe.objects.create(
        line=line, product=product, number=number, state=state, content=content, effective_from=LONG_AGO
    )


def make_loop(coater: Equipment, key: str = "loading-top", *, mode: str = Mode.SUPERVISED) -> Loop:
    return Loop.objects.create(
        equipment=coater, key=key, name="Loading, top", name_ko="상면 로딩", settings=SETTINGS,
        requested_mode=mode, actual_mode=mode, mode_since=LONG_AGO,
    )  # fmt: skip


def cast(line: Line) -> dict[str, User]:
    """Everyone who matters: one user a role, two operators and supervisors, an outsider, a superuser without grants."""
    names: dict[str, dict[str, object]] = {name: {} for name in (*GRANTED, "outsider")}
    names["root"] = {"is_superuser": True, "is_staff": True}
    made = User.objects.bulk_create(
        User(username=f"{name}@{line.key}", password="!", **fields) for name, fields in names.items()
    )
    people = dict(zip(names, made, strict=True))
    Grant.objects.bulk_create(
        Grant(user=people[name], role=name.rstrip("2"), line=line, valid_from=LONG_AGO) for name in GRANTED
    )
    return people


def user(username: str, **fields: object) -> User:
    return User.objects.create(username=username, password="!", **fields)


def hand(person: User, now: datetime = NOW) -> Hand:
    """Somebody who has just given his password at a desk of the test."""
    return Hand(person, station="desk", proved_at=now)


def grant(
    to: User,
    role: str,
    *,
    line: Line | None = None,
    area: Area | None = None,
    site: Site | None = None,
    valid_from: datetime = LONG_AGO,
    valid_to: datetime | None = None,
) -> Grant:
    return Grant.objects.create(
        user=to, role=role, line=line, area=area, site=site, valid_from=valid_from, valid_to=valid_to
    )


def reason_code(key: str = "wrong_direction", *, needs_text: bool = False) -> ReasonCode:
    """A reason to reject; the ones of the migration are gone after a test that commits."""
    return ReasonCode.objects.get_or_create(key=key, defaults={"name": key, "needs_text": needs_text})[0]


def action_code(key: str = "watched", *, needs_text: bool = False) -> ActionCode:
    """What was done about a signal; those of a new installation are there unless a test wiped the tables."""
    return ActionCode.objects.get_or_create(key=key, defaults={"name": key, "needs_text": needs_text})[0]


def cause_code(key: str = "batch", name: str = "Batch change") -> CauseCode:
    """Why a signal came, of those that a new installation has or another."""
    return CauseCode.objects.get_or_create(key=key, defaults={"name": name})[0]


def snapshot(plant: Plant, at: datetime = NOW, *, bad: tuple[str, ...] = (), **values: float) -> Snapshot:
    """What the coater's tags said at an instant: the usual values, the given ones, and NULL for the ``bad``."""
    told = USUAL | values
    number = next(_numbers)
    return Snapshot.objects.create(
        equipment=plant.coater, at=at, source=plant.source, sequence=number, arrival=number, received_at=at,
        roll=int(told["roll_number"]), web_m=told["web_position"],
        values=[None if key in bad else told[key] for key in TAGS],
        quality=[Quality.BAD if key in bad else Quality.GOOD for key in TAGS],
    )  # fmt: skip


def alive(equipment: Equipment, now: datetime = NOW) -> None:
    """Data have just come, and the dispatcher has just read the machine."""
    Intake.objects.update_or_create(equipment=equipment, defaults={"last_received_at": now})
    Handshake.objects.update_or_create(equipment=equipment, defaults={"heard_at": now})


def point(
    plant: Plant,
    stream: str,
    at: datetime,
    value: float,
    *,
    by: MeasuredBy = MeasuredBy.GAUGE,
    quality: Quality = Quality.GOOD,
    rules: int = 0,
) -> Point:
    """One value on a chart: foil made at ``at``, known when it reached the gauge."""
    return Point.objects.create(
        equipment=plant.coater, seq=next(_numbers), at=at, known_at=at + timedelta(minutes=2),
        stream=plant.streams[stream], by=by, roll=7, web_m=1000.0, value=value,
        quality=quality, verdict=0, rules=rules,
    )  # fmt: skip


def copied(rows: Iterable[Model]) -> None:
    """Stores rows of one table by COPY: with thousands of them ``bulk_create`` takes a second and more."""
    found = list(rows)
    fields = found[0]._meta.concrete_fields
    values = attrgetter(*(field.attname for field in fields))
    names = SQL(", ").join(Identifier(field.column) for field in fields)
    told = SQL("COPY {} ({}) FROM STDIN").format(Identifier(found[0]._meta.db_table), names)
    with connection.cursor() as cursor, cursor.copy(told) as copy:
        for row in found:
            copy.write_row(values(row))


def proposal(
    at: datetime = NOW, *, loop: str = "loading-top", now: float = 19.88, half_width: float = 0.15, **to: float
) -> Proposal:
    """What the controller would say at ``at``: by default 0.3 rpm (0.5 %) more pump, all lanes 0.1 too light."""
    moves = to or {"pump_top": 60.3}
    return Proposal(
        loop=loop, at_s=at.timestamp(), roll=7, web_m=1000.0,
        moves=tuple(_move(tag, USUAL[tag], value) for tag, value in moves.items()),
        expected=tuple(_expected(stream, moves, now, half_width) for stream in SETTINGS["cvs"]),
        active_constraints=(),
        gains=tuple(tuple(row) for row in SETTINGS["gains"]),
    )  # fmt: skip


def offered(plant: Plant, now: datetime = NOW, **to: float) -> Change:
    """A change as the controller proposes it, whatever state that puts it in; wants a snapshot to exist."""
    change = changes.propose(loop=plant.loop, proposal=proposal(now, **to), evidence={}, actor="controller", now=now)
    assert change is not None, "nothing was offered"
    return change


def approved(plant: Plant, now: datetime = NOW, **to: float) -> Change:
    change = offered(plant, now, **to)
    by = hand(plant.person(change.needs), now)
    return changes.approve(change.pk, by=by, version=change.version, now=now)


def _move(tag: str, base: float, target: float) -> Move:
    """The pump and the bolts are solved for apart from each other."""
    return Move(tag, base, target, (Contribution("feedback", target - base),), part=int(tag in BOLTS))


def _expected(stream: str, moves: dict[str, float], now: float, half_width: float) -> Expected:
    row = SETTINGS["gains"][SETTINGS["cvs"].index(stream)]
    gains = dict(zip(SETTINGS["mvs"], row, strict=True))
    shift = sum(gains[tag] * (value - USUAL[tag]) for tag, value in moves.items())
    return Expected(stream, SPEC["target"], now, now, now + shift, half_width)


def _tags(coater: Equipment) -> None:
    Tag.objects.bulk_create(
        Tag(equipment=coater, slot=slot, key=key, name=key.replace("_", " ").capitalize(), **fields)
        for slot, (key, fields) in enumerate(TAGS.items())
    )


def _streams(coater: Equipment) -> None:
    loading = Characteristic.objects.create(
        equipment=coater, key="loading", name="Loading", name_ko="로딩량", unit="mg/cm2", gauge_sigma=0.05
    )
    lanes = Lane.objects.bulk_create(Lane(equipment=coater, number=number, side=Lane.Side.TOP) for number in LANES)
    Stream.objects.bulk_create(Stream(lane=lane, characteristic=loading) for lane in lanes)
