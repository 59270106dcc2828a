"""What one pass says of a loop that decides by itself, as facts. Looked at in detail only where something is odd."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection

from control.actions import situation
from control.actions._window import Fresh
from control.actions.machines import Built
from control.core.demotion import Facts
from control.core.figures import Figures
from control.core.machine import LoopConfig
from control.core.outcome import Pass
from control.core.pairing import moved_m
from control.core.policy import Reason
from control.core.process_events import Event, Kind
from control.core.types import BoolArray, FloatArray, IntArray, MeasuredBy, Quality, Rule
from control.core.vm import calibration
from control.core.vm.metrology import Doubt
from control.models import Loop, SetPointMove

OWN_MOVE_S = 60.0  # how long after a write of ours a parameter may be on its way
ROUNDING = 1e-9
SLOWED = 0.97  # of its usual speed, under which a web is on its way to a stop
REPEATS = 0.01  # of its scans in which a noisy tag reads exactly as before
LEAST_HISTORY, LOOKED_AT_END = 60, 15  # scans to know that from, and the newest, which are not asked
LATELY = timedelta(minutes=1)
NEWEST_MEASURED = f"""
SELECT s.id, p.value, p.predicted, p.rules FROM unnest(%s::bigint[]) AS s (id) CROSS JOIN LATERAL (
    SELECT value, predicted, rules FROM control_point
    WHERE stream_id = s.id AND by <> {int(MeasuredBy.PREDICTION)} AND at > %s ORDER BY at DESC LIMIT %s) p
"""  # noqa: S608 - our own number
BAD_ON_END = f"""
SELECT coalesce(max(n), 0) FROM unnest(%(streams)s::bigint[]) AS s (id) CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM control_point
    WHERE stream_id = s.id AND by = {int(MeasuredBy.PREDICTION)} AND quality <> {int(Quality.GOOD)} AND at > coalesce(
        (SELECT max(at) FROM control_point WHERE stream_id = s.id AND by = {int(MeasuredBy.PREDICTION)}
         AND quality = {int(Quality.GOOD)} AND at > %(since)s), %(since)s)) p
"""  # noqa: S608 - our own numbers
EVENTS = {Kind.SPLICE: "splice", Kind.ROLL_CHANGE: "splice", Kind.PRODUCT_CHANGE: "recipe", Kind.BATCH_CHANGE: "lot"}
SILENCES = {
    Reason.NOT_RELIABLE: "not_reliable",
    Reason.UNLIKE_TRAINING: "unlike_training",
    Reason.LINE_STOPPED: "line_stop",
    Reason.WEB_REVERSED: "line_stop",
    Reason.NEW_ROLL: "splice",
}


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One loop in one pass."""

    built: Built
    fresh: Fresh
    found: Pass
    config: LoopConfig
    loop: Loop

    def facts(self, events: list[Event], figured: Figures, now: datetime) -> Facts:
        reason = next((note.reason for note in self.found.notes if note.loop == self.config.key), None)
        told: dict[str, Any] = {SILENCES[reason]: reason.value} if reason in SILENCES else {}
        if self._slowed():
            told.setdefault("line_stop", "slower")
        told |= {EVENTS[event.kind]: event.kind.value for event in events if self._concerned(event)}
        return Facts(
            bad_scans=self._bad_scans(reason, now),
            clamped=self._clamped(),
            hand_move=self._hand_move(),
            **self._measured(figured, now),
            **told,
        )

    def _concerned(self, event: Event) -> bool:
        streams = self.built.machine.streams
        sides = {streams[i].side for i in self.built.machine.places[self.config.key].cvs}
        return event.kind in EVENTS and any(event.concerns(side) for side in sides)

    def _bad_scans(self, reason: Reason | None, now: datetime) -> int:
        """The newest scans on end in which an input was no good, or the prediction itself says so."""
        trace = self.fresh.trace
        inputs = [tag.slot for tag in self.built.tags if tag.kind != "status"]
        values = trace.values[:, inputs]
        bad = (trace.quality[:, inputs] != int(Quality.GOOD)) | np.isnan(values)
        scans = _on_end((bad | _frozen(values)).any(axis=1))
        if reason is Reason.INPUT_DOUBTFUL:
            scans = max(scans, bad_on_end(self._stream_ids(), now))
        return scans

    def _slowed(self) -> bool:
        """Whether the web runs more slowly than in the stretch before."""
        metres, seconds = moved_m(self.fresh.trace), np.diff(self.fresh.trace.at_s)
        if len(seconds) < LEAST_HISTORY:
            return False
        speed = metres[1:] / seconds
        return bool(speed[-1] < SLOWED * np.nanmedian(speed))

    def _stream_ids(self) -> list[int]:
        return [self.built.stream_ids[i] for i in self.built.machine.places[self.config.key].cvs]

    def _clamped(self) -> str:
        """The parameters that a machine limit held back."""
        held = (one for one in self.found.proposals if one.loop == self.config.key)
        limits = (text for one in held for text in one.active_constraints if text.endswith((":low", ":high")))
        return ", ".join(limits)

    def _measured(self, figured: Figures, now: datetime) -> dict[str, Any]:
        """What the values measured in this pass say of the loop's streams."""
        measured, judged = self.fresh.measured, self.found.judged
        cvs = self.built.machine.places[self.config.key].cvs
        mine: BoolArray = np.isin(measured.stream, cvs)
        if not mine.any():
            return {}
        broken = mine & (judged.doubt == int(Doubt.IDENTITY))
        told: dict[str, Any] = {
            "identity": _first(self.fresh.stream_ids, broken, self.built),
            "coverage": self._uncovered(np.unique(measured.stream[mine])),
        }
        sigma = self._sigma(measured.stream)
        with np.errstate(invalid="ignore"):
            far = np.abs(judged.error) > figured.vm_sigmas * sigma
        odd: BoolArray = mine & (far | ((judged.rules & int(Rule.OUT_OF_SPEC)) > 0))
        if odd.any():
            told |= _worst_of(self.fresh.stream_ids[odd], sigma[odd], figured, now)
        return told

    def _sigma(self, streams: IntArray) -> FloatArray:
        """The spread (k,) that the errors of each stream had so far; that of its training while there are few."""
        estimator = self.built.machine.estimator
        if estimator is None:
            return np.full(len(streams), np.nan)
        sigma = estimator.residual_sigma[streams]
        own = [self._scores(int(stream)) for stream in streams]
        ran = np.array([calibration.spread(scores) for scores in own]) * estimator.half_width[streams]
        return np.where(np.isfinite(ran), ran, sigma)

    def _scores(self, stream: int) -> str:
        state = self.found.state.streams.get(self.built.machine.streams[stream].key)
        return state.scores if state else ""

    def _uncovered(self, streams: IntArray) -> str:
        keys = (self.built.machine.streams[i].key for i in streams if not calibration.covers(self._scores(int(i))))
        return ", ".join(keys)

    def _hand_move(self) -> str:
        """The parameter that stands elsewhere than since the loop decides, with no write of ours behind it."""
        trace, columns = self.fresh.trace, self.built.machine.places[self.config.key].mvs
        since = 0.0 if self.loop.mode_since is None else self.loop.mode_since.timestamp()
        rows = np.flatnonzero(trace.at_s >= since)
        if len(rows) < 3 or self._slowed():  # pumps follow a web that stops
            return ""
        values = trace.values[rows][:, columns]
        deadband = np.array([mv.deadband for mv in self.config.mvs])
        with np.errstate(invalid="ignore"):
            away = (np.abs(values[-2:] - values[0]) > deadband + ROUNDING).all(axis=0)
        names = [mv.tag for mv, so in zip(self.config.mvs, away, strict=True) if so]
        if not names:
            return ""
        begun = datetime.fromtimestamp(trace.at_s[rows[0]] - OWN_MOVE_S, UTC)
        return ", ".join(sorted(set(names) - self._ours(names, values[-1], begun)))

    def _ours(self, names: list[str], values: FloatArray, begun: datetime) -> set[str]:
        """Those that a write of ours brings, or has brought, to where they are."""
        at = dict(zip((mv.tag for mv in self.config.mvs), values.tolist(), strict=True))
        moves = SetPointMove.objects.filter(
            tag__equipment=self.built.equipment_id, tag__key__in=names, change__taken_at__gt=begun
        )
        rows = moves.order_by("change__taken_at").values_list(
            "tag__key", "to_value", "tag__deadband", "change__taken_at"
        )
        newest = {key: (to, deadband, taken_at) for key, to, deadband, taken_at in rows if taken_at}
        newest_s = float(self.fresh.trace.at_s[-1])
        return {
            key
            for key, (to, deadband, taken_at) in newest.items()
            if abs(at[key] - to) <= deadband + ROUNDING or newest_s - taken_at.timestamp() <= OWN_MOVE_S
        }


def _frozen(values: FloatArray) -> BoolArray:
    """Where a value (n, tags) is exactly the one before, of a tag that hardly ever repeats itself."""
    same = np.zeros(values.shape, bool)
    same[1:] = values[1:] == values[:-1]
    usual = same[:-LOOKED_AT_END] if len(values) > LEAST_HISTORY else np.ones(values.shape, bool)
    return np.asarray(same & (usual.mean(axis=0) < REPEATS))


def _on_end(bad: BoolArray) -> int:
    """How many of the last are so, without a break."""
    good = np.flatnonzero(~bad)
    return len(bad) - 1 - int(good[-1]) if len(good) else len(bad)


def _first(stream_ids: IntArray, so: BoolArray, built: Built) -> str:
    """The key of the first stream of which it is so."""
    place = np.flatnonzero(so)
    return built.machine.streams[built.stream_ids.index(int(stream_ids[place[0]]))].key if len(place) else ""


def _worst_of(stream_ids: IntArray, sigma: FloatArray, figured: Figures, now: datetime) -> dict[str, Any]:
    """Of streams with an odd value: how many on end were out of specification, and how far off two on end were."""
    spread = dict(zip(stream_ids.tolist(), sigma.tolist(), strict=True))
    newest: dict[int, list[tuple[float, float, int]]] = {}
    with connection.cursor() as cursor:
        asked: list[Any] = [list(spread), now - situation.LOOK_BACK, max(figured.out_of_spec, 2)]
        cursor.execute(NEWEST_MEASURED, asked)
        for pk, value, predicted, rules in cursor.fetchall():
            newest.setdefault(pk, []).append((_nan(value), _nan(predicted), rules))
    return {
        "out_of_spec": max(_out_on_end(rows) for rows in newest.values()),
        "vm_error_sigmas": max(_agreeing(rows[:2], spread[pk]) for pk, rows in newest.items()),
    }


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _out_on_end(rows: list[tuple[float, float, int]]) -> int:
    """``rows`` the newest first."""
    within = [i for i, (_, _, rules) in enumerate(rows) if not rules & int(Rule.OUT_OF_SPEC)]
    return within[0] if within else len(rows)


def _agreeing(rows: list[tuple[float, float, int]], sigma: float) -> float:
    """The smaller of the two newest errors in sigma, if they are of one sign; 0 where they are not, or not known."""
    errors = [(value - predicted) / sigma for value, predicted, _ in rows]
    if len(errors) < 2 or not np.isfinite(errors).all() or errors[0] * errors[1] <= 0:
        return 0.0
    return min(map(abs, errors))


def bad_on_end(stream_ids: list[int], now: datetime) -> int:
    """How many of the newest predictions on end were not good, at the worst of some streams."""
    with connection.cursor() as cursor:
        cursor.execute(BAD_ON_END, {"streams": stream_ids, "since": now - LATELY})
        return int(cursor.fetchone()[0])
