"""Loops, as everything outside this room asks for them: HOLD, modes, settings.

Anyone on the line may stop; only a supervisor lets go again or raises a mode; an engineer tunes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from control import events
from control.actions import audit
from control.actions._lock import lock
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.actions.holds import hold, hold_reason, release
from control.actions.modes import demote, lift, request, stand_down
from control.actions.situation import active_recipe
from control.models import Loop, Tag
from control.plantfile import PlantFileError, loop_settings
from control.plantvalues import Declared

__all__ = ["demote", "hold", "hold_reason", "lift", "lock", "release", "request", "stand_down", "tune"]

FILED = "filed"  # in the settings of a tuned loop: what the plant file had said


def tune(loop: Loop, settings: Mapping[str, Any], *, actor: User, now: datetime, reason: str) -> None:
    """Give a loop other settings, checked as a plant file is: an engineer's, with a reason.

    ``loop`` is as the engineer saw it; if somebody tuned it since, that is said instead. Open proposals notice by the
    number of the settings. A plant file that is loaded again changes a tuned loop only if the file itself has changed.
    """
    line = loop.equipment.line
    with audit.attempt(actor=actor, action="loop.tune", obj=loop, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, lock(line.pk), now)
        if not reason.strip():
            raise Invalid("reason_needed", "Tuning a loop needs a reason.")
        known = _declared(loop)
        try:
            new = loop_settings(loop.key, settings, known)
        except PlantFileError as error:
            raise Invalid("not_settings", "; ".join(error.errors)) from None
        _retune(loop, _in_force(loop, known), new, actor=actor, now=now, reason=reason)
    loop.refresh_from_db()


def _in_force(loop: Loop, known: Declared) -> dict[str, Any]:
    """The settings as they are, with what is not among them at its usual value."""
    told = {key: value for key, value in loop.settings.items() if key != FILED}
    try:
        return loop_settings(loop.key, told, known)
    except PlantFileError:  # the plant has changed around them: that is what the engineer is mending
        return told


def _retune(loop: Loop, old: dict[str, Any], new: dict[str, Any], *, actor: User, now: datetime, reason: str) -> None:
    number = loop.settings_number
    different = sorted(key for key in new.keys() | old.keys() if new.get(key) != old.get(key))
    if not different:
        return
    stored = {**new, FILED: loop.settings.get(FILED, old)}
    as_seen = Loop.objects.filter(pk=loop.pk, settings_number=number)
    if as_seen.update(settings=stored, settings_number=number + 1) != 1:
        raise Conflict("overtaken", "Somebody else has tuned this loop in the meantime.")
    line_id = loop.equipment.line_id
    audit.record(
        actor=actor, action="loop.tune", obj=loop, now=now, reason=reason, line=line_id,
        old={key: old.get(key) for key in different} | {"settings": number},
        new={key: new.get(key) for key in different} | {"settings": number + 1},
    )  # fmt: skip
    events.publish("loop", line_id=line_id, loop_id=loop.pk)


def _declared(loop: Loop) -> Declared:
    """What a plant file of this equipment would declare beside the loop."""
    equipment, recipe = loop.equipment, active_recipe(loop)
    tags = {
        tag.key: _as_in_a_file(tag, recipe.set_point(equipment.key, tag.key) if recipe else None)
        for tag in equipment.tags.all()
    }
    keys = set(equipment.characteristics.values_list("key", flat=True))
    streams = {f"{key}/{lane.key}" for key in keys for lane in equipment.lanes.all()}
    return Declared(tags, keys, streams, equipment.physics)


def _as_in_a_file(tag: Tag, set_point: float | None) -> dict[str, Any]:
    told = {name: getattr(tag, name) for name in ("machine_low", "machine_high", "max_step")} | {"set_point": set_point}
    return {name: value for name, value in told.items() if value is not None}
