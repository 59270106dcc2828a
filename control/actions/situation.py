"""What is true of a loop at this moment: its machine's last word, and the versions in force.

Read when a change is proposed, frozen with it, and read again by everyone who decides or writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from control.core.figures import Figures
from control.core.types import MeasuredBy, Quality
from control.models import Change, Equipment, Estimator, Hold, Limits, Loop, Recipe, SetPointMove, Snapshot, Stream
from control.models import VersionState as Version

FRESH_SCANS = 10  # a snapshot older than this many scans says nothing about now
LOOK_BACK = timedelta(minutes=15)
CLOCK_SKEW = timedelta(seconds=5)
ROUNDING = 1e-9
NEWEST_PREDICTIONS = f"""
SELECT s.id, p.at, p.quality FROM unnest(%s::bigint[]) AS s (id) CROSS JOIN LATERAL (
    SELECT at, quality FROM control_point WHERE stream_id = s.id AND by = {int(MeasuredBy.PREDICTION)} AND at > %s
    ORDER BY at DESC LIMIT 1) p
"""  # noqa: S608 - our own number
ARRIVALS = ("intake__last_received_at", "line__lease__since", "line__lease__expires_at")  # of an equipment
PER_SECOND = {"m/min": 1 / 60, "m/s": 1.0}


@dataclass(frozen=True, slots=True)
class Readings:
    """The newest snapshot of an equipment: good values by tag key, and when it was."""

    at: datetime | None
    values: Mapping[str, float]

    def fresh(self, equipment: Equipment, now: datetime) -> bool:
        return self.at is not None and now - self.at <= fresh_for(equipment)


def fresh_for(equipment: Equipment) -> timedelta:
    return max(timedelta(seconds=FRESH_SCANS * equipment.cycle_s), timedelta(seconds=FRESH_SCANS))


def readings(equipment: Equipment, now: datetime) -> Readings:
    recent = Snapshot.objects.filter(equipment=equipment, at__gt=now - LOOK_BACK, at__lte=now + CLOCK_SKEW)
    row = recent.order_by("-at", "-sequence").values_list("at", "values", "quality").first()
    if row is None:
        return Readings(None, {})
    at, values, quality = row
    keys = equipment.tags.order_by("slot").values_list("key", flat=True)
    return Readings(at, good_values(keys, values, quality))


def good_values(keys: Iterable[str], values: Iterable[float | None], quality: Iterable[int]) -> dict[str, float]:
    """What a snapshot says of its tags, ``keys`` in the order of their slots, where that is good."""
    told = zip(keys, values, quality, strict=False)
    return {key: value for key, value, q in told if value is not None and q == Quality.GOOD}


def dead_time(loop: Loop, now_is: Readings) -> timedelta | None:
    """Time for the web to run from the die through the gauge; None while the speed is unknown or nil."""
    tag = loop.equipment.tags.filter(key=loop.equipment.web.get("speed", "")).first()
    speed = now_is.values.get(tag.key, 0.0) * PER_SECOND.get(tag.unit, 0.0) if tag else 0.0
    if speed <= 0:
        return None
    return timedelta(seconds=loop.settings["dead_time_m"] / speed)


def time_to_live(dead: timedelta | None, figures: Figures) -> timedelta:
    """So many dead times and a little, never longer than the longest."""
    longest = timedelta(seconds=figures.longest_life_s)
    if dead is None:
        return longest
    return min(figures.life_dead_times * dead + timedelta(seconds=figures.life_extra_s), longest)


def active_recipe(loop: Loop) -> Recipe | None:
    recipes = Recipe.objects.filter(line_id=loop.equipment.line_id, state=Version.ACTIVE)
    return recipes.select_related("product").first()


def versions(loop: Loop) -> dict[str, Any]:
    """Everything versioned that a change of this loop rests on."""
    recipe = active_recipe(loop)
    cvs = {"stream__lane__equipment": loop.equipment_id, "state": Version.ACTIVE}
    held = set(loop.settings["cvs"])
    estimators = Estimator.objects.filter(**cvs).select_related("stream__lane", "stream__characteristic")
    limits = Limits.objects.filter(**cvs).select_related("stream__lane", "stream__characteristic")
    return {
        "mode": str(loop.actual_mode),
        "settings": loop.settings_number,
        "recipe": f"{recipe.product.key} v{recipe.number}" if recipe else None,  # in no language
        "estimators": {row.stream.key: row.number for row in estimators if row.stream.key in held},
        "limits": {f"{row.stream.key} {row.chart}": row.number for row in limits if row.stream.key in held},
    }


def on_hold(loop: Loop) -> bool:
    """Whether the loop, its line or its whole site is stopped."""
    line_id = loop.equipment.line_id
    mine = Q(loop=loop.pk) | Q(line=line_id, loop__isnull=True) | Q(site__areas__lines=line_id)
    return Hold.objects.filter(mine, ended_at__isnull=True).exists()


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When an equipment was last heard of, and since when there is somebody to listen: the dispatcher of its line."""

    received_at: datetime | None
    listening_since: datetime | None
    listening_until: datetime | None

    def silent_s(self, now: datetime) -> float:
        """Seconds since anything came, endless if nothing ever did."""
        return float("inf") if self.received_at is None else (now - self.received_at).total_seconds()

    def missing_s(self, now: datetime) -> float:
        """Seconds that were listened to in vain; while apcweb itself is down, nothing is known to be missing."""
        if self.received_at is None or self.listening_since is None or (self.listening_until or now) <= now:
            return 0.0
        return (now - max(self.received_at, self.listening_since)).total_seconds()


def silent_scans(equipment: Equipment, now: datetime) -> float:
    """How many scans of an equipment did not come, whoever's fault it is."""
    found = Equipment.objects.filter(pk=equipment.pk).values_list(*ARRIVALS).get()
    return Arrivals(*found).silent_s(now) / scan_s(equipment.cycle_s)


def missing_scans(equipment: Equipment, now: datetime) -> float:
    """How many scans of an equipment were listened to in vain."""
    found = Equipment.objects.filter(pk=equipment.pk).values_list(*ARRIVALS).get()
    return Arrivals(*found).missing_s(now) / scan_s(equipment.cycle_s)


def scan_s(cycle_s: float) -> float:
    """The time of a scan (s), for what is looked at once a second at best."""
    return max(cycle_s, 1.0)


def moved_away(moves: Iterable[SetPointMove], values: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    """The parameters that are no longer where the decider saw them, or whose value is not known."""
    found: dict[str, dict[str, float | None]] = {}
    for row in moves:
        present = values.get(row.tag.key)
        if present is None or abs(present - row.from_value) > row.tag.deadband + ROUNDING:
            found[row.tag.key] = {"seen": row.from_value, "is": present}
    return found


def differences(change: Change, now: datetime) -> dict[str, Any]:
    """What is no longer as the decider saw it; empty if everything is."""
    equipment = change.loop.equipment
    now_is = readings(equipment, now)
    moves = change.moves.select_related("tag__equipment")
    found: dict[str, Any] = moved_away(moves, now_is.values)
    if not now_is.fresh(equipment, now):
        found["newest snapshot"] = {"is": now_is.at and now_is.at.isoformat()}
    seen_at = datetime.fromisoformat(change.evidence["seen_at"])
    if now - seen_at > timedelta(seconds=change.evidence.get("life_s", _life_s(change))):
        found["evidence"] = {"seen": change.evidence["seen_at"], "is": now.isoformat()}
    seen, present = change.evidence["versions"], versions(change.loop)
    return found | {key: {"seen": seen.get(key), "is": is_} for key, is_ in present.items() if seen.get(key) != is_}


def _life_s(change: Change) -> float:
    return (change.expires_at - change.proposed_at).total_seconds()


def inputs_not_good(change: Change, now: datetime) -> dict[str, dict[str, str]]:
    """The loop's streams whose newest prediction is doubtful, or stayed behind the machine: nothing is moved on those.

    A stream without predictions has no estimator, and says nothing. The undoing of another change rests on no
    prediction: the way back stays open.
    """
    if change.undoes_id is not None:
        return {}
    loop = change.loop
    newest = readings(loop.equipment, now).at or now
    found = {}
    for key, (at, quality) in newest_predictions(loop, datetime.fromisoformat(change.evidence["seen_at"])).items():
        if quality != Quality.GOOD:
            found[key] = {"seen": Quality.GOOD.name.lower(), "is": Quality(quality).name.lower()}
        elif newest - at > fresh_for(loop.equipment):
            found[key] = {"seen": change.evidence["seen_at"], "is": at.isoformat()}
    return found


def newest_predictions(loop: Loop, at: datetime) -> dict[str, tuple[datetime, int]]:
    """Instant and quality of the newest prediction of each of a loop's streams that has one since a little before."""
    streams = Stream.objects.filter(lane__equipment=loop.equipment_id).select_related("lane", "characteristic")
    held = {stream.pk: stream.key for stream in streams if stream.key in loop.settings["cvs"]}
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_PREDICTIONS, [list(held), at - LOOK_BACK])
        return {held[pk]: (made_at, quality) for pk, made_at, quality in cursor.fetchall()}
