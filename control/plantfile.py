"""Read a plant file (TOML, one line of a plant a file): everything wrong with it is said at once, each by its path.

A check that compares two values is made when both can be read on their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from control.core.figures import Figures
from control.core.process_events import Kind
from control.plantloop import LoopSpec
from control.plantvalues import (
    CharacteristicKey,
    Declared,
    Kinded,
    Names,
    NotNegative,
    Number,
    Positive,
    StreamKey,
    Table,
    TagKey,
    Text,
    TimeZone,
    Unit,
    Whole,
    above,
    declared,
    lane_key,
    mistakes,
    once,
    other_than,
    some,
    wrong,
)


class PlantFileError(Exception):
    """``errors`` says every mistake of the file as ``path: what is wrong``."""

    def __init__(self, name: str, errors: list[str]) -> None:
        super().__init__(f"{name}: " + "; ".join(errors))
        self.errors = errors


class SiteSpec(Names):
    time_zone: TimeZone = "UTC"


class LineSpec(Names):
    """A line. ``figures`` are those that differ from the usual ones when it is set up; later they are versions."""

    figures: dict[str, Any] = {}

    @field_validator("figures")
    @classmethod
    def _are_figures(cls, value: dict[str, Any]) -> dict[str, Any]:
        if found := Figures.faults(value):
            raise wrong(", ".join(f"{one.path} is {one.code} {one.than or ''}".rstrip() for one in found))
        return value


class RecipeSpec(Table):
    number: Whole = 1


class TagSpec(Names):
    """One tag. ``low``/``high`` are the believable range, ``machine_*`` the hard limits, all in ``unit``."""

    unit: Unit = ""
    kind: Literal["parameter", "process", "status"]
    low: Number | None = None
    high: Annotated[Number | None, above("low")] = None
    machine_low: Number | None = None
    machine_high: Annotated[Number | None, above("machine_low")] = None
    max_step: NotNegative | None = None
    set_point: Number | None = None
    deadband: NotNegative = 0.0
    column: Text | None = None
    missing: tuple[Number, ...] = ()

    @field_validator("set_point")
    @classmethod
    def _is_allowed(cls, value: float | None, info: ValidationInfo) -> float | None:
        low, high = info.data.get("machine_low"), info.data.get("machine_high")
        if value is not None and ((low is not None and value < low) or (high is not None and value > high)):
            raise wrong("is outside the machine limits")
        return value


class _Rising(Table):
    lower: Number | None = None
    target: Annotated[Number | None, above("lower")] = None
    upper: Annotated[Number | None, above("lower", "target")] = None


class Limits3(_Rising):
    """A specification: lower, target, upper; None where there is none."""

    def as_json(self) -> dict[str, float | None]:
        return self.model_dump()

    def __bool__(self) -> bool:
        return any(value is not None for value in (self.lower, self.target, self.upper))


class CharacteristicSpec(Names, _Rising):
    unit: Unit = ""
    decimals: Annotated[Whole, Field(le=9)] = 2
    gauge_sigma: NotNegative | None = None
    counted: Literal["", "defectives", "defects"] = ""

    @property
    def spec(self) -> Limits3:
        return Limits3(lower=self.lower, target=self.target, upper=self.upper)


class LaneSpec(Table):
    """One lane. ``specs`` are the characteristics whose specification differs from the common one in this lane."""

    number: Whole
    side: Literal["top", "bottom", "both"] = "both"
    specs: dict[CharacteristicKey, Limits3] = {}

    @property
    def key(self) -> str:
        return lane_key(self.number, self.side)


class MeasuredColumn(Table):
    """A column of a historian file that holds the real values of one stream.

    ``missing`` are numbers that stand for no reading; a value outside ``low``..``high`` is kept, but never believed.
    """

    stream: StreamKey
    column: Text
    missing: tuple[Number, ...] = ()
    low: Number | None = None
    high: Annotated[Number | None, above("low")] = None


class EventSpec(Table):
    """A status tag whose every change of value is an event of the process, on one side or on all of the web."""

    tag: TagKey
    kind: Kind
    side: Literal["", "top", "bottom"] = ""


class ModelKinds(Table):
    """Which kinds of model predict: the ``main`` one, and the linear ``reference`` beside it."""

    main: Literal["ridge", "pls", "boosting"] = "ridge"
    reference: Annotated[Literal["ridge", "pls"], other_than("main")] = Field(
        default_factory=lambda data: "ridge" if data["main"] == "pls" else "pls"
    )


class ModelSpec(ModelKinds):
    """How an equipment's streams are predicted; ``streams`` names those for which other kinds are chosen.

    Features are taken over ``window_s`` up to the snapshot; PLS tries up to ``components``.
    """

    window_s: Annotated[Positive, Field(le=240)] = 30.0
    components: Annotated[Whole, Field(ge=1, le=50)] = 6
    streams: dict[StreamKey, ModelKinds] = {}


class EquipmentSpec(Names):
    kind: Literal["coater", "press", "other"]
    gauge_distance_m: NotNegative = 0.0
    cycle_s: Annotated[Number, Field(ge=0.001)] = 1.0
    connector: Kinded = {"kind": "none"}
    physics: Kinded = {"kind": "none"}
    model: ModelSpec = ModelSpec()
    web: dict[Literal["position", "speed", "roll"], TagKey] = {}
    tags: Annotated[tuple[TagSpec, ...], once()]
    lanes: Annotated[tuple[LaneSpec, ...], once()] = ()
    characteristics: Annotated[tuple[CharacteristicSpec, ...], once()] = ()
    loops: Annotated[tuple[LoopSpec, ...], once()] = Field(default=(), alias="loop")
    events: Annotated[tuple[EventSpec, ...], once("tag")] = ()
    measured: Annotated[tuple[MeasuredColumn, ...], once("stream")] = ()

    @model_validator(mode="before")
    @classmethod
    def _declare(cls, data: Any, info: ValidationInfo) -> Any:
        """The references inside, which are read next, are to this equipment."""
        if isinstance(data, dict):
            declared(info).by(data)
        return data

    @property
    def streams(self) -> list[str]:
        return [f"{item.key}/{lane.key}" for item in self.characteristics for lane in self.lanes]


class TimeColumn(Table):
    """``format`` is a strptime format, ``epoch_s`` or ``epoch_ms``; without one the stamps are ISO 8601.

    ``zone`` is that of stamps that do not say theirs. ``resolution_s``: stamps are only good to this many seconds; rows
    of one stamp are spread evenly over it, in file order, so what happened within it cannot be told.
    """

    column: Text
    format: Text | None = None
    zone: TimeZone = "UTC"
    resolution_s: NotNegative = 0.0


class Columns(Table):
    """How a historian file is laid out.

    ``layout`` is ``wide`` (a column a tag) or ``long`` (a row a tag: its name in the column ``tag``, its value in
    ``value``).
    """

    stamps: TimeColumn = Field(alias="time")
    layout: Literal["wide", "long"] = "wide"
    tag: Text = "tag"
    value: Text = "value"
    missing: tuple[str, ...] = ()
    delimiter: Annotated[str, Field(min_length=1)] = ","
    decimal: Annotated[str, Field(min_length=1, max_length=1)] = "."

    @property
    def time(self) -> str:
        return self.stamps.column

    @property
    def format(self) -> str | None:
        return self.stamps.format

    @property
    def zone(self) -> str:
        return self.stamps.zone

    @property
    def resolution_s(self) -> float:
        return self.stamps.resolution_s


class Plant(Table):
    site: SiteSpec
    area: Names
    line: LineSpec
    product: Names
    recipe: RecipeSpec = RecipeSpec()
    equipment: Annotated[tuple[EquipmentSpec, ...], once(), AfterValidator(some)]
    columns: Columns | None = None
    _name: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _know_where_the_foil_comes_from(self) -> Plant:
        known = {f"{machine.key}:{stream}" for machine in self.equipment for stream in machine.streams}
        loops = [loop for machine in self.equipment for loop in machine.loops]
        fed = [one for loop in loops for one in loop.feed_forward if one.equipment]
        wanted = {f"{one.equipment}:{stream}" for one in fed for lane in one.streams for stream in lane}
        if strange := sorted(wanted - known):
            raise wrong(f"feed_forward: {', '.join(strange)} is not in this plant")
        return self

    @property
    def name(self) -> str:
        """The file's name."""
        return self._name

    @property
    def time_zone(self) -> str:
        return self.site.time_zone

    @property
    def recipe_number(self) -> int:
        return self.recipe.number


def loop_settings(key: str, settings: Mapping[str, Any], known: Declared) -> dict[str, Any]:
    """The settings of a loop, checked as if they stood in a plant file. Raises PlantFileError with every mistake."""
    try:
        return LoopSpec.model_validate({"key": key, **settings}, context=known).settings
    except ValidationError as error:
        raise PlantFileError(key, mistakes(error)) from error


def model_settings(key: str, settings: Mapping[str, Any], known: Declared) -> dict[str, Any]:
    """How streams are predicted, checked as if it stood in a plant file. Raises PlantFileError with every mistake."""
    try:
        return ModelSpec.model_validate(dict(settings), context=known).model_dump(mode="json")
    except ValidationError as error:
        raise PlantFileError(key, mistakes(error)) from error


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
    try:
        plant = Plant.model_validate(data, context=Declared())
    except ValidationError as error:
        raise PlantFileError(name, mistakes(error)) from error
    plant._name = name
    return plant
