"""What an applied change really did, beside what was promised: one row a stream, in the stream's own decimals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from control.models import Change, Stream

DECIMALS = 2  # of a stream that is no longer there


@dataclass(frozen=True, slots=True)
class Came:
    """One stream: the change that was predicted, the one the gauge saw, and how far apart they may lie."""

    stream: str
    decimals: int
    predicted: float
    realised: float
    half_width: float

    @property
    def outside(self) -> bool:
        return abs(self.realised - self.predicted) > self.half_width


@dataclass(frozen=True, slots=True)
class Told:
    """The verdict in a sentence, and the streams it was reached over."""

    sentence: str
    mark: str
    rows: list[Came]


def told(change: Change) -> Told | None:
    """Nothing before the verdict."""
    effect = change.effect
    if not effect:
        return None
    if not effect.get("measured"):
        return Told(_("Too few streams were measured before and after; the effect is not known."), "unknown", [])
    rows = _rows(change, effect["streams"])
    numbers = {"distance": f"{effect['distance']:.1f}", "limit": f"{effect['limit']:.1f}"}
    if effect["effective"]:
        words = _("It came as predicted: the miss of all streams together is %(distance)s, up to %(limit)s is chance.")
        return Told(words % numbers, "passed", rows)
    words = _("It did not come as predicted: the miss of all streams together is %(distance)s, more than %(limit)s.")
    return Told(words % numbers, "watch", rows)


def _rows(change: Change, outcomes: list[Mapping[str, Any]]) -> list[Came]:
    streams = Stream.objects.filter(lane__equipment=change.loop.equipment_id)
    known = {stream.key: stream for stream in streams.select_related("lane__equipment", "characteristic")}
    rows = []
    for one in outcomes:
        key = one["stream"]
        stream = known.get(key)
        name, decimals = (str(stream), stream.characteristic.decimals) if stream else (key, DECIMALS)
        rows.append(Came(name, decimals, one["predicted"], one["realised"], one["half_width"]))
    return rows
