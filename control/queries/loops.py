"""Loops as their page shows them: how they are set, how far their streams wander, and who set them last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import numpy as np
import scipy
from django.db import connection
from django.db.models import Case, CharField, Count, Q, QuerySet, Value, When

from control.core.lifecycle import State
from control.core.r2r import deadband
from control.core.types import FloatArray, MeasuredBy, Quality
from control.models import AuditEntry, Change, Loop, ModeSpell, Stream

LOOKED_AT = timedelta(hours=4)
EDITED = "edited"  # a person's other values took its place
RECORDED = timedelta(days=30)
MADE = (State.APPLIED, State.VERIFYING, State.EFFECTIVE, State.INEFFECTIVE, State.REVERTED)
EVERY_S = 5  # of the predictions of that time, one in so many seconds
_PREDICTED = f"""
    SELECT stream_id, date_part('epoch', at), web_m, value FROM control_point
    WHERE stream_id = ANY(%(streams)s) AND at > %(since)s AND at <= %(until)s AND by = {int(MeasuredBy.PREDICTION)}
      AND quality = {int(Quality.GOOD)} AND date_part('epoch', at)::bigint %% {EVERY_S} = 0
    ORDER BY stream_id, at"""  # noqa: S608 - our own numbers


@dataclass(frozen=True, slots=True)
class Wander:
    """How far the stream that moves most goes on in one decision interval: standard deviation, CV unit."""

    noise: float
    decision_s: float


def visible_loops(line_ids: Iterable[int]) -> QuerySet[Loop]:
    rows = Loop.objects.filter(equipment__line__in=list(line_ids))
    return rows.select_related("equipment__line__area__site")


def streams_of(loop: Loop) -> dict[str, Stream]:
    """The streams a loop holds, by key, in its own order."""
    rows = Stream.objects.filter(lane__equipment=loop.equipment_id).select_related("lane", "characteristic")
    by_key = {stream.key: stream for stream in rows}
    return {key: by_key[key] for key in loop.settings["cvs"] if key in by_key}


def tuned(loop: Loop, most: int = 10) -> QuerySet[AuditEntry]:
    of_loop = {"object_type": "loop", "object_id": str(loop.pk), "line_id": loop.equipment.line_id}
    return AuditEntry.objects.filter(action="loop.tune", **of_loop).exclude(new=None).order_by("-number")[:most]


@dataclass(frozen=True, slots=True)
class Fate:
    """How many of a loop's recommendations ended so, and how many of them with each verdict.

    Of what was applied the verdict is whether it was effective, of the others what it would have done.
    """

    outcome: str
    number: int
    verdicts: dict[str, int]


def record(loop: Loop, since: datetime) -> list[Fate]:
    """What became of what the controller itself proposed."""
    by_person = Q(state=State.SUPERSEDED, superseded_by__author__isnull=False, superseded_by__undoes=None)
    own = Change.objects.filter(loop=loop, author=None, proposed_at__gt=since)
    ended = Case(When(by_person, then=Value(EDITED)), default="state", output_field=CharField())
    told = own.annotate(ended=ended).order_by().values_list("ended", "hindsight__verdict").annotate(n=Count("pk"))
    counts = {(state, verdict): n for state, verdict, n in told}
    applied = {state: n for (state, _verdict), n in counts.items() if state in MADE}
    judged = {state: applied[state] for state in (State.EFFECTIVE, State.INEFFECTIVE) if state in applied}
    fates = [Fate(State.APPLIED, sum(applied.values()), {str(state): n for state, n in judged.items()})]
    for outcome in (State.REJECTED, State.EXPIRED, EDITED):
        verdicts = {verdict: n for (ended, verdict), n in counts.items() if ended == outcome}
        fates.append(Fate(outcome, sum(verdicts.values()), {key: n for key, n in verdicts.items() if key}))
    return fates


def spells(loop: Loop, most: int = 15) -> QuerySet[ModeSpell]:
    """In which modes the loop was, the newest first."""
    return ModeSpell.objects.filter(loop=loop).select_related("by").order_by("-since", "-id")[:most]


def wander(loop: Loop, weight: float, now: datetime) -> Wander | None:
    """From the predictions of the last hours, smoothed as the loop does (``weight`` a second).

    None where there are too few of them, or nothing in them moves.
    A loop decides once in its dead time. What its own moves did is left out.
    """
    streams = [stream.pk for stream in streams_of(loop).values()]
    asked = {"streams": streams, "since": now - LOOKED_AT, "until": now}
    with connection.cursor() as cursor:
        cursor.execute(_PREDICTED, asked)
        rows = cursor.fetchall()
    told = {pk: np.array([row[1:] for row in own], float) for pk, own in groupby(rows, lambda row: row[0])}
    speed = _speed(told)
    if not speed:
        return None
    decision_s = max(loop.settings["dead_time_m"] / speed, 1.0 / weight)
    moved = Change.objects.filter(loop=loop, applied_at__gt=now - LOOKED_AT).values_list("applied_at", flat=True)
    instants = np.arange((now - LOOKED_AT).timestamp(), now.timestamp(), decision_s)
    columns = [_sampled(rows[:, 0], rows[:, 2], weight, instants) for rows in told.values()]
    deviations = np.column_stack(columns)
    for at in moved:
        deviations[np.abs(instants - at.astimezone(UTC).timestamp()) < 2 * decision_s] = np.nan
    try:
        noise = deadband.noise(deviations)
    except ValueError:
        return None
    return Wander(noise, decision_s) if noise else None


def _speed(told: dict[int, FloatArray]) -> float:
    """Metres a second while the web ran; 0 where nothing is known of it."""
    for rows in told.values():
        steps = np.diff(rows[:, 1]) / np.diff(rows[:, 0])
        if (steps > 0).any():
            return float(np.median(steps[steps > 0]))
    return 0.0


def _sampled(at_s: FloatArray, value: FloatArray, weight: float, instants: FloatArray) -> FloatArray:
    """The smoothed values at ``instants``, NaN where there is none so near before."""
    share = 1.0 - (1.0 - weight) ** EVERY_S
    smooth, _ = scipy.signal.lfilter([share], [1.0, share - 1.0], value, zi=[(1.0 - share) * value[0]])
    place = np.searchsorted(at_s, instants, "right") - 1
    near = (place >= 0) & (instants - at_s[np.maximum(place, 0)] <= 2 * EVERY_S)
    return np.where(near, smooth[np.maximum(place, 0)], np.nan)
