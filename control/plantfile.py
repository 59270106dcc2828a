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
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import to_jsonable_python

from control.core.process_events import Kind
from control.core.r2r.schedule import SPOKEN_FOR
from control.plantvalues import (
    CharacteristicKey,
    Declared,
    Key,
    Kinded,
    MovableTagKey,
    Note,
    NotNegative,
    NotNegativeSetting,
    Number,
    Positive,
    PositiveSetting,
    Setting,
    StreamKey,
    TagKey,
    Text,
    TimeZone,
    Unit,
    Whole,
    above,
    deadband_of,
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


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Names(Table):
    key: Key
    name: Text = Field(default_factory=lambda data: data["key"])
    name_ko: Note = ""

    @property
    def names(self) -> Names:
        return Names(key=self.key, name=self.name, name_ko=self.name_ko)


class SiteSpec(Names):
    time_zone: TimeZone = "UTC"


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


class FeedForwardSpec(Table):
    """A measured disturbance: a ``tag`` of this equipment, or ``streams`` of the ``equipment`` the foil comes from.

    ``gains`` has a number for each of the loop's cvs, CV unit per unit of the signal. ``streams`` is the slitting map:
    for each of the cvs those that make its foil, whose sum is the signal.
    """

    tag: TagKey | None = None
    equipment: Key | None = None
    streams: tuple[tuple[Text, ...], ...] = ()
    gains: tuple[Setting, ...]

    @model_validator(mode="after")
    def _has_one_source(self) -> FeedForwardSpec:
        if (self.tag is None) == (self.equipment is None) or bool(self.streams) != bool(self.equipment):
            raise wrong("needs a tag, or an equipment with streams")
        return self


NOT_SETTINGS = {*Names.model_fields, "mode"}  # of a loop


class LoopSpec(Names):
    """One loop. ``gains`` has a row for each of ``cvs`` and a column for each of ``mvs``, CV unit per MV unit.

    Instead of a deadband it may have ``approvals_per_shift``, from which the deadband follows, with ``noise``: how far
    the stream that moves most goes on in ``decision_s`` (standard deviation, CV unit). ``gain_schedule`` takes the
    gains of the press's force from its physics. The disturbance is followed by ``estimator``: ``ewma`` has
    ``ewma_weight`` a snapshot, ``double_ewma`` ``drift_weight`` too, ``kalman`` only ``wander_per_m``, by how much the
    variance of the disturbance grows a metre over the variance of one value.
    """

    mode: Literal["off", "shadow", "advisory", "supervised", "auto"] = "shadow"
    cvs: tuple[StreamKey, ...]
    mvs: tuple[MovableTagKey, ...]
    gains: tuple[tuple[Setting, ...], ...]
    deadband: PositiveSetting
    dead_time_m: NotNegativeSetting
    sum_zero: tuple[TagKey, ...] = ()
    estimator: Literal["ewma", "double_ewma", "kalman"] = "ewma"
    ewma_weight: Annotated[Positive, Field(le=1)] = 0.3
    drift_weight: Annotated[Positive, Field(le=1)] | None = Field(None, validate_default=True)
    wander_per_m: PositiveSetting | None = Field(None, validate_default=True)
    cv_weights: tuple[Setting, ...] = ()
    move_weight: NotNegativeSetting = 0.1
    nominal_weight: NotNegativeSetting = 0.02
    cross_direction: tuple[TagKey, ...] = ()
    neighbours: tuple[tuple[TagKey, ...], ...] = ()
    bend_um: PositiveSetting | None = None
    gain_schedule: Literal["compaction"] | None = None
    approvals_per_shift: PositiveSetting | None = None
    noise: PositiveSetting | None = None
    decision_s: PositiveSetting | None = None
    feed_forward: tuple[FeedForwardSpec, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _choose(cls, data: Any) -> Any:
        """Where approvals are asked for, the deadband follows from them."""
        if not isinstance(data, dict) or data.get("approvals_per_shift") is None:
            return data
        told = [data.get(name) for name in ("approvals_per_shift", "noise", "decision_s")]
        return data | {"deadband": deadband_of(*told)}

    @field_validator("feed_forward")
    @classmethod
    def _fit_the_streams(
        cls, signals: tuple[FeedForwardSpec, ...], info: ValidationInfo
    ) -> tuple[FeedForwardSpec, ...]:
        for one in signals:
            streams = len(info.data.get("cvs", one.gains))
            if len(one.gains) != streams or len(one.streams) not in (0, streams):
                raise wrong(f"gains and streams must be one for each of the {streams} cvs")
        return signals

    @field_validator("gain_schedule")
    @classmethod
    def _has_a_curve(cls, kind: str | None, info: ValidationInfo) -> str | None:
        curve = declared(info).physics
        if kind is not None and curve.get("kind") != kind:
            raise wrong(f"needs physics of kind {kind}")
        if kind is not None and curve.get("force") not in info.data.get("mvs", [curve.get("force")]):
            raise wrong(f"needs {curve.get('force')} among the mvs")
        strange = [cv for cv in info.data.get("cvs", ()) if cv.partition("/")[0] not in SPOKEN_FOR]
        if kind is not None and strange:
            raise wrong(f"says nothing of {', '.join(strange)}")
        return kind

    @field_validator("gains")
    @classmethod
    def _fit(cls, gains: tuple[tuple[float, ...], ...], info: ValidationInfo) -> tuple[tuple[float, ...], ...]:
        if {"cvs", "mvs"} <= info.data.keys():
            rows, columns = len(info.data["cvs"]), len(info.data["mvs"])
            if [len(row) for row in gains] != [columns] * rows:
                raise wrong(f"must be {rows} rows (cvs) of {columns} numbers (mvs)")
        return gains

    @field_validator("drift_weight", "wander_per_m")
    @classmethod
    def _belongs(cls, figure: float | None, info: ValidationInfo) -> float | None:
        owner = {"drift_weight": "double_ewma", "wander_per_m": "kalman"}[str(info.field_name)]
        chosen = info.data.get("estimator")
        if figure is None and chosen == owner:
            raise wrong(f"is missing: the estimator {owner} needs it")
        if figure is not None and chosen not in (owner, None):
            raise wrong(f"belongs to the estimator {owner}, not to {chosen}")
        return figure

    @field_validator("cv_weights")
    @classmethod
    def _one_each(cls, weights: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if weights and len(weights) != len(info.data.get("cvs", weights)):
            raise wrong("must be one number for each of the cvs")
        return weights

    @field_validator("sum_zero", "cross_direction")
    @classmethod
    def _are_moved(cls, keys: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if strange := [key for key in keys if key not in info.data.get("mvs", keys)]:
            raise wrong(f"{', '.join(strange)} is not one of the mvs")
        return keys

    @field_validator("neighbours")
    @classmethod
    def _stand_on_a_lip(cls, lips: tuple[tuple[str, ...], ...], info: ValidationInfo) -> tuple[tuple[str, ...], ...]:
        for lip in lips:
            cls._are_moved(lip, info)
            if len(lip) < 3 or len(set(lip)) < len(lip):
                raise wrong("must be lists of three different mvs or more, in their order on the lip")
        return lips

    @field_validator("bend_um")
    @classmethod
    def _bends_something(cls, bend_um: float | None, info: ValidationInfo) -> float | None:
        if bend_um is not None and not info.data.get("neighbours", True):
            raise wrong("needs neighbours")
        return bend_um

    @property
    def settings(self) -> dict[str, Any]:
        """What is stored of a loop besides its names and its mode."""
        return self.model_dump(mode="json", exclude=NOT_SETTINGS)

    @classmethod
    def usual(cls) -> dict[str, Any]:
        """What is stored of the settings that a file may leave out, where it does."""
        fields = {name: field for name, field in cls.model_fields.items() if name not in NOT_SETTINGS}
        return {name: to_jsonable_python(field.default) for name, field in fields.items() if not field.is_required()}


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
    line: Names
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
