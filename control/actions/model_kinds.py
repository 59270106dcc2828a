"""Which kinds of model an equipment's streams are trained as: what the plant file says, or an engineer instead."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from control.actions import audit, machines
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.actions.kinds.loop import FILED
from control.core.vm.estimator import content_hash
from control.models import Equipment
from control.plantfile import PlantFileError, model_settings
from control.plantvalues import Declared


def mark(equipment: Equipment) -> str:
    """Tells one choice from another, for whoever looks at it and decides later."""
    return content_hash(equipment.model)


def choose_models(
    equipment: Equipment, settings: Mapping[str, Any], *, seen: str, actor: User, now: datetime, reason: str
) -> None:
    """Choose main and reference kinds for an equipment and single streams of it, checked as a plant file is.

    ``seen`` is the :func:`mark` of what the engineer looked at. Estimators in force stay; the next training follows the
    choice. A plant file that is loaded again changes it only if what the file says of models has changed.
    """
    line = equipment.line
    with audit.attempt(actor=actor, action="model.choose", obj=equipment, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        if not reason.strip():
            raise Invalid("reason_needed", "Choosing kinds of model needs a reason.")
        row = Equipment.objects.select_for_update(no_key=True).get(pk=equipment.pk)
        if mark(row) != seen:
            raise Conflict("overtaken", "The kinds of model have been changed in the meantime.")
        known = Declared(streams={stream.key for stream in machines.predictable(row)})
        try:
            new = model_settings(row.key, settings, known)
        except PlantFileError as error:
            raise Invalid("not_models", "; ".join(error.errors)) from None
        _keep(row, _in_force(row, known), new, actor=actor, now=now, reason=reason)
    equipment.refresh_from_db(fields=["model"])


def without_filed(model: Mapping[str, Any]) -> dict[str, Any]:
    """The choice itself, without what the plant file had said."""
    return {name: value for name, value in model.items() if name != FILED}


def _in_force(row: Equipment, known: Declared) -> dict[str, Any]:
    """The choice as it is, with what is not in it at its usual value."""
    told = without_filed(row.model)
    try:
        return model_settings(row.key, told, known)
    except PlantFileError:  # stored under older rules: that is what the engineer is mending
        return told


def _keep(row: Equipment, old: dict[str, Any], new: dict[str, Any], *, actor: User, now: datetime, reason: str) -> None:
    different = sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))
    if not different:
        return
    filed = row.model.get(FILED, old)
    row.model = new if new == filed else {**new, FILED: filed}
    row.save(update_fields=["model"])
    audit.record(
        actor=actor, action="model.choose", obj=row, now=now, reason=reason, line=row.line_id,
        old={name: old.get(name) for name in different}, new={name: new.get(name) for name in different},
    )  # fmt: skip
