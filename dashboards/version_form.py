"""The form of a content that is one table of settings: its fields, and the content a sent form asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control.actions.kinds import ESTIMATORS, KINDS, LIMITS, RECIPE
from control.actions.kinds.recipe import Place, places
from control.core.bounded import bounds
from control.core.figures import Figures, Shares
from control.models import Line, Stream, Tag
from dashboards import limit_words, version_words
from dashboards.templatetags.apc import NOTHING

TABLES: dict[str, type[Any]] = {"figures": Figures, "authority": Shares}
FORMS = (RECIPE.key, *TABLES)  # what the form can show
OF_A_RECIPE = ("set_points.", "specs.")


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: what is in it now, what it must keep, and what it usually is, if there is such a thing."""

    name: str
    words: str
    value: str
    present: str
    usual: str
    unit: str
    low: float | None
    high: float | None
    required: bool


def fields(kind: str, line: Line, present: Mapping[str, Any], value: Mapping[str, Any]) -> list[Field]:
    """``present`` is what is in force, ``value`` what stands in the fields: of a draft, or as it was typed."""
    if kind == RECIPE.key:
        shown = (place for place in places(line).values() if _is_shown(place, present, value))
        return [_of_a_recipe(place, present, value) for place in shown]
    return [
        Field(
            name, version_words.path(name), written(value.get(name, bound.usual)), written(present[name]),
            written(bound.usual), bound.unit, bound.low, bound.high, required=True,
        )
        for name, bound in bounds(TABLES[kind]).items()
    ]  # fmt: skip


def _is_shown(place: Place, present: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """What is set, every parameter, and the specification that holds in every lane; the rest comes in a file."""
    usual = place.of.kind == Tag.Kind.PARAMETER if isinstance(place.of, Tag) else place.lane is None
    return usual or place.path in present or place.path in value


def _of_a_recipe(place: Place, present: Mapping[str, Any], value: Mapping[str, Any]) -> Field:
    stands, holds = (written(told.get(place.path, "")) for told in (value, present))
    words = version_words.place(place)
    return Field(place.path, words, stands, holds, "", place.unit, place.low, place.high, required=False)


def named(kind: str, line: Line, scope: int) -> version_words.Named:
    """Words for the paths that only the line knows."""
    if kind == LIMITS.key:
        return limit_words.paths()
    if kind == ESTIMATORS.key:
        streams = Stream.objects.filter(lane__equipment=scope).select_related("lane", "characteristic")
        told = version_words.ESTIMATED
        return {f"{stream.key}.{name}": f"{stream} · {told[name]}" for stream in streams for name in told}
    return {path: version_words.place(place) for path, place in places(line).items()} if kind == RECIPE.key else {}


def compared(kind: str, line: Line, path: str, value: Any) -> str:
    """One side of a difference, as a review shows it."""
    if value is None:
        return NOTHING
    if kind == ESTIMATORS.key:
        return version_words.estimated(path.rpartition(".")[2], value)
    return limit_words.value(path, value, line.time_zone) if kind == LIMITS.key else written(value)


def written(value: Any) -> str:
    """As it is typed."""
    return f"{value:.12g}" if isinstance(value, int | float) else str(value)


def asked(kind: str, form: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, read as a file is; a comma may stand for the point. Wrong ones are found by the kind."""
    read = KINDS[kind].value
    names = [name for name in form if name.startswith(OF_A_RECIPE)] if kind == RECIPE.key else bounds(TABLES[kind])
    return {name: read(name, form[name].strip().replace(",", ".")[:200]) for name in names if name in form}
