"""The recipe of a line as a kind of version: every set-point and every bound of a specification by its own path.

``set_points.<equipment>.<tag>``, ``specs.<equipment>.<characteristic>.<bound>``, and for a lane with a specification of
its own ``specs.<equipment>.<characteristic>/<lane>.<bound>``, a bound being ``lower``, ``target`` or ``upper``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control.actions import recipes
from control.actions.audit import Actor
from control.actions.kinds.kind import Content, Kind, plainly
from control.actions.kinds.tables import of_a_line
from control.core.bounded import Fault
from control.models import Characteristic, Equipment, Lane, Line, Loop, Product, Recipe, Roll, Tag, Version
from control.plantvalues import LARGEST

BOUNDS = ("lower", "target", "upper")
PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class Place:
    """What a path is of: a tag, or a bound of a characteristic in all lanes or in one.

    ``low`` and ``high`` are what the machine allows, in ``unit``.
    """

    path: str
    equipment: Equipment
    of: Tag | Characteristic
    lane: Lane | None
    bound: str
    low: float | None
    high: float | None

    @property
    def unit(self) -> str:
        return self.of.unit


def places(line: Line) -> dict[str, Place]:
    """Everything that a recipe of the line can set, by its path, machine by machine."""
    machines = line.equipment.order_by("position", "pk").prefetch_related("tags", "characteristics", "lanes")
    return {place.path: place for machine in machines for place in (*_tags(machine), *_specs(machine))}


def _tags(machine: Equipment) -> Iterator[Place]:
    for tag in machine.tags.all():
        path = f"set_points.{machine.key}.{tag.key}"
        yield Place(path, machine, tag, None, "", tag.machine_low, tag.machine_high)


def _specs(machine: Equipment) -> Iterator[Place]:
    for item in machine.characteristics.all():
        for lane in (None, *machine.lanes.all()):
            of = item.key if lane is None else f"{item.key}/{lane.key}"
            for bound in BOUNDS:
                yield Place(f"specs.{machine.key}.{of}.{bound}", machine, item, lane, bound, None, None)


def flat(product: str, content: Mapping[str, Any]) -> Content:
    """The content of a row of Recipe by paths."""
    points = {f"set_points.{key}": float(value) for key, value in content["set_points"].items()}
    specs = {
        f"specs.{key}.{bound}": float(spec[bound])
        for key, spec in content["specs"].items()
        for bound in BOUNDS
        if spec.get(bound) is not None
    }
    return {PRODUCT: product, **points, **specs}


def stored(content: Mapping[str, Any]) -> dict[str, Any]:
    """The other way round."""
    told: dict[str, Any] = {"set_points": {}, "specs": {}}
    for path, value in content.items():
        what, _, key = path.partition(".")
        if what == "set_points":
            told[what][key] = value
        elif what == "specs":
            key, _, bound = key.rpartition(".")
            told[what].setdefault(key, dict.fromkeys(BOUNDS))[bound] = value
    return told


def _usual(line: Line) -> Content:
    recipe = recipes.active(line)
    return flat(recipe.product.key, recipe.content) if recipe else {}


def _whole(line: Line, told: Mapping[str, Any]) -> Content:
    """A value that is taken away is not there."""
    return {path: value if path == PRODUCT else float(value) for path, value in told.items() if value is not None}


def _value(path: str, text: str) -> Any:
    """An empty cell takes a value away."""
    if path == PRODUCT:
        return text
    return plainly(path, text) if text else None


# --- what is wrong ----------------------------------------------------------------------------------------------------
def _faults(line: Line, told: Mapping[str, Any]) -> list[Fault]:
    known, values = places(line), {path: value for path, value in told.items() if path != PRODUCT}
    found = [fault for path, value in values.items() for fault in _single(known.get(path), path, value)]
    sound = set(values) - {fault.path for fault in found}
    numbers = {path: value for path, value in values.items() if path in sound and value is not None}
    return [*_product(told.get(PRODUCT)), *found, *_not_rising(known, numbers), *_needed(line, told)]


def _product(named: Any) -> Iterator[Fault]:
    if named not in list(Product.objects.values_list("key", flat=True)):
        yield Fault(PRODUCT, "unknown")


def _single(place: Place | None, path: str, value: Any) -> Iterator[Fault]:
    """What is wrong with one value, whatever the others are."""
    if place is None:
        yield Fault(path, "unknown")
    elif value is not None:
        yield from _number(place, value)


def _number(place: Place, value: Any) -> Iterator[Fault]:
    low, high = (-LARGEST if place.low is None else place.low), (LARGEST if place.high is None else place.high)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        yield Fault(place.path, "not_a_number")
    elif value < low:
        yield Fault(place.path, "below", low)
    elif value > high:
        yield Fault(place.path, "above", high)


def _not_rising(known: Mapping[str, Place], numbers: Mapping[str, float]) -> Iterator[Fault]:
    """A target lies above the lower bound, the upper bound above both."""
    for path in known:
        of, _, bound = path.rpartition(".")
        if bound in BOUNDS and path in numbers and path.startswith("specs."):
            below = [f"{of}.{other}" for other in BOUNDS[: BOUNDS.index(bound)]]
            yield from (Fault(path, "not_above", one) for one in below if numbers.get(one, -LARGEST) >= numbers[path])


def _needed(line: Line, told: Mapping[str, Any]) -> Iterator[Fault]:
    """A set-point that a loop moves and a target that it holds are not taken from it."""
    held = _usual(line)
    taken: dict[str, str] = {}
    for loop in Loop.objects.filter(equipment__line=line).select_related("equipment").order_by("pk"):
        at = loop.equipment.key
        points = [(path, path) for path in (f"set_points.{at}.{mv}" for mv in loop.settings["mvs"])]
        targets = [(_target(at, cv, told), _target(at, cv, held)) for cv in loop.settings["cvs"]]
        lost = [now for now, then in (*points, *targets) if told.get(now) is None and held.get(then) is not None]
        taken |= dict.fromkeys(lost, loop.key)
    yield from (Fault(path, "needed", loop) for path, loop in taken.items())


def _target(at: str, stream: str, told: Mapping[str, Any]) -> str:
    """A lane with any bound of its own has none of the common ones."""
    own = f"specs.{at}.{stream}"
    has = any(told.get(f"{own}.{bound}") is not None for bound in BOUNDS)
    return f"{own if has else own.partition('/')[0]}.target"


# --- into force -------------------------------------------------------------------------------------------------------
def _take_effect(version: Version, *, actor: Actor, now: datetime) -> None:
    line, content = version.line, version.content
    product, earlier = Product.objects.get(key=content[PRODUCT]), recipes.active(line)
    recipe = recipes.put_in_force(line, product, stored(content), actor=actor, now=now)
    if version.waits_for == Version.WaitsFor.LOT:
        _belongs_to(recipe, earlier, version)


def _belongs_to(recipe: Recipe, earlier: Recipe | None, version: Version) -> None:
    """The roll with which it came into force had begun a moment before."""
    first = recipe.line.equipment.order_by("position").first()
    begun = Roll.objects.filter(equipment=first, started_at__gt=version.scheduled_at, recipe=earlier)
    begun.update(recipe=recipe)


RECIPE = Kind(
    key="recipe",
    scope_of=of_a_line,
    usual=_usual,
    faults=_faults,
    whole=_whole,
    shown=lambda told: told,
    value=_value,
    take_effect=_take_effect,
    on_record=True,
)
