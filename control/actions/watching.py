"""Whether a loop may stay in the mode it is in: looked at in every pass, and by the clock where nothing comes.

``note`` costs nothing where no loop decides by itself. ``watch`` also ends and lifts a shadow that silence brought.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.db import connection

from control.actions import figures, situation
from control.actions._window import Fresh
from control.actions.machines import Built
from control.actions.modes import LIFTED, demote, fell_silent, lift
from control.actions.sizing import AUTHORITY, COUNTED, SHIFT
from control.core.demotion import Facts, Trigger, causes, worst
from control.core.figures import Figures
from control.core.machine import LoopConfig
from control.core.modes import Mode
from control.core.outcome import Pass
from control.core.policy import Reason
from control.core.process_events import Event, Kind
from control.core.types import BoolArray, FloatArray, IntArray, MeasuredBy, Quality, Rule
from control.core.vm import calibration
from control.core.vm.metrology import Doubt
from control.models import Loop, ModeSpell, SetPointMove, Snapshot, Stream

ACTOR = "watch"
OWN_MOVE_S = 60.0  # how long after a write of ours a parameter may be on its way
AT_CAP = 0.9  # of what automatic mode may move at once
ROUNDING = 1e-9
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


def note(built: Built, fresh: Fresh, found: Pass, told: Iterable[Event], now: datetime) -> None:
    """What a pass found that takes a loop of the machine out of automatic mode; inside its transaction."""
    if not built.deciding or found.state.at_s is None:
        return
    figured, events = figures.of(built.line_id), [*told, *(seen.event for seen in found.noticed)]
    late_scans = (now.timestamp() - found.state.at_s) / situation.scan_s(built.cycle_s)
    for config in built.machine.loops:
        if config.key not in built.deciding:
            continue
        loop = built.loops[config.key]
        if late_scans > figured.very_stale_scans:  # of a backlog, which says nothing about now
            facts = Facts(silent_scans=figured.very_stale_scans)
        else:
            facts = _Seen(built, fresh, found, config, loop).facts(events, figured, now)
        _act(loop.pk, facts, figured, now)


def watch(now: datetime) -> None:
    """What no pass can notice, because nothing comes; every two seconds or so."""
    for row in _watched(now):
        figured = figures.of(row.line_id)
        scans = 1.0 / situation.scan_s(row.cycle_s)
        if row.actual == Mode.AUTO:
            facts = Facts(
                silent_scans=row.arrivals.silent_s(now) * scans,
                unheard_s=float("inf") if row.heard_at is None else (now - row.heard_at).total_seconds(),
                same_way=_same_way(row.loop_id, now),
                same_way_most=AUTHORITY.auto_same_way,
                held="HOLD" if situation.on_hold(_loop(row.loop_id)) else "",
            )
        elif row.actual == Mode.SHADOW:
            _lift(row, figured, now)
            continue
        else:
            facts = Facts(silent_scans=row.arrivals.missing_s(now) * scans, bad_scans=_bad_since_down(row, now))
        _act(row.loop_id, facts, figured, now)


def _act(loop_id: int, facts: Facts, figured: Figures, now: datetime) -> None:
    """As far down as the worst cause says; of a loop that is as far down already nothing is written."""
    cause = worst(causes(facts, figured))
    if cause is not None:
        demote(Loop(pk=loop_id), cause.trigger.to, actor=ACTOR, code=cause.trigger, detail=cause.detail, now=now)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One loop in one pass."""

    built: Built
    fresh: Fresh
    found: Pass
    config: LoopConfig
    loop: Loop

    def facts(self, events: list[Event], figured: Figures, now: datetime) -> Facts:
        reason = next((note.reason for note in self.found.notes if note.loop == self.config.key), None)
        told: dict[str, Any] = {SILENCES[reason]: reason.value} if reason in SILENCES else {}
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
        bad = (trace.quality[:, inputs] != int(Quality.GOOD)) | np.isnan(trace.values[:, inputs])
        scans = _on_end(bad.any(axis=1)) if len(trace) and bad[-1].any() else 0
        if reason is Reason.INPUT_DOUBTFUL:
            scans = max(scans, bad_on_end(self._stream_ids(), now))
        return scans

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
        if len(rows) < 3:
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


class _Row(NamedTuple):
    """A loop that ``watch`` looks at."""

    loop_id: int
    line_id: int
    actual: str
    cycle_s: float
    heard_at: datetime | None
    arrivals: situation.Arrivals
    reasons: list[dict[str, str]]
    since: datetime | None


COLUMNS = (
    *("pk", "equipment__line_id", "actual_mode", "requested_mode", "equipment__cycle_s", "mode_reasons", "mode_since"),
    "equipment__handshake__heard_at",
    *(f"equipment__{name}" for name in situation.ARRIVALS),
)


def _watched(now: datetime) -> Iterator[_Row]:
    """Loops that decide, or should speak; those that fell silent."""
    for pk, line_id, actual, requested, cycle_s, reasons, since, heard_at, *arrivals in Loop.objects.exclude(
        actual_mode=Mode.OFF
    ).values_list(*COLUMNS):
        in_shadow = actual == Mode.SHADOW
        if not in_shadow or (Mode(requested).offers and fell_silent(Loop(mode_reasons=reasons))):
            yield _Row(pk, line_id, actual, cycle_s, heard_at, situation.Arrivals(*arrivals), reasons, since)


def _loop(loop_id: int) -> Loop:
    return Loop.objects.select_related("equipment").get(pk=loop_id)


def _bad_since_down(row: _Row, now: datetime) -> int:
    """A loop that bad inputs have just brought down goes further if they stay: scans on end."""
    code = row.reasons[0].get("code") if row.reasons and isinstance(row.reasons[0], dict) else ""
    if code != Trigger.BAD_INPUT or row.since is None or now - row.since > LATELY:
        return 0
    return bad_on_end(_streams(row.loop_id), now)


def _streams(loop_id: int) -> list[int]:
    loop = _loop(loop_id)
    rows = Stream.objects.filter(lane__equipment=loop.equipment_id).select_related("lane", "characteristic")
    return [stream.pk for stream in rows if stream.key in loop.settings["cvs"]]


def _lift(row: _Row, figured: Figures, now: datetime) -> None:
    """Back from silence once enough good scans have come, and not again for a while."""
    loop = _loop(row.loop_id)
    wanted_s = (figured.good_scans + 2) * situation.scan_s(row.cycle_s)
    begin = max(now - timedelta(seconds=wanted_s), row.since or now)
    came = Snapshot.objects.filter(equipment=loop.equipment_id, at__gt=begin, at__lte=now + situation.CLOCK_SKEW)
    if came.count() < figured.good_scans or bad_on_end(_streams(row.loop_id), now):
        return
    lately = ModeSpell.objects.filter(loop=loop, code=LIFTED, since__gt=now - timedelta(seconds=figured.calm_s))
    if not lately.exists():
        lift(loop, actor=ACTOR, now=now)


def _same_way(loop_id: int, now: datetime) -> int:
    """How many of a parameter's newest moves on end went one way, each about as far as automatic mode may go."""
    made = SetPointMove.objects.filter(
        change__loop=loop_id, change__state__in=COUNTED, change__decided_at__gt=now - SHIFT
    ).order_by("-change__decided_at")
    of_tag: dict[int, list[tuple[float, float]]] = {}
    for move in made.select_related("change"):
        share = move.change.size_percent / AUTHORITY.auto.move
        of_tag.setdefault(move.tag_id, []).append((move.to_value - move.from_value, share))
    return max((_run(moves) for moves in of_tag.values()), default=0)


def _run(moves: list[tuple[float, float]]) -> int:
    """``moves`` the newest first: signed size, and the share of the cap."""
    n = 0
    for delta, share in moves:
        if delta * moves[0][0] <= 0 or share < AT_CAP:
            break
        n += 1
    return n
