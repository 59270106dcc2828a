"""What the foil that comes into a press should weigh, by lane: the recipe's loading of the coater before it."""

from __future__ import annotations

from control.models import Equipment, Recipe, Stream


def incoming(equipment: Equipment, recipe: Recipe | None) -> dict[str, tuple[float, float]]:
    """Lane -> loading of both sides (mg/cm2), and how far the recipe lets it be off, relative.

    Nothing where a side has no target, for then nobody knows what the two weigh together. Lanes keep their number from
    the coater to the press.
    """
    before = Stream.objects.filter(
        lane__equipment__line=equipment.line_id,
        lane__equipment__position__lt=equipment.position,
        characteristic__key="loading",
    ).select_related("lane__equipment")
    sides: dict[str, list[dict[str, float | None]]] = {}
    for stream in before:
        spec = (recipe and recipe.stream_spec(stream.lane.equipment.key, stream.key)) or {}
        sides.setdefault(str(stream.lane.number), []).append(spec)
    found = {lane: _sum(specs) for lane, specs in sides.items()}
    return {lane: told for lane, told in found.items() if told is not None}


def _sum(specs: list[dict[str, float | None]]) -> tuple[float, float] | None:
    targets = [target for spec in specs if (target := spec.get("target"))]
    if len(targets) < len(specs):
        return None
    total = sum(targets)
    bounds = [abs(bound - (spec.get("target") or 0.0)) for spec in specs for key in ("lower", "upper")
              if (bound := spec.get(key)) is not None]  # fmt: skip
    return total, len(specs) * max(bounds, default=0.0) / total
