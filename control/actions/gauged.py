"""What the gauge says of the foil that was made before and after an instant, and where the machine stood for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import fmean

from django.db.models import Avg

from control.actions.situation import good_values
from control.core.types import MeasuredBy, Quality
from control.models import Change, Point, Snapshot, Stream

SETTLE = timedelta(seconds=30)  # ramps and lags between set-point and foil
WINDOW = timedelta(minutes=2)  # of foil compared, before and after
UNKNOWN_DEAD_TIME = timedelta(minutes=5)
GIVE_UP = timedelta(minutes=30)


def due(change: Change, at: datetime) -> datetime:
    """When the foil of the window after ``at`` has reached the gauge."""
    dead_s = change.evidence.get("dead_time_s")
    dead = UNKNOWN_DEAD_TIME if dead_s is None else timedelta(seconds=dead_s)
    return at + SETTLE + WINDOW + dead


def after(change: Change, at: datetime) -> dict[str, float]:
    """Mean of every measured stream over the window after ``at``."""
    return means(change, at + SETTLE, at + SETTLE + WINDOW)


def set_points_after(change: Change, at: datetime) -> dict[str, float]:
    """Mean of the good readings of every tag over the window after ``at``."""
    equipment, since = change.loop.equipment, at + SETTLE
    rows = Snapshot.objects.filter(equipment=equipment, at__gt=since, at__lte=since + WINDOW)
    keys = list(equipment.tags.order_by("slot").values_list("key", flat=True))
    found: dict[str, list[float]] = {}
    for values, quality in rows.values_list("values", "quality"):
        for key, value in good_values(keys, values, quality).items():
            found.setdefault(key, []).append(value)
    return {key: fmean(values) for key, values in found.items()}


def means(change: Change, since: datetime, until: datetime) -> dict[str, float]:
    """Mean of the good gauge values per stream, of foil made in the span."""
    streams = Stream.objects.filter(lane__equipment=change.loop.equipment_id)
    keys = {stream.pk: stream.key for stream in streams.select_related("lane", "characteristic")}
    made = Point.objects.filter(stream__in=keys, at__gt=since, at__lte=until, by=MeasuredBy.GAUGE)
    good = made.filter(quality=Quality.GOOD, value__isnull=False).order_by()
    rows = good.values("stream_id").annotate(mean=Avg("value"))
    return {keys[row["stream_id"]]: row["mean"] for row in rows}
