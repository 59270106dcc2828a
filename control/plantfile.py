"""Read a plant file (TOML, one line of a plant a file): everything wrong with it is said at once, each by its path."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SIDES = ("top", "bottom", "both")
MODES = ("off", "shadow", "advisory", "supervised", "auto")
REQUIRED: Any = object()


class PlantFileError(Exception):
    """``errors`` says every mistake of the file as ``path: what is wrong``."""

    def __init__(self, name: str, errors: list[str]) -> None:
        super().__init__(f"{name}: " + "; ".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Names:
    key: str
    name: str
    name_ko: str = ""


@dataclass(frozen=True, slots=True)
class TagSpec:
    """One tag. ``low``/``high`` are the believable range, ``machine_*`` the hard limits, all in ``unit``."""

    names: Names
    unit: str
    kind: str
    low: float | None
    high: float | None
    machine_low: float | None
    machine_high: float | None
    max_step: float | None
    set_point: float | None
    deadband: float
    column: str | None
    missing: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Limits3:
    """A specification: lower, target, upper; None where there is none."""

    lower: float | None
    target: float | None
    upper: float | None

    def as_json(self) -> dict[str, float | None]:
        return {"lower": self.lower, "target": self.target, "upper": self.upper}

    def __bool__(self) -> bool:
        return any(value is not None for value in (self.lower, self.target, self.upper))


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """One lane. ``specs`` are the characteristics whose specification differs from the common one in this lane."""

    number: int
    side: str
    specs: dict[str, Limits3]

    @property
    def key(self) -> str:
        return str(self.number) if self.side == "both" else f"{self.number}-{self.side}"


@dataclass(frozen=True, slots=True)
class CharacteristicSpec:
    names: Names
    unit: str
    decimals: int
    gauge_sigma: float | None
    spec: Limits3


@dataclass(frozen=True, slots=True)
class LoopSpec:
    """One loop: ``settings`` is stored as it is (cvs, mvs, gains, weights, deadband, dead_time_m)."""

    names: Names
    mode: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MeasuredColumn:
    """A column of a historian file that holds the real values of one stream."""

    stream: str
    column: str
    missing: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EquipmentSpec:
    names: Names
    kind: str
    gauge_distance_m: float
    cycle_s: float
    connector: dict[str, Any]
    web: dict[str, str]
    physics: dict[str, Any]
    tags: tuple[TagSpec, ...]
    lanes: tuple[LaneSpec, ...]
    characteristics: tuple[CharacteristicSpec, ...]
    loops: tuple[LoopSpec, ...]
    measured: tuple[MeasuredColumn, ...]

    @property
    def streams(self) -> list[str]:
        return [f"{c.names.key}/{lane.key}" for c in self.characteristics for lane in self.lanes]


@dataclass(frozen=True, slots=True)
class Columns:
    """How a historian file is laid out.

    ``resolution_s``: stamps are only good to this many seconds; rows of one stamp are spread evenly over it, in file
    order. ``layout`` is ``wide`` (a column a tag) or ``long`` (a row a tag, named in ``tag``, its value in ``value``).
    """

    time: str
    format: str | None
    zone: str
    resolution_s: float
    layout: str
    tag: str
    value: str
    missing: tuple[str, ...]
    delimiter: str
    decimal: str


@dataclass(frozen=True, slots=True)
class Plant:
    site: Names
    time_zone: str
    area: Names
    line: Names
    product: Names
    recipe_number: int
    equipment: tuple[EquipmentSpec, ...]
    columns: Columns | None
    name: str = field(compare=False, default="")


class _Table:
    """One TOML table being read: each getter notes what is wrong, ``done`` notes the keys nobody asked for."""

    def __init__(self, data: Any, path: str, errors: list[str]) -> None:
        self.path, self.errors = path, errors
        if not isinstance(data, dict):
            self.wrong("", "must be a table")
            data = {}
        self.data: dict[str, Any] = data
        self.asked: set[str] = set()

    def wrong(self, key: str, what: str) -> None:
        where = ".".join(part for part in (self.path, key) if part)
        self.errors.append(f"{where}: {what}")

    def get(self, key: str, default: Any = REQUIRED) -> Any:
        self.asked.add(key)
        if key not in self.data and default is REQUIRED:
            self.wrong(key, "is missing")
            return None
        return self.data.get(key, default)

    def text(self, key: str, default: Any = REQUIRED, length: int = 120) -> str:
        value = self.get(key, default)
        if value is None or value is default:
            return value or ""
        if not isinstance(value, str) or len(value) > length or not value.strip() or "\x00" in value:
            self.wrong(key, f"must be text of 1 to {length} characters")
            return ""
        return value

    def key(self, name: str = "key") -> str:
        value = self.text(name)
        if value and not KEY.fullmatch(value):
            self.wrong(name, "must be letters, digits, - and _ (64 at most)")
        return value

    def number(self, key: str, default: Any = REQUIRED, at_least: float | None = None) -> Any:
        value = self.get(key, default)
        if value is None or value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.wrong(key, "must be a number")
            return None if default is REQUIRED else default
        if at_least is not None and value < at_least:
            self.wrong(key, f"must be {at_least:g} or more")
        return float(value)

    def whole(self, key: str, default: Any = REQUIRED, at_most: int = 32767) -> int:
        value = self.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= at_most:
            if value is not None:
                self.wrong(key, f"must be a whole number from 0 to {at_most}")
            return 0
        return value

    def one_of(self, key: str, allowed: tuple[str, ...], default: Any = REQUIRED) -> str:
        value = self.get(key, default)
        if value is not None and value not in allowed:
            self.wrong(key, f"must be one of {', '.join(allowed)}")
            return allowed[0]
        return str(value or allowed[0])

    def items(self, key: str, default: Any = REQUIRED) -> list[Any]:
        value = self.get(key, default)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(key, "must be a list")
            return []
        return value

    def texts(self, key: str, default: Any = REQUIRED) -> list[str]:
        values = self.items(key, default)
        if not all(isinstance(value, str) for value in values):
            self.wrong(key, "must be a list of texts")
            return []
        return values

    def numbers(self, key: str, default: Any = REQUIRED) -> tuple[float, ...]:
        values = self.items(key, default)
        if not all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values):
            self.wrong(key, "must be a list of numbers")
            return ()
        return tuple(float(value) for value in values)

    def table(self, key: str, default: Any = REQUIRED) -> _Table:
        value = self.get(key, default)
        path = f"{self.path}.{key}" if self.path else key
        return _Table({} if value is None else value, path, self.errors)

    def tables(self, key: str, default: Any = REQUIRED) -> list[_Table]:
        path = f"{self.path}.{key}" if self.path else key
        return [_Table(item, f"{path}[{i}]", self.errors) for i, item in enumerate(self.items(key, default))]

    def names(self) -> Names:
        key = self.key()
        return Names(key, self.text("name", key or REQUIRED), self.text("name_ko", ""))

    def done(self) -> None:
        for key in sorted(set(self.data) - self.asked):
            self.wrong(key, "is not a known key")


def read(path: Path) -> Plant:
    """Read and check a plant file. Raises PlantFileError with every mistake."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlantFileError(path.name, [f"cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlantFileError(path.name, [f"is not TOML: {error}"]) from error
    return parse(data, path.name)


def parse(data: dict[str, Any], name: str = "plant") -> Plant:
    """The plant a parsed TOML document describes."""
    errors: list[str] = []
    top = _Table(data, "", errors)
    site = top.table("site")
    plant = Plant(
        site=site.names(),
        time_zone=_zone(site, "time_zone"),
        area=_named(top, "area"),
        line=_named(top, "line"),
        product=_named(top, "product"),
        recipe_number=_recipe_number(top.table("recipe", None)),
        equipment=tuple(_equipment(table) for table in top.tables("equipment")),
        columns=_columns(top.table("columns")) if "columns" in top.data else None,
        name=name,
    )
    site.done()
    top.done()
    if not plant.equipment:
        errors.append("equipment: at least one is needed")
    _unique([e.names.key for e in plant.equipment], "equipment", errors)
    if errors:
        raise PlantFileError(name, errors)
    return plant


def _named(top: _Table, key: str) -> Names:
    table = top.table(key)
    names = table.names()
    table.done()
    return names


def _recipe_number(table: _Table) -> int:
    number = table.whole("number", 1)
    table.done()
    return number


def _zone(table: _Table, key: str) -> str:
    zone = table.text(key, "UTC")
    if zone not in available_timezones():
        table.wrong(key, f"{zone!r} is not a time zone name such as Asia/Seoul")
    return zone


def _unique(keys: list[str], path: str, errors: list[str]) -> None:
    errors.extend(f"{path}: {key} is there more than once" for key in sorted({k for k in keys if keys.count(k) > 1}))


def _equipment(table: _Table) -> EquipmentSpec:
    spec = EquipmentSpec(
        names=table.names(),
        kind=table.one_of("kind", ("coater", "press", "other")),
        gauge_distance_m=table.number("gauge_distance_m", 0.0, at_least=0.0),
        cycle_s=table.number("cycle_s", 1.0, at_least=0.001),
        connector=_kinded(table, "connector"),
        web=_web(table.table("web", None)),
        physics=_kinded(table, "physics"),
        tags=tuple(_tag(tag) for tag in table.tables("tags")),
        lanes=tuple(_lane(lane) for lane in table.tables("lanes", [])),
        characteristics=tuple(_characteristic(item) for item in table.tables("characteristics", [])),
        loops=tuple(_loop(loop) for loop in table.tables("loop", [])),
        measured=tuple(_measured(item) for item in table.tables("measured", [])),
    )
    table.done()
    _check_references(table, spec)
    return spec


def _kinded(table: _Table, key: str) -> dict[str, Any]:
    inner = table.table(key, {"kind": "none"})
    inner.text("kind")
    return dict(inner.data)


def _web(table: _Table) -> dict[str, str]:
    web: dict[str, str] = {key: table.text(key) for key in ("position", "speed", "roll") if key in table.data}
    table.done()
    return web


def _tag(table: _Table) -> TagSpec:
    tag = TagSpec(
        names=table.names(),
        unit=table.text("unit", "", 24),
        kind=table.one_of("kind", ("parameter", "process", "status")),
        low=table.number("low", None),
        high=table.number("high", None),
        machine_low=table.number("machine_low", None),
        machine_high=table.number("machine_high", None),
        max_step=table.number("max_step", None, at_least=0.0),
        set_point=table.number("set_point", None),
        deadband=table.number("deadband", 0.0, at_least=0.0),
        column=table.text("column", "") or None,
        missing=table.numbers("missing", []),
    )
    table.done()
    _ordered(table, "low", "high", tag.low, tag.high)
    _ordered(table, "machine_low", "machine_high", tag.machine_low, tag.machine_high)
    if tag.set_point is not None and not _within(tag.set_point, tag.machine_low, tag.machine_high):
        table.wrong("set_point", "is outside the machine limits")
    return tag


def _ordered(table: _Table, low_key: str, high_key: str, low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low >= high:
        table.wrong(low_key, f"must be below {high_key}")


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _spec(table: _Table) -> Limits3:
    spec = Limits3(table.number("lower", None), table.number("target", None), table.number("upper", None))
    known = [value for value in (spec.lower, spec.target, spec.upper) if value is not None]
    if known != sorted(set(known)):
        table.wrong("", "lower, target and upper must rise")
    return spec


def _lane(table: _Table) -> LaneSpec:
    specs = table.table("specs", None)
    lane = LaneSpec(
        number=table.whole("number"),
        side=table.one_of("side", SIDES, "both"),
        specs={key: _lane_spec(specs.table(key)) for key in specs.data},
    )
    table.done()
    return lane


def _lane_spec(table: _Table) -> Limits3:
    spec = _spec(table)
    table.done()
    return spec


def _characteristic(table: _Table) -> CharacteristicSpec:
    spec = CharacteristicSpec(
        names=table.names(),
        unit=table.text("unit", "", 24),
        decimals=table.whole("decimals", 2, at_most=9),
        gauge_sigma=table.number("gauge_sigma", None, at_least=0.0),
        spec=_spec(table),
    )
    table.done()
    return spec


def _measured(table: _Table) -> MeasuredColumn:
    column = MeasuredColumn(table.text("stream"), table.text("column"), table.numbers("missing", []))
    table.done()
    return column


def _loop(table: _Table) -> LoopSpec:
    names, mode = table.names(), table.one_of("mode", MODES, "shadow")
    settings: dict[str, Any] = {
        "cvs": table.texts("cvs"),
        "mvs": table.texts("mvs"),
        "gains": _gains(table),
        "deadband": table.number("deadband"),
        "dead_time_m": table.number("dead_time_m", at_least=0.0),
        "sum_zero": table.texts("sum_zero", []),
        "ewma_weight": table.number("ewma_weight", 0.3),
        "cv_weights": list(table.numbers("cv_weights", [])),
        "move_weight": table.number("move_weight", 0.1, at_least=0.0),
        "nominal_weight": table.number("nominal_weight", 0.02, at_least=0.0),
    }
    table.done()
    if settings["deadband"] is not None and settings["deadband"] <= 0:
        table.wrong("deadband", "must be more than 0")
    if not 0 < settings["ewma_weight"] <= 1:
        table.wrong("ewma_weight", "must be above 0 and at most 1")
    return LoopSpec(names, mode, settings)


def _gains(table: _Table) -> list[list[float]]:
    rows = table.items("gains")
    shape = (len(table.data.get("cvs", ())), len(table.data.get("mvs", ())))
    numbers = all(isinstance(row, list) and all(isinstance(g, int | float) for g in row) for row in rows)
    if not numbers or len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        table.wrong("gains", f"must be {shape[0]} rows (cvs) of {shape[1]} numbers (mvs)")
        return []
    return [[float(gain) for gain in row] for row in rows]


def _check_references(table: _Table, spec: EquipmentSpec) -> None:
    """Names that must exist elsewhere in the same equipment, and keys that may be there only once."""
    tags = {tag.names.key: tag for tag in spec.tags}
    streams = set(spec.streams)
    _unique([tag.names.key for tag in spec.tags], f"{table.path}.tags", table.errors)
    _unique([lane.key for lane in spec.lanes], f"{table.path}.lanes", table.errors)
    _unique([c.names.key for c in spec.characteristics], f"{table.path}.characteristics", table.errors)
    _unique([loop.names.key for loop in spec.loops], f"{table.path}.loop", table.errors)
    _unique([item.stream for item in spec.measured], f"{table.path}.measured", table.errors)
    for use, key in spec.web.items():
        if key not in tags:
            table.wrong(f"web.{use}", f"{key} is not a tag of this equipment")
    characteristics = {c.names.key for c in spec.characteristics}
    for lane in spec.lanes:
        for key in sorted(set(lane.specs) - characteristics):
            table.wrong(f"lanes.{lane.key}.specs", f"{key} is not a characteristic of this equipment")
    for item in spec.measured:
        if item.stream not in streams:
            table.wrong("measured", f"{item.stream} is not a stream of this equipment")
    for i, loop in enumerate(spec.loops):
        _check_loop(table, f"loop[{i}]", loop, tags, streams)


def _check_loop(table: _Table, path: str, loop: LoopSpec, tags: dict[str, TagSpec], streams: set[str]) -> None:
    for key in loop.settings["cvs"]:
        if key not in streams:
            table.wrong(f"{path}.cvs", f"{key} is not a stream of this equipment")
    for key in loop.settings["sum_zero"]:
        if key not in loop.settings["mvs"]:
            table.wrong(f"{path}.sum_zero", f"{key} is not one of the mvs")
    for key in loop.settings["mvs"]:
        tag = tags.get(key)
        if tag is None:
            table.wrong(f"{path}.mvs", f"{key} is not a tag of this equipment")
        elif None in (tag.machine_low, tag.machine_high, tag.max_step, tag.set_point):
            table.wrong(f"{path}.mvs", f"{key} needs machine_low, machine_high, max_step and set_point to be moved")


def _columns(table: _Table) -> Columns:
    time = table.table("time")
    columns = Columns(
        time=time.text("column"),
        format=time.text("format", "") or None,
        zone=_zone(time, "zone"),
        resolution_s=time.number("resolution_s", 0.0, at_least=0.0),
        layout=table.one_of("layout", ("wide", "long"), "wide"),
        tag=table.text("tag", "tag"),
        value=table.text("value", "value"),
        missing=tuple(table.texts("missing", [])),
        delimiter=table.text("delimiter", ","),
        decimal=table.text("decimal", "."),
    )
    time.done()
    table.done()
    return columns
