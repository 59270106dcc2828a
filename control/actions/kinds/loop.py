"""The settings of a loop as a kind of version: checked as a plant file is, and in force with the next pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from control import events
from control.actions import audit
from control.actions.audit import Actor
from control.actions.kinds.kind import Content, Kind, plainly
from control.actions.situation import active_recipe
from control.core.bounded import Fault
from control.models import Line, Loop, Tag, Version
from control.plantfile import PlantFileError, loop_settings
from control.plantvalues import Declared

FILED = "filed"  # in the settings of a loop: what the plant file had said, where something else is in force


def _scope(line: Line, scope: int) -> Loop | None:
    rows = Loop.objects.filter(pk=scope, equipment__line=line)
    return rows.select_related("equipment__line__area__site").first()


def settings(loop: Loop) -> Content:
    """The settings in force, with what is not among them at its usual value."""
    told = {key: value for key, value in loop.settings.items() if key != FILED}
    try:
        return loop_settings(loop.key, told, _declared(loop))
    except PlantFileError:  # the plant has changed around them: that is what the engineer is mending
        return told


def _faults(loop: Loop, content: Mapping[str, Any]) -> list[Fault]:
    try:
        loop_settings(loop.key, content, _declared(loop))
    except PlantFileError as error:
        return [Fault("", "text", one) for one in error.errors]
    return []


def _whole(loop: Loop, content: Mapping[str, Any]) -> Content:
    return loop_settings(loop.key, content, _declared(loop))


def _declared(loop: Loop) -> Declared:
    """What a plant file of this equipment would declare beside the loop."""
    equipment, recipe = loop.equipment, active_recipe(loop)
    tags = {
        tag.key: _as_in_a_file(tag, recipe.set_point(equipment.key, tag.key) if recipe else None)
        for tag in equipment.tags.all()
    }
    keys = set(equipment.characteristics.values_list("key", flat=True))
    measured = equipment.characteristics.filter(counted="").values_list("key", flat=True)
    streams = {f"{key}/{lane.key}" for key in measured for lane in equipment.lanes.all()}
    return Declared(tags, keys, streams, equipment.physics)


def _as_in_a_file(tag: Tag, set_point: float | None) -> dict[str, Any]:
    told = {name: getattr(tag, name) for name in ("machine_low", "machine_high", "max_step")} | {"set_point": set_point}
    return {name: value for name, value in told.items() if value is not None}


def _shown(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every number of a table of its own path, such as ``gains.0.1``."""
    return {path: value for name, told in content.items() for path, value in _flat(name, told)}


def _flat(path: str, told: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(told, list) and told and all(isinstance(one, list | int | float) for one in told):
        for place, one in enumerate(told):
            yield from _flat(f"{path}.{place}", one)
    else:
        yield path, told


def _take_effect(version: Version, *, actor: Actor, now: datetime) -> None:
    loop = Loop.objects.select_related("equipment").get(pk=version.scope)
    old, number = settings(loop), loop.settings_number
    filed = loop.settings.get(FILED, old)
    stored = version.content if version.content == filed else {**version.content, FILED: filed}
    Loop.objects.filter(pk=loop.pk).update(settings=stored, settings_number=number + 1)
    different = sorted(key for key in version.content.keys() | old.keys() if version.content.get(key) != old.get(key))
    audit.record(
        actor=actor, action="loop.tune", obj=loop, now=now, reason=version.reason, line=version.line_id,
        old={key: old.get(key) for key in different} | {"settings": number},
        new={key: version.content.get(key) for key in different} | {"settings": number + 1},
    )  # fmt: skip
    events.publish("loop", line_id=version.line_id, loop_id=loop.pk)


LOOP = Kind(
    key="loop",
    scope_of=_scope,
    usual=settings,
    faults=_faults,
    whole=_whole,
    shown=_shown,
    value=plainly,
    take_effect=_take_effect,
    on_record=True,
)
