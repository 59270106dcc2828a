"""One pass over what arrived at an equipment: predict, judge, propose, and move the cursor, in one transaction.

The lock on the cursor row makes it exactly once: what is killed half-way leaves nothing behind. Each pass is bounded;
a backlog is caught up in several.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import psycopg
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from control import events
from control.actions import _samples, _upstream, _window, audit, machines, process_events, signals, situation, watching
from control.actions._copy import Column, pack, timestamps
from control.actions._window import Fresh, Span
from control.actions.ingest import raw
from control.actions.machines import Built
from control.actions.proposing import BEFORE, news, propose, retract
from control.core import loop as core
from control.core.interventions import ROLL
from control.core.lifecycle import UNWRITTEN
from control.core.loop import Pass, State
from control.core.pairing import locate
from control.core.policy import Reason
from control.core.process_events import Event, Kind
from control.core.types import BoolArray, FloatArray, IntArray, MeasuredBy, Quality, Rule, Verdict
from control.epoch import instant
from control.models import Cursor, Intake, Loop, SetAside, Source

__all__ = ["ACTOR", "Advanced", "BrokenPlantError", "advance", "behind", "settle"]

ACTOR = "controller"
BATCHES = (2000, 125, 1)  # arrivals of a pass: the first, and after a failure
UNSOUND = frozenset(
    {
        *(Reason.WEB_REVERSED, Reason.LINE_STOPPED, Reason.NEW_ROLL, Reason.INPUT_MISSING),
        *(Reason.INPUT_DOUBTFUL, Reason.UNLIKE_TRAINING, Reason.NOT_RELIABLE, Reason.PROCESS_EVENT),
    }
)  # of these a loop not only falls silent, it takes back what it said
ANYTIME = datetime(1, 1, 2, tzinfo=UTC)
POINT = (
    *("equipment_id", "seq", "at", "known_at", "stream_id", "by", "roll", "web_m", "value", "low", "high"),
    *("predicted", "reliance", "similarity", "quality", "verdict", "rules", "doubt", "n"),
)

BEGIN = f"""
SELECT c.processed, c.head_seq, c.state::text, c.failures, i.arrived, i.earliest_at, {machines.STAMP},
       (SELECT coalesce(json_object_agg(l.key, date_part('epoch', l.last_move_at)), '{{}}')::text
        FROM control_loop l WHERE l.equipment_id = c.equipment_id AND l.last_move_at IS NOT NULL),
       (SELECT coalesce(json_agg(json_build_array(e.id, e.kind, date_part('epoch', e.at), e.side)), '[]')::text
        FROM control_processevent e WHERE e.equipment_id = c.equipment_id AND e.taken_at IS NULL),
       EXISTS (SELECT FROM control_loop l JOIN control_change n ON n.loop_id = l.id
        WHERE l.equipment_id = c.equipment_id AND n.state = ANY (%(unwritten)s)),
       {BEFORE}
FROM control_cursor c JOIN control_intake i USING (equipment_id)
WHERE c.equipment_id = %(id)s FOR NO KEY UPDATE OF c SKIP LOCKED
"""  # noqa: S608 - both parts are constants
MOVE = """
WITH caught_up AS (
    UPDATE control_intake SET earliest_at = NULL WHERE equipment_id = %(id)s AND arrived = %(upto)s RETURNING 1
)
UPDATE control_cursor
SET processed = %(upto)s, head_seq = %(head_seq)s, state = %(state)s, advanced_at = %(now)s, failures = 0
WHERE equipment_id = %(id)s RETURNING EXISTS (SELECT FROM caught_up)
"""

log = logging.getLogger(__name__)


class BrokenPlantError(Exception):
    """The rows that describe an equipment do not fit together: no data is at fault, and none is set aside for it."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What one pass did. ``more``: arrivals are waiting; the caller may go on."""

    snapshots: int = 0
    measurements: int = 0
    points: int = 0
    changes: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Chart points of one pass in the order of their sequence, all (n,)."""

    at_s: FloatArray
    known_s: FloatArray
    stream_id: IntArray
    by: IntArray
    roll: IntArray
    web_m: FloatArray
    value: FloatArray
    low: FloatArray
    high: FloatArray
    predicted: FloatArray
    reliance: FloatArray
    similarity: FloatArray
    quality: IntArray
    verdict: IntArray
    rules: IntArray
    doubt: IntArray
    n: FloatArray

    def __len__(self) -> int:
        return len(self.at_s)


def advance(equipment_id: int, *, now: datetime) -> Advanced:
    """Process the next arrivals of an equipment. Does nothing where another pass is at work or nothing is new.

    A pass that fails is tried with fewer arrivals; a single one that fails for the third time is set aside, so that
    the others go on. The database being away is not a failure of the data.
    """
    try:
        with audit.atomic():
            return _advance(equipment_id, now)
    except (BrokenPlantError, OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except Exception as error:
        _count_failure(equipment_id, error, now)
        raise


def behind(equipment_id: int) -> int:
    """How many arrivals wait for a pass."""
    arrived = Intake.objects.values_list("arrived", flat=True).get(pk=equipment_id)
    return arrived - Cursor.objects.values_list("processed", flat=True).get(pk=equipment_id)


def _advance(equipment_id: int, now: datetime) -> Advanced:
    """One pass under the lock of the cursor row."""
    conn = raw()
    begun = _begun(conn, equipment_id)
    if begun is None:
        return Advanced()
    span, built, head_seq, state, told_of, unwritten, before = begun
    fresh = _window.read(conn, span, built.stream_ids, len(built.tags), built.cycle_s)
    fresh = _upstream.beside(conn, built.upstream, _placed(conn, equipment_id, built, fresh))
    found = core.run(built.machine, state, fresh.trace, fresh.new, fresh.measured, list(told_of.values()))
    _take_events(built, equipment_id, told_of, found, now)
    points = _points(built, fresh, found)
    _copy(conn, equipment_id, head_seq, points)
    _note_signals(points, head_seq, now)
    watching.note(built, fresh, found, told_of.values(), now)
    changes = _propose(built, fresh, found, before, now)
    changes += _retract(built, found, now) if unwritten else 0
    caught_up = _moved(conn, span, head_seq + len(points), found.state, now)
    if len(points):
        events.publish("points", line_id=built.line_id, equipment_id=equipment_id)
    return Advanced(int(fresh.new.sum()), len(fresh.measured), len(points), changes, more=not caught_up)


def _moved(conn: psycopg.Connection[Any], span: Span, head_seq: int, state: State, now: datetime) -> bool:
    """Move the cursor to the end of a span; whether nothing is left behind it."""
    told = {"id": span.equipment_id, "upto": span.upto, "head_seq": head_seq, "state": state.to_json(), "now": now}
    return _window.binary_cursor(conn).execute(MOVE, told).fetchone() == (True,)


def _take_events(built: Built, equipment_id: int, told_of: Mapping[int, Event], found: Pass, now: datetime) -> None:
    """Events that people told of are taken, those that status tags told of are recorded; of a roll the roll tells."""
    if told_of:
        process_events.taken(told_of, now=now)
    seen = [(one.event, f"{one.tag} {one.before:g} → {one.after:g}") for one in found.noticed if one.tag != ROLL.tag]
    if seen:
        process_events.seen(equipment_id, built.line_id, seen, actor=ACTOR, now=now, taken_at=now)


class _Begun(NamedTuple):
    """What a pass starts from.

    ``told_of`` are the events recorded since the last one, by id; ``unwritten`` whether a change is open that nobody
    has written yet; ``before`` is what BEFORE says of the loops.
    """

    span: Span
    built: Built
    head_seq: int
    state: State
    told_of: dict[int, Event]
    unwritten: bool
    before: str


def _begun(conn: psycopg.Connection[Any], equipment_id: int) -> _Begun | None:
    """Lock the cursor and see what there is to do; None where another pass is at work or nothing is new."""
    asked = {"id": equipment_id, "unwritten": [state.value for state in UNWRITTEN]}
    row = _window.binary_cursor(conn).execute(BEGIN, asked).fetchone()
    if row is None:
        return None
    processed, head_seq, state, failures, arrived, earliest_at, stamp, moves, told, unwritten, before = row
    upto = min(arrived, processed + BATCHES[min(failures, len(BATCHES) - 1)])
    if upto <= processed:
        return None
    found = State.from_json(state)
    for loop, at_s in json.loads(moves).items():
        found = found.moved(loop, at_s)
    told_of = {pk: Event(Kind(kind), at_s, side) for pk, kind, at_s, side in json.loads(told)}
    span = Span(equipment_id, processed, upto, earliest_at or ANYTIME)
    return _Begun(span, _built(equipment_id, stamp), head_seq, found, told_of, unwritten, before)


def _built(equipment_id: int, stamp: str) -> Built:
    try:
        return machines.built(equipment_id, stamp)
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenPlantError(f"equipment {equipment_id}: {error}") from error


def _placed(conn: psycopg.Connection[Any], equipment_id: int, built: Built, fresh: Fresh) -> Fresh:
    """Every measurement at the piece of foil it belongs to, lab samples beside what the gauge said of theirs."""
    measured = fresh.measured
    lost = (measured.roll < 0) | np.isnan(measured.web_m)
    if lost.any() and len(fresh.trace):
        at_s = measured.at_s[lost]
        newest = float(fresh.trace.at_s[-1])  # a gauge may be a scan ahead of the machine's own values
        at_s = np.where((at_s > newest) & (at_s <= newest + 2 * built.cycle_s), newest, at_s)
        roll, web_m = measured.roll.copy(), measured.web_m.copy()
        roll[lost], web_m[lost] = locate(fresh.trace, at_s, built.gauge_distance_m)
        measured = replace(measured, roll=roll, web_m=web_m)
    beside = _samples.beside(conn, equipment_id, built.stream_ids, measured)
    return replace(fresh, measured=replace(measured, beside=beside))


def _points(built: Built, fresh: Fresh, found: Pass) -> _Points:
    """Predictions and measurements of a pass as chart points, in the order in which the foil was made."""
    predicted, measured = _predicted(built, fresh, found), _measured(fresh, found)
    both = {
        name: np.concatenate([getattr(predicted, name), getattr(measured, name)])
        for name in _Points.__dataclass_fields__
    }
    order = np.argsort(both["at_s"], kind="stable")
    return _Points(**{name: column[order] for name, column in both.items()})


def _predicted(built: Built, fresh: Fresh, found: Pass) -> _Points:
    told = found.predictions
    streams, n = len(built.stream_ids), len(told)
    row = np.repeat(told.row, streams)
    estimator = built.machine.estimator
    spoken_for = np.zeros(streams, bool) if estimator is None else np.isfinite(estimator.half_width)
    kept = np.tile(spoken_for, n)
    nothing = np.full(n * streams, np.nan)
    columns = {
        "at_s": fresh.trace.at_s[row],
        "known_s": np.maximum(fresh.received_s[row], fresh.trace.at_s[row]),
        "stream_id": np.tile(np.array(built.stream_ids, np.int64), n),
        "by": np.full(n * streams, int(MeasuredBy.PREDICTION), np.int64),
        "roll": fresh.trace.roll[row],
        "web_m": fresh.trace.web_m[row],
        "value": told.value.ravel(),
        "low": told.low.ravel(),
        "high": told.high.ravel(),
        "predicted": nothing,
        "reliance": told.ri.ravel(),
        "similarity": told.gsi.ravel(),
        "quality": told.quality.ravel(),
        "verdict": told.verdict.ravel(),
        "rules": np.zeros(n * streams, np.int64),
        "doubt": np.zeros(n * streams, np.int64),
        "n": nothing,
    }
    return _Points(**{name: column[kept] for name, column in columns.items()})


def _measured(fresh: Fresh, found: Pass) -> _Points:
    measured, judged = fresh.measured, found.judged
    paired = judged.row >= 0
    at_s = measured.at_s.copy()
    at_s[paired] = fresh.trace.at_s[judged.row[paired]]
    nothing = np.full(len(measured), np.nan)
    out = (judged.rules & int(Rule.OUT_OF_SPEC)) > 0
    unsure = ~np.isfinite(measured.value) | (judged.quality > Quality.DOUBTFUL)
    return _Points(
        at_s=at_s,
        known_s=np.maximum(fresh.measured_received_s, measured.at_s),
        stream_id=fresh.stream_ids,
        by=measured.by,
        roll=np.maximum(measured.roll, 0),
        web_m=np.nan_to_num(measured.web_m),
        value=measured.value,
        low=nothing,
        high=nothing,
        predicted=judged.predicted,
        reliance=nothing,
        similarity=nothing,
        quality=judged.quality,
        verdict=np.where(unsure, int(Verdict.MEASURE), np.where(out, int(Verdict.OUT), int(Verdict.IN))),
        rules=judged.rules,
        doubt=judged.doubt,
        n=nothing if measured.n is None else measured.n,
    )


def _copy(conn: psycopg.Connection[Any], equipment_id: int, head_seq: int, points: _Points) -> None:
    if not len(points):
        return
    n = len(points)
    columns: list[Column] = [
        np.full(n, equipment_id, np.int64),
        head_seq + 1 + np.arange(n, dtype=np.int64),
        _timestamps(points.at_s),
        _timestamps(points.known_s),
        points.stream_id,
        points.by.astype(np.int16),
        points.roll,
        points.web_m,
        *map(_finite, (points.value, points.low, points.high, points.predicted, points.reliance, points.similarity)),
        points.quality.astype(np.int16),
        points.verdict.astype(np.int16),
        points.rules.astype(np.int16),
        points.doubt.astype(np.int16),
        _finite(points.n),
    ]
    names = ", ".join(f'"{name}"' for name in POINT)
    with conn.cursor() as cursor, cursor.copy(f"COPY control_point ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(pack(columns))


def _timestamps(seconds: FloatArray) -> IntArray:
    return timestamps(np.rint(seconds * 1e6).astype(np.int64))


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.nan)


def _note_signals(points: _Points, head_seq: int, now: datetime) -> None:
    broken: BoolArray = points.rules > 0
    told = [
        (
            int(points.stream_id[i]),
            int(points.rules[i]),
            instant(points.at_s[i]),
            head_seq + 1 + i,
            float(points.value[i]),
        )
        for i in np.flatnonzero(broken).tolist()
    ]
    signals.note(signals.gathered(told), now=now)


def _propose(built: Built, fresh: Fresh, found: Pass, before: str, now: datetime) -> int:
    """Bring what is new before a person, with what it was made from."""
    made = 0
    for loop, proposal in news([(built.loops[one.loop], one) for one in found.proposals], before, now=now):
        evidence = _evidence(built, fresh, found, loop)
        made += propose(loop=loop, proposal=proposal, evidence=evidence, actor=ACTOR, now=now) is not None
    return made


def _retract(built: Built, found: Pass, now: datetime) -> int:
    """Take back open proposals whose inputs are no longer good; a snapshot from a backlog says nothing about now."""
    reasons = {built.loops[note.loop].pk: note.reason.value for note in found.notes if note.reason in UNSOUND}
    if not reasons or now - instant(found.state.at_s or 0.0) > situation.fresh_for(
        next(iter(built.loops.values())).equipment
    ):
        return 0
    return retract(reasons, actor=ACTOR, now=now)


def _evidence(built: Built, fresh: Fresh, found: Pass, loop: Loop) -> dict[str, Any]:
    """Inputs with quality and ISI, predictions with interval, trust and limits, as they were at the newest snapshot."""
    newest, machine, told = len(fresh.trace) - 1, built.machine, found.predictions
    values, quality = fresh.trace.values[newest], fresh.trace.quality[newest]
    streams = {}
    for key in loop.settings["cvs"]:
        i = machine.stream_at[key]
        config, state = machine.streams[i], found.state.streams.get(key)
        streams[key] = {
            "value": _number(told.value[-1, i]),
            "low": _number(told.low[-1, i]),
            "high": _number(told.high[-1, i]),
            "ri": _number(told.ri[-1, i]),
            "gsi": _number(told.gsi[-1, i]),
            "bias": state.bias if state else 0.0,
            "spec": [_number(bound) for bound in (config.lower, config.target, config.upper)],
            "limits": [config.chart.mean, config.chart.sigma] if config.chart else None,
        }
    estimator, first = machine.estimator, machine.stream_at[loop.settings["cvs"][0]]
    isi = estimator.isi(fresh.trace, newest, first) if estimator else {}
    inputs = {
        tag.key: {
            "value": _number(values[tag.slot]),
            "quality": int(quality[tag.slot]),
            "unit": tag.unit,
            "isi": isi.get(tag.key),
        }
        for tag in built.tags
    }
    return {"inputs": inputs, "streams": streams, "model": found.state.estimator}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _count_failure(equipment_id: int, error: Exception, now: datetime) -> None:
    """Count a failure; park the arrival that fails alone for the third time."""
    log.error("the pass over equipment %s failed: %r", equipment_id, error)
    with transaction.atomic():
        locked = Cursor.objects.select_for_update(no_key=True, of=("self",)).select_related("equipment")
        cursor = locked.get(pk=equipment_id)
        if cursor.failures < len(BATCHES) - 1:
            Cursor.objects.filter(pk=equipment_id).update(failures=F("failures") + 1)
            return
        parked = cursor.processed + 1
        told = {"equipment": cursor.equipment.key, "arrival": parked}
        SetAside.objects.get_or_create(
            source=_any_source(cursor),
            fingerprint=f"pass-{equipment_id}-{parked}",
            defaults={
                "received_at": now, "kind": "arrival", "row": str(told), "reason": "pass_failed",
                "detail": f"{type(error).__name__}: {error}"[:400],
            },
        )  # fmt: skip
        Cursor.objects.filter(pk=equipment_id).update(processed=parked, failures=1)


def _any_source(cursor: Cursor) -> Source:
    """Set-aside rows belong to a source; an arrival's own is in the trace, its line's first stands for it here."""
    return Source.objects.filter(line=cursor.equipment.line_id).order_by("id")[0]


def settle(equipment_ids: Iterable[int], *, now: datetime) -> int:
    """Advance until nothing waits; returns the points made. For commands that feed data in by themselves."""
    made = 0
    for equipment_id in equipment_ids:
        more = True
        while more:
            done = advance(equipment_id, now=now)
            made, more = made + done.points, done.more
    return made
