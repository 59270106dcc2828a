"""Bring a plant file into the database: what is new is added, what changed is changed, nothing is ever removed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from django.db import models

from control.actions import audit, recipes, versions
from control.actions._lock import lock
from control.actions.audit import Actor
from control.actions.kinds import FIGURES, RECIPE
from control.actions.kinds.loop import FILED
from control.actions.kinds.recipe import flat
from control.actions.modes import ASKED, begin_spell
from control.core.bounded import content
from control.core.figures import Figures
from control.models import (
    Area,
    Characteristic,
    Cursor,
    Equipment,
    Intake,
    Lane,
    Lease,
    Line,
    Loop,
    Mode,
    Product,
    Site,
    Source,
    Stream,
    Tag,
    Version,
)
from control.plantfile import EquipmentSpec, Plant, PlantFileError, read
from control.plantloop import LoopSpec
from control.plantvalues import Names

__all__ = ["Plant", "PlantFileError", "Stored", "new_token", "read", "store"]

Row = TypeVar("Row", bound=models.Model)
TAG_FACTS = ("unit", "kind", "low", "high", "machine_low", "machine_high", "max_step", "deadband")
CHARACTERISTIC_FACTS = ("unit", "decimals", "gauge_sigma", "counted")


@dataclass(slots=True)
class Stored:
    """The line of a plant file and the rows that had to be added or changed, as ``kind key``."""

    line: Line
    source: Source
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def upsert(self, model: type[Row], find: dict[str, Any], facts: dict[str, Any], added_facts: dict[str, Any]) -> Row:
        """The row that ``find`` names with ``facts``; ``added_facts`` only count when it is new."""
        row, is_new = model._default_manager.get_or_create(**find, defaults=facts | added_facts)
        if is_new:
            self.added.append(_label(row))
        else:
            self._update(row, facts)
        return row

    def upsert_all(self, there: Mapping[Any, Row], told: Mapping[Any, Row], facts: Sequence[str] = ()) -> list[Row]:
        """As many rows as a machine has, in few questions: ``facts`` of those that are ``there`` become as ``told``."""
        new = [row for key, row in told.items() if key not in there]
        if new:
            type(new[0])._default_manager.bulk_create(new)
        self.added += map(_label, new)
        for key, row in told.items():
            if key in there:
                self._update(there[key], {fact: getattr(row, fact) for fact in facts})
        return [there.get(key, row) for key, row in told.items()]

    def _update(self, row: models.Model, facts: Mapping[str, Any]) -> None:
        if different := {key: value for key, value in facts.items() if getattr(row, key) != value}:
            for key, value in different.items():
                setattr(row, key, value)
            row.save(update_fields=list(different))
            self.changed.append(_label(row))


def _label(row: models.Model) -> str:
    return f"{row._meta.model_name} {getattr(row, 'key', row.pk)}"


def store(plant: Plant, *, actor: Actor, reason: str, now: datetime) -> Stored:
    """Make the database agree with a plant file. A second run with the same file changes nothing."""
    with audit.atomic():
        stored = _store(plant, actor, now)
        told = {"added": len(stored.added), "changed": sorted(stored.changed)}
        if stored.added or stored.changed:
            audit.record(
                actor=actor, action="plant.store", obj=stored.line, now=now, new=told, reason=reason, line=stored.line
            )
    return stored


def _store(plant: Plant, actor: Actor, now: datetime) -> Stored:
    stored = _line(plant)
    lock(stored.line.pk)  # of two who bring in the same, the second finds it there
    contents: dict[str, Any] = {"set_points": {}, "specs": {}}
    for position, spec in enumerate(plant.equipment):
        equipment = _equipment(stored, spec, position)
        _tags(stored, equipment, spec)
        _streams(stored, equipment, spec)
        for loop in spec.loops:
            _loop(stored, equipment, loop, actor, now)
        _add_contents(contents, spec)
    _recipe(stored, plant, contents, actor, now)
    _figures(stored, plant, actor, now)
    return stored


def new_token(source: Source, token: str, *, actor: Actor, now: datetime) -> None:
    """Let ``source`` sign in with ``token``, of which only the hash is kept. An earlier one stops working."""
    with audit.atomic():
        source.token_sha256 = hashlib.sha256(token.encode()).hexdigest()
        source.save(update_fields=["token_sha256"])
        audit.record(actor=actor, action="source.token", obj=source, now=now, line=source.line)


def _names(names: Names) -> dict[str, Any]:
    return {"name": names.name, "name_ko": names.name_ko}


def _line(plant: Plant) -> Stored:
    early = Stored(line=Line(), source=Source())
    site = early.upsert(Site, {"key": plant.site.key}, _names(plant.site) | {"time_zone": plant.time_zone}, {})
    area = early.upsert(Area, {"site": site, "key": plant.area.key}, _names(plant.area), {})
    early.line = early.upsert(Line, {"key": plant.line.key}, _names(plant.line) | {"area": area}, {})
    early.source = early.upsert(Source, {"key": plant.line.key}, {"line": early.line}, {})
    early.upsert(Lease, {"line": early.line}, {}, {})
    return early


def _equipment(stored: Stored, spec: EquipmentSpec, position: int) -> Equipment:
    facts = _names(spec.names) | {
        "kind": spec.kind,
        "position": position,
        "gauge_distance_m": spec.gauge_distance_m,
        "cycle_s": spec.cycle_s,
        "connector": spec.connector,
        "web": spec.web,
        "physics": spec.physics,
        "model": _model(stored, spec),
        "events": [event.model_dump(mode="json") for event in spec.events],
    }
    equipment = stored.upsert(Equipment, {"line": stored.line, "key": spec.names.key}, facts, {})
    stored.upsert(Intake, {"equipment": equipment}, {}, {})
    stored.upsert(Cursor, {"equipment": equipment}, {}, {})
    return equipment


def _model(stored: Stored, spec: EquipmentSpec) -> dict[str, Any]:
    """What the file says of models, unless an engineer chose others since it said so."""
    told = spec.model.model_dump(mode="json")
    present = Equipment.objects.filter(line=stored.line, key=spec.names.key).first()
    chosen: dict[str, Any] = present.model if present else {}
    return chosen if FILED in chosen and {**told, **chosen[FILED]} == told else told


def _tags(stored: Stored, equipment: Equipment, spec: EquipmentSpec) -> None:
    """Tags keep their slot for ever; new ones go to the end, so that old snapshots stay readable."""
    there = {tag.key: tag for tag in equipment.tags.all()}
    slots = count(max((tag.slot for tag in there.values()), default=-1) + 1)
    told = {}
    for tag in spec.tags:
        key = tag.names.key
        slot = there[key].slot if key in there else next(slots)
        facts = {name: getattr(tag, name) for name in TAG_FACTS}
        told[key] = Tag(equipment=equipment, key=key, slot=slot, **_names(tag.names), **facts)
    stored.upsert_all(there, told, ("name", "name_ko", *TAG_FACTS))


def _streams(stored: Stored, equipment: Equipment, spec: EquipmentSpec) -> None:
    there = {lane.key: lane for lane in equipment.lanes.all()}
    told = {lane.key: Lane(equipment=equipment, number=lane.number, side=lane.side) for lane in spec.lanes}
    lanes = stored.upsert_all(there, told)
    for item in spec.characteristics:
        facts = _names(item.names) | {name: getattr(item, name) for name in CHARACTERISTIC_FACTS}
        characteristic = stored.upsert(Characteristic, {"equipment": equipment, "key": item.names.key}, facts, {})
        charted = {stream.lane_id: stream for stream in characteristic.streams.filter(lane__in=lanes)}
        stored.upsert_all(charted, {lane.pk: Stream(lane=lane, characteristic=characteristic) for lane in lanes})


def _loop(stored: Stored, equipment: Equipment, spec: LoopSpec, actor: Actor, now: datetime) -> None:
    """The file says how a loop works; in which mode it runs is people's business once it exists."""
    actual = Mode.SUPERVISED if Mode(spec.mode) == Mode.AUTO else spec.mode
    started = {"requested_mode": spec.mode, "actual_mode": actual, "mode_since": now, "settings": spec.settings}
    find = {"equipment": equipment, "key": spec.names.key}
    loop = stored.upsert(Loop, find, _names(spec.names), started)
    if not loop.spells.exists():
        begin_spell(loop, requested=spec.mode, actual=actual, now=now, code=ASKED, actor=actor)
    filed = loop.settings.get(FILED, loop.settings)  # what was reviewed stays; a changed file is only another draft
    if {**LoopSpec.usual(), **filed} == spec.settings:  # what was not yet a setting then had its usual value
        return
    if versions.file("loop", stored.line, loop.pk, spec.settings, actor=actor, now=now):
        now_is = {key: value for key, value in loop.settings.items() if key != FILED}
        loop.settings = now_is if now_is == spec.settings else {**now_is, FILED: spec.settings}
    else:
        loop.settings, loop.settings_number = spec.settings, loop.settings_number + 1
    loop.save(update_fields=["settings", "settings_number"])
    stored.changed.append(f"loop {loop.key}")


def _add_contents(contents: dict[str, Any], spec: EquipmentSpec) -> None:
    at = spec.names.key
    for tag in spec.tags:
        if tag.set_point is not None:
            contents["set_points"][f"{at}.{tag.names.key}"] = tag.set_point
    for item in spec.characteristics:
        if item.spec:
            contents["specs"][f"{at}.{item.names.key}"] = item.spec.as_json()
        for lane in spec.lanes:
            if own := lane.specs.get(item.names.key):
                contents["specs"][f"{at}.{item.names.key}/{lane.key}"] = own.as_json()


def _recipe(stored: Stored, plant: Plant, contents: dict[str, Any], actor: Actor, now: datetime) -> None:
    """A changed content is a new recipe, and once a recipe was reviewed only another draft."""
    line, product = stored.line, stored.upsert(Product, {"key": plant.product.key}, _names(plant.product), {})
    active, told = recipes.active(line), flat(product.key, contents)
    if active and active.product_id == product.pk and active.content == contents:
        return
    if versions.filed(RECIPE.key, line.pk) == told:
        return
    if versions.file(RECIPE.key, line, line.pk, told, actor=actor, now=now):
        stored.changed.append("recipe, as a draft")
        return
    recipe = recipes.put_in_force(line, product, contents, actor=actor, now=now, number=plant.recipe_number)
    (stored.changed if active else stored.added).append(f"recipe {recipe}")


def _figures(stored: Stored, plant: Plant, actor: Actor, now: datetime) -> None:
    """Once; from then on people draft and review them."""
    line, told = stored.line, plant.line.figures
    if told and not Version.objects.filter(kind=FIGURES.key, scope=line.pk).exists():
        versions.install(FIGURES.key, line, line.pk, content(Figures.of(told)), actor=actor, now=now)
        stored.added.append("figures")
