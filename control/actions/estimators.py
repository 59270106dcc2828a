"""Train the estimators of an equipment from its stored history, and put estimators in force.

Of which kind they are is the plant file's choice (``model``), unless the caller makes another. A stream that is
predicted by an outside model keeps it: only what stands around it (reference, interval, bias) is found anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import numpy as np
from django.db.models import Max

from control.actions import _window, audit, machines
from control.actions._window import LONGEST_AGE
from control.actions.audit import Actor
from control.actions.authority import peopled
from control.actions.errors import Conflict
from control.actions.ingest import raw
from control.core.pairing import locate
from control.core.types import Measured, Quality, Trace
from control.core.vm.estimator import content_hash
from control.core.vm.gain import Gate
from control.core.vm.inputs import Choice
from control.models import Equipment, Estimator, Recipe, Stream, Tag, Version, VersionState

MOST_ROWS = 200_000  # of snapshots or of labels, the newest; both begin where either has so many
BEGIN = """
SELECT greatest(%(since)s,
    (SELECT at FROM control_snapshot WHERE equipment_id = %(id)s AND at >= %(since)s AND at < %(until)s
     ORDER BY at DESC OFFSET %(most)s - 1 LIMIT 1),
    (SELECT at FROM control_measurement
     WHERE equipment_id = %(id)s AND at >= %(since)s AND at < %(until)s AND value IS NOT NULL AND quality = %(good)s
     ORDER BY at DESC OFFSET %(most)s - 1 LIMIT 1))
"""
TRACE = _window.TRACE % "SELECT * FROM control_snapshot WHERE equipment_id = %s AND at >= %s AND at < %s"
LABELS = """
SELECT date_part('epoch', at), stream_id, coalesce(roll, -1), web_m, value, quality, "by", 0.0, n
FROM control_measurement
WHERE equipment_id = %s AND at >= %s AND at < %s AND value IS NOT NULL AND quality = %s
ORDER BY at, sequence, stream_id
"""
DOUBTED = """
SELECT stream_id, "by", roll, value FROM control_point
WHERE equipment_id = %s AND at >= %s AND at < %s AND doubt > 0
"""


@dataclass(frozen=True, slots=True)
class Training:
    """Which streams have a new estimator, with its metrics, and why the others have none.

    ``gates``: what keeps the estimators from driving each loop, empty where nothing does.
    """

    metrics: Mapping[str, Mapping[str, Any]]
    refused: Mapping[str, str]
    gates: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Everything real that was stored of an equipment in a span."""

    tags: list[Tag]
    streams: list[Stream]
    trace: Trace
    measured: Measured


def history(equipment: Equipment, since: datetime, until: datetime) -> History:
    """Snapshots and good metrology of ``[since, until)``, every value at the piece of foil it belongs to.

    Of more than MOST_ROWS it is the newest.
    """
    tags, streams = list(equipment.tags.order_by("slot")), machines.streams_of(equipment)
    good = int(Quality.GOOD)
    asked = {"id": equipment.pk, "since": since, "until": until, "most": MOST_ROWS, "good": good}
    with _window.binary_cursor(raw()) as cursor:
        ((begin,),) = cursor.execute(BEGIN, asked).fetchall()
        parts = cursor.execute(TRACE, [equipment.pk, begin, until]).fetchall()
        pieces = cursor.execute(LABELS, [equipment.pk, begin, until, good]).fetchall()
        doubted = cursor.execute(DOUBTED, [equipment.pk, begin - LONGEST_AGE, until]).fetchall()
    trace, _, _ = _window.trace_of(parts, len(tags))
    order = {stream.pk: i for i, stream in enumerate(streams)}
    measured = _window.measured_of(pieces, order)
    lost = (measured.roll < 0) | np.isnan(measured.web_m)
    if lost.any():
        measured.roll[lost], measured.web_m[lost] = locate(trace, measured.at_s[lost], equipment.gauge_distance_m)
    measured.quality[_doubted(measured, [row[1] for row in pieces], doubted)] = int(Quality.DOUBTFUL)
    return History(tags, streams, trace, measured)


def _doubted(measured: Measured, stream_ids: Sequence[int], doubted: Iterable[tuple[Any, ...]]) -> list[int]:
    """Places of the values that the pipeline did not believe, whatever their sender says of them."""
    known = set(doubted)
    keys = zip(stream_ids, measured.by.tolist(), measured.roll.tolist(), measured.value.tolist(), strict=True)
    return [k for k, key in enumerate(keys) if key in known]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What was found in a stretch of history, before anything of it is in force."""

    past: History
    contents: Mapping[str, dict[str, Any]]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Kinds:
    """An engineer's choice instead of the plant file's: ``main`` and ``reference``, None where the file's holds.

    ``outside`` are main models from elsewhere, by stream (see core.vm.outside).
    """

    main: str | None = None
    reference: str | None = None
    outside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def train(
    equipment: Equipment,
    *,
    since: datetime,
    until: datetime,
    actor: Actor,
    now: datetime,
    reason: str = "",
    kinds: Kinds | None = None,
) -> Training:
    """Fit every stream on ``[since, until)``; those that can be fitted are in force from ``now``.

    So a line is set up. Once people work on it, what is in force is replaced by a reviewed version only.
    """
    kinds = kinds or Kinds()
    asked: dict[str, Any] = {"actor": actor, "obj": equipment, "line": equipment.line_id, "now": now, "reason": reason}
    with audit.refusals(action="estimator.train", **asked):
        _require_setting_up(equipment, now)
    fitted = fit(equipment, history(equipment, since, until), kinds)
    by_key = {stream.key: stream for stream in fitted.past.streams}
    with audit.atomic():
        for key, content in fitted.contents.items():
            activate(by_key[key], content, now)
        gates = {loop: gate.told for loop, gate in note_gates(equipment).items()}
        told = {
            "trained": {key: content["main"]["kind"] for key, content in sorted(fitted.contents.items())},
            "refused": dict(fitted.refused),
            "gates": gates,
        }
        audit.record(action="estimator.train", new=told, **asked)
    return Training({key: content["metrics"] for key, content in fitted.contents.items()}, fitted.refused, gates)


def _require_setting_up(equipment: Equipment, now: datetime) -> None:
    versioned = Version.objects.filter(kind=Estimator.KIND, scope=equipment.pk, effective_from__isnull=False).exists()
    if versioned or (_active(equipment) and peopled(equipment.line, now)):
        raise Conflict("needs_review", "Estimators are in force: retrain on the model health page, for review.")


def fit(
    equipment: Equipment,
    past: History,
    kinds: Kinds | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Fitted:
    """Fit every stream of an equipment on its past; nothing is stored. For ``progress`` see training.train."""
    kinds = kinds or Kinds()
    from control.core.vm import training  # noqa: PLC0415 - scikit-learn takes over a second to import

    recipe = Recipe.objects.filter(line=equipment.line_id, state=VersionState.ACTIVE).first()
    configs = machines.stream_configs(equipment, past.streams, recipe)
    plan = training.Recipe(
        inputs=tuple(tag.key for tag in past.tags if tag.kind != Tag.Kind.STATUS),
        physics=equipment.physics or {"kind": "none"},
        gains=_gains(equipment),
        outside=({} if kinds.main else _outside(equipment)) | dict(kinds.outside),
        **_chosen(equipment, kinds),
    )
    trained = training.train([tag.key for tag in past.tags], configs, past.trace, past.measured, plan, progress)
    return Fitted(past, trained.contents, trained.refused)


def note_gates(equipment: Equipment) -> Mapping[str, Gate]:
    """Whether the estimators in force may drive the loops, kept with each of them."""
    gates = machines.built(equipment.pk).machine.gates
    for loop in equipment.loops.filter(key__in=gates):
        gate = gates[loop.key]
        low, high = _known(gate.low), _known(gate.high)
        told = {"passes": gate.passes, "told": gate.told, "low": low, "high": high, "limit": gate.limit}
        for row in _active(equipment):
            if row.stream.key in loop.settings["cvs"]:
                row.metrics = row.metrics | {"gates": row.metrics.get("gates", {}) | {loop.key: told}}
                row.save(update_fields=["metrics"])
    return gates


def _known(ratios: tuple[tuple[float, ...], ...]) -> list[list[float | None]]:
    """None where a gain of 0 is assumed, and no ratio to it exists."""
    return [[ratio if isfinite(ratio) else None for ratio in row] for row in ratios]


def _active(equipment: Equipment) -> list[Estimator]:
    rows = Estimator.objects.filter(stream__lane__equipment=equipment, state=VersionState.ACTIVE)
    return list(rows.select_related("stream__lane", "stream__characteristic").order_by("stream_id"))


def _outside(equipment: Equipment) -> dict[str, dict[str, Any]]:
    """Outside models in force, by stream, as they were taken in."""
    return {
        row.stream.key: {key: value for key, value in row.content["main"].items() if key not in ("weight", "intercept")}
        for row in _active(equipment)
        if row.content["main"]["kind"] == "onnx"
    }


def _chosen(equipment: Equipment, kinds: Kinds) -> dict[str, Any]:
    """Kinds, window and components for core.vm.training.Recipe; what the plant file leaves out is the recipe's own."""
    told = equipment.model
    given = {name: getattr(kinds, name) for name in ("main", "reference") if getattr(kinds, name)}

    def choice(of: Mapping[str, Any]) -> Choice:
        return Choice(**{name: of[name] for name in ("main", "reference") if name in of} | given)

    return {
        "choice": choice(told),
        "choices": {stream: choice(of) for stream, of in told.get("streams", {}).items()},
        **{name: told[name] for name in ("window_s", "components") if name in told},
    }


def _gains(equipment: Equipment) -> dict[str, dict[str, float]]:
    """Assumed gains of what the loops move: stream -> tag -> gain."""
    gains: dict[str, dict[str, float]] = {}
    for loop in equipment.loops.all():
        for cv, row in zip(loop.settings["cvs"], loop.settings["gains"], strict=True):
            gains.setdefault(cv, {}).update(zip(loop.settings["mvs"], row, strict=True))
    return gains


def activate(stream: Stream, content: dict[str, Any], now: datetime) -> None:
    """Put a content in force for its stream from ``now``; the one before is superseded."""
    active = stream.estimators.filter(state=VersionState.ACTIVE).first()
    if active is not None:
        if active.sha256 == content_hash(content):
            return
        supersede(active, now)
    row = version(stream, content, now)
    row.state, row.effective_from = VersionState.ACTIVE, now
    row.save(force_insert=True)


def put_in_force(row: Estimator, now: datetime) -> None:
    """A stored estimator, from ``now``; one that was in force before comes back as a new version of its stream."""
    if row.state == VersionState.ACTIVE:
        return
    if row.effective_from is not None:
        activate(row.stream, row.content, now)
        return
    for active in row.stream.estimators.filter(state=VersionState.ACTIVE):
        supersede(active, now)
    row.state, row.effective_from = VersionState.ACTIVE, now
    row.save(update_fields=["state", "effective_from"])


def supersede(row: Estimator, now: datetime) -> None:
    row.state, row.effective_to = VersionState.SUPERSEDED, now
    row.save(update_fields=["state", "effective_to"])


def version(stream: Stream, content: dict[str, Any], now: datetime) -> Estimator:
    """The next version of a stream's estimator, a draft that is not stored yet."""
    window = content["window"]
    return Estimator(
        stream=stream,
        number=(stream.estimators.aggregate(last=Max("number"))["last"] or 0) + 1,
        content=content,
        sha256=content_hash(content),
        metrics=content["metrics"],
        trained_from=datetime.fromtimestamp(window["from_s"], UTC),
        trained_to=datetime.fromtimestamp(window["to_s"], UTC),
        created_at=now,
    )
