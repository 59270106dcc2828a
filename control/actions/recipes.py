"""A recipe comes into force: from a reviewed version, or from a plant file as long as nobody has reviewed one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Max

from control.actions import process_events
from control.actions.audit import Actor
from control.core.process_events import Kind
from control.models import Line, Product, Recipe, VersionState


def active(line: Line) -> Recipe | None:
    return line.recipes.filter(state=VersionState.ACTIVE).select_related("product").first()


def put_in_force(
    line: Line, product: Product, content: Mapping[str, Any], *, actor: Actor, now: datetime, number: int = 1
) -> Recipe:
    """A new row, numbered ``number`` or higher; what was made under the one before stays described by that.

    Another recipe is an event of the process on every machine. No machine is written to.
    """
    earlier = active(line)
    if earlier is not None:
        earlier.state, earlier.effective_to = VersionState.SUPERSEDED, now
        earlier.save(update_fields=["state", "effective_to"])
    last = line.recipes.filter(product=product).aggregate(last=Max("number"))["last"] or 0
    recipe = Recipe.objects.create(
        line=line, product=product, number=max(number, last + 1), state=VersionState.ACTIVE, content=dict(content),
        effective_from=now,
    )  # fmt: skip
    if earlier is not None:
        note = f"{earlier} → {recipe}"
        process_events.caused(line, Kind.PRODUCT_CHANGE, actor=actor, now=now, note=note)
    return recipe
