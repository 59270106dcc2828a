"""What stands in a plant file: values, references to other parts of the same equipment, and words for mistakes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, AllowInfNan, BaseModel, ConfigDict, Field, Strict, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from control.core.r2r import deadband

SHIFT_S = 8 * 3600.0
LARGEST = 1e9  # number among a loop's settings; the squares of far larger ones would fit no float
KEY = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
NO_ZERO = r"^[^\x00]*$"  # PostgreSQL cannot store it
WORDS = {
    KEY: "must be letters, digits, - and _ (64 at most)",
    NOT_BLANK: "must be text that can be read",
    NO_ZERO: "must be text that can be read",
    "dict_type": "must be a table",
    "enum": "must be {expected}",
    "extra_forbidden": "is not a known key",
    "finite_number": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "int_type": "must be a whole number",
    "less_than_equal": "must be {le:g} or less",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be a table",
    "string_too_long": "must be text of at most {max_length} characters",
    "string_too_short": "must be text of at least {min_length} characters",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}
FOLLOWS_FROM_ANOTHER = "default_factory_not_called"


@dataclass(slots=True)
class Declared:
    """The keys of the equipment being read, whatever else is wrong with it: one mistake hides no wrong reference.

    ``streams`` are those that are measured: what is counted is charted, and nothing else can refer to it.
    """

    tags: dict[str, dict[str, Any]] = field(default_factory=dict)
    characteristics: set[str] = field(default_factory=set)
    streams: set[str] = field(default_factory=set)
    physics: dict[str, Any] = field(default_factory=dict)

    def by(self, equipment: dict[str, Any]) -> None:
        self.tags = {str(tag.get("key")): tag for tag in _tables(equipment.get("tags"))}
        told = _tables(equipment.get("characteristics"))
        self.characteristics = {str(item.get("key")) for item in told}
        lanes = {lane_key(lane.get("number"), lane.get("side", "both")) for lane in _tables(equipment.get("lanes"))}
        measured = {str(item.get("key")) for item in told if not item.get("counted")}
        self.streams = {f"{key}/{lane}" for key in measured for lane in lanes}
        physics = equipment.get("physics")
        self.physics = physics if isinstance(physics, dict) else {}


def declared(info: ValidationInfo) -> Declared:
    """What ``plantfile.parse`` hands to every check."""
    assert isinstance(info.context, Declared)
    return info.context


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def lane_key(number: Any, side: Any) -> str:
    return str(number) if side == "both" else f"{number}-{side}"


def wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("plant_file", "{what}", {"what": what})


def some(rows: tuple[Any, ...]) -> tuple[Any, ...]:
    if not rows:
        raise wrong("at least one is needed")
    return rows


def once(by: str = "key") -> AfterValidator:
    """No two tables of a list have the same ``by``."""

    def check(rows: tuple[Any, ...]) -> tuple[Any, ...]:
        counts = Counter(map(attrgetter(by), rows))
        if repeated := [key for key, count in counts.items() if count > 1]:
            raise wrong(f"{', '.join(repeated)} is there more than once")
        return rows

    return AfterValidator(check)


def deadband_of(approvals: Any, noise: Any, decision_s: Any) -> Any:
    """The deadband that asks for so many approvals a shift; what is wrong with the three is said at its place."""
    given = (approvals, noise, decision_s)
    if not all(isinstance(value, int | float) and value > 0 for value in given):
        raise wrong("approvals_per_shift needs noise and decision_s, all more than 0")
    try:
        return deadband.deadband(approvals, noise, SHIFT_S / decision_s)
    except ValueError as error:
        raise wrong(f"approvals_per_shift: {error}") from None


def above(*lower: str) -> AfterValidator:
    """A value lies above those of ``lower`` in the same table."""

    def check(value: float | None, info: ValidationInfo) -> float | None:
        for name in lower:
            if value is not None and (low := info.data.get(name)) is not None and value <= low:
                raise wrong(f"must be above {name}")
        return value

    return AfterValidator(check)


def other_than(name: str) -> AfterValidator:
    """A value differs from that of ``name`` in the same table."""

    def check(value: str, info: ValidationInfo) -> str:
        if value == info.data.get(name):
            raise wrong(f"must be another than {name}")
        return value

    return AfterValidator(check)


def _reference(what: str, known: str) -> AfterValidator:
    """The key of a ``what`` among those ``known`` of the equipment being read."""

    def check(key: str, info: ValidationInfo) -> str:
        if key not in getattr(declared(info), known):
            raise wrong(f"{key} is not a {what} of this equipment")
        return key

    return AfterValidator(check)


def _movable(key: str, info: ValidationInfo) -> str:
    needed = ("machine_low", "machine_high", "max_step", "set_point")
    if lacking := [need for need in needed if need not in declared(info).tags[key]]:
        raise wrong(f"{key} needs {', '.join(lacking)} to be moved")
    return key


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise wrong(f"{value!r} is not a time zone name such as Asia/Seoul")
    return value


def _has_kind(value: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(value.get("kind"), str):
        raise wrong("needs a kind, as text")
    return value


Key = Annotated[str, Field(pattern=KEY)]
Text = Annotated[str, Field(max_length=120, pattern=NOT_BLANK)]
Note = Annotated[str, Field(max_length=120, pattern=NO_ZERO)]
Unit = Annotated[str, Field(max_length=24, pattern=NO_ZERO)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Kinded = Annotated[dict[str, Any], AfterValidator(_has_kind)]

Number = Annotated[float, Strict(), AllowInfNan(False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Setting = Annotated[Number, Field(ge=-LARGEST, le=LARGEST)]
PositiveSetting = Annotated[Positive, Field(le=LARGEST)]
NotNegativeSetting = Annotated[NotNegative, Field(le=LARGEST)]
Whole = Annotated[int, Strict(), Field(ge=0, le=32767)]

TagKey = Annotated[str, _reference("tag", "tags")]
MovableTagKey = Annotated[TagKey, AfterValidator(_movable)]
CharacteristicKey = Annotated[str, _reference("characteristic", "characteristics")]
StreamKey = Annotated[str, _reference("stream", "streams")]


def mistakes(error: ValidationError) -> list[str]:
    """Every mistake as ``path: what is wrong``, a path being such as ``equipment[0].tags[3].key``."""
    return [
        f"{_path(one['loc'])}: {_said(one['type'], one['msg'], one.get('ctx', {}))}"
        for one in error.errors(include_url=False)
        if one["type"] != FOLLOWS_FROM_ANOTHER
    ]


def _path(loc: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]"]
    return "".join(parts).removeprefix(".")


def _said(kind: str, message: str, context: dict[str, Any]) -> str:
    words = WORDS.get(context.get("pattern", kind))
    return words.format(**context) if words else message


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Names(Table):
    key: Key
    name: Text = Field(default_factory=lambda data: data["key"])
    name_ko: Note = ""

    @property
    def names(self) -> Names:
        return Names(key=self.key, name=self.name, name_ko=self.name_ko)
