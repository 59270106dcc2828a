"""Whose word a bundle of moves needs: its sizes, with what was already moved in the shift."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db.models import F

from control.actions import figures
from control.actions.authority import LADDER, NOBODY
from control.core.lifecycle import State
from control.core.policy import Asked, Level, Needed, level_needed, level_needed_together, reach
from control.models import Line, Recipe, SetPointMove, Tag, VersionState

SHIFT = timedelta(hours=8)  # rolling, so no eight hours ever see more than a shift's worth
HOUR = timedelta(hours=1)
ROLES = {Level.AUTO: LADDER[0], Level.OPERATOR: LADDER[0], Level.SUPERVISOR: LADDER[1]}
COUNTED = (  # states in which a move was or may have been made
    State.APPROVED, State.WRITING, State.UNCONFIRMED, State.APPLIED, State.VERIFYING,
    State.EFFECTIVE, State.INEFFECTIVE, State.REVERTED,
)  # fmt: skip
Made = Sequence[tuple[float, timedelta]]  # signed moves of one parameter and how long ago, newest first


def weigh(rows: Iterable[SetPointMove], recipe: Recipe | None, now: datetime, *, besides: int | None = None) -> Needed:
    """What the most demanding of the moves needs; ``besides`` is the change that is asking, not to be counted twice."""
    moves = list(rows)
    made = _made([row.tag_id for row in moves], now, besides)
    authority = figures.table(moves[0].tag.equipment.line_id)
    return level_needed_together(level_needed(_asked(row, recipe, made[row.tag_id]), authority) for row in moves)


@dataclass(frozen=True, slots=True)
class Reach:
    """Between which values a parameter may be brought by somebody's approval now, in the tag's unit."""

    operator: tuple[float, float]
    supervisor: tuple[float, float]


def reaches(
    rows: Iterable[SetPointMove], recipe: Recipe | None, now: datetime, *, besides: int | None = None
) -> dict[int, Reach]:
    """How far each of the moves might go, by tag id."""
    moves = list(rows)
    made = _made([row.tag_id for row in moves], now, besides)
    authority = figures.table(moves[0].tag.equipment.line_id)
    found = {}
    for row in moves:
        asked = _asked(row, recipe, made[row.tag_id])
        found[row.tag_id] = Reach(reach(asked, authority.operator), reach(asked, authority.supervisor))
    return found


def role(needed: Needed) -> str:
    """The lowest role that may approve, ``NOBODY`` where it takes a recipe change or cannot be done at all."""
    return ROLES.get(needed.level, NOBODY)


def percent(tag: Tag, delta: float, recipe: Recipe | None) -> float:
    """The size of a move in % of the recipe set-point, or of the machine's range where that is nil."""
    base = _set_point(tag, recipe) or (tag.machine_high or 0.0) - (tag.machine_low or 0.0) or delta
    return 100.0 * abs(delta / base) if delta else 0.0


def summed(line: Line, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Every parameter moved in a time: how often, and the sum beside what a shift may bring, in % of its set-point."""
    recipe = Recipe.objects.filter(line=line, state=VersionState.ACTIVE).select_related("product").first()
    made = SetPointMove.objects.filter(
        change__line=line, change__applied_at__gte=since, change__applied_at__lt=until, change__state__in=COUNTED
    )
    table, by_tag = figures.table(line.pk), defaultdict[Tag, list[float]](list)
    for row in made.select_related("tag__equipment").order_by("tag__equipment__position", "tag__slot"):
        by_tag[row.tag].append(row.to_value - row.from_value)
    return [
        {
            "tag": tag.pk, "key": f"{tag.equipment.key}.{tag.key}", "times": len(steps),
            "percent": percent(tag, sum(map(abs, steps)), recipe),
            "operator": table.operator.shift, "supervisor": table.supervisor.shift,
        }
        for tag, steps in by_tag.items()
    ]  # fmt: skip


def _asked(row: SetPointMove, recipe: Recipe | None, made: Made) -> Asked:
    tag, delta = row.tag, row.to_value - row.from_value
    low, high = sorted((row.from_value, row.to_value))  # without limits the move itself is the range: 100 %
    return Asked(
        from_value=row.from_value,
        to_value=row.to_value,
        set_point=_set_point(tag, recipe),
        low=low if tag.machine_low is None else tag.machine_low,
        high=high if tag.machine_high is None else tag.machine_high,
        cap=float("inf") if tag.max_step is None else tag.max_step,
        moved_in_shift=sum(abs(step) for step, _ in made),
        moves_in_hour=sum(age < HOUR for _, age in made),
        same_way=len(list(takewhile(lambda past: past[0] * delta > 0, made))),
    )


def _set_point(tag: Tag, recipe: Recipe | None) -> float:
    return (recipe.set_point(tag.equipment.key, tag.key) if recipe else None) or 0.0


def _made(tag_ids: Sequence[int], now: datetime, besides: int | None) -> dict[int, list[tuple[float, timedelta]]]:
    made = SetPointMove.objects.filter(tag__in=tag_ids, change__state__in=COUNTED, change__decided_at__gt=now - SHIFT)
    rows = made.exclude(change=besides).order_by("-change__decided_at", "-pk")
    found: dict[int, list[tuple[float, timedelta]]] = defaultdict(list)
    for tag_id, delta, at in rows.values_list("tag_id", F("to_value") - F("from_value"), "change__decided_at"):
        found[tag_id].append((delta, now - at))
    return found
