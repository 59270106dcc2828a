"""The core's picture of an equipment, built from the rows that describe it and kept until one of them changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from django.db import connection

from control.actions._incoming import incoming
from control.actions._upstream import Upstream, fed, upstreams
from control.actions.chart_choice import GROUPS
from control.actions.chart_rows import grouped
from control.core.machine import NAN, Actuator, Averaged, ChartConfig, LoopConfig, Machine, StreamConfig, Together
from control.core.process_events import Kind, Watched
from control.core.r2r.schedule import Compaction
from control.core.spc import cusum, ewma
from control.core.spc.hotelling import Reference
from control.core.spc.residual import Chart as Residual
from control.core.spc.rules import RuleSet
from control.core.vm.estimator import Estimator as Folded
from control.models import Equipment, Estimator, Limits, Loop, Mode, Recipe, Stream, Tag, VersionState

KEPT = 64  # machines a process remembers
OPTIONAL = (  # numbers among a loop's settings that have a default
    *("ewma_weight", "drift_weight", "wander_per_m"),
    *("move_weight", "nominal_weight", "bend_um"),
)
Chart = Limits.Chart
CHARTED = (Chart.INDIVIDUALS, Chart.EWMA, Chart.CUSUM, Chart.RESIDUAL, Chart.T2, Chart.MEWMA)
# What a machine is built from, as one text that changes with any of it; an expression for a query with %(id)s
STAMP = """
md5(concat_ws('/',
    (SELECT e::text FROM control_equipment e WHERE e.id = %(id)s),
    (SELECT r.id FROM control_recipe r JOIN control_equipment e USING (line_id)
     WHERE e.id = %(id)s AND r.state = 'active'),
    (SELECT string_agg(t::text, '|' ORDER BY t.slot) FROM control_tag t WHERE t.equipment_id = %(id)s),
    (SELECT string_agg(concat(l.id, ':', l.settings_number, l.actual_mode, l.mode_since), '|' ORDER BY l.id)
     FROM control_loop l WHERE l.equipment_id = %(id)s),
    (SELECT string_agg(m.id::text, '|' ORDER BY m.id) FROM control_estimator m
     JOIN control_stream s ON s.id = m.stream_id JOIN control_lane n ON n.id = s.lane_id
     WHERE n.equipment_id = %(id)s AND m.state = 'active'),
    (SELECT string_agg(m.id::text, '|' ORDER BY m.id) FROM control_limits m
     JOIN control_stream s ON s.id = m.stream_id JOIN control_lane n ON n.id = s.lane_id
     WHERE n.equipment_id = %(id)s AND m.state = 'active'),
    (SELECT string_agg(concat(s.id, c.counted), '|' ORDER BY s.id) FROM control_stream s
     JOIN control_characteristic c ON c.id = s.characteristic_id
     JOIN control_lane n ON n.id = s.lane_id WHERE n.equipment_id = %(id)s)))
"""


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A machine with the rows behind it. ``stream_ids`` are in the order of ``machine.streams``.

    Of a loop only what the stamp covers may be read here: its settings, the mode in force and since when it is.
    ``deciding`` are the loops in automatic mode.
    """

    stamp: str
    equipment_id: int
    machine: Machine
    line_id: int
    gauge_distance_m: float
    cycle_s: float
    tags: tuple[Tag, ...]
    loops: dict[str, Loop]
    stream_ids: tuple[int, ...]
    upstream: tuple[Upstream, ...]
    deciding: frozenset[str]


_kept: dict[int, Built] = {}


def built(equipment_id: int, stamp: str | None = None) -> Built:
    """The machine as the database describes it now; ``stamp`` is what STAMP says, if the caller has just asked."""
    if stamp is None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {STAMP}", {"id": equipment_id})
            stamp = str(cursor.fetchone()[0])
    kept = _kept.get(equipment_id)
    if kept is None or kept.stamp != stamp:
        while len(_kept) >= KEPT:
            _kept.pop(next(iter(_kept)))
        kept = _kept[equipment_id] = _build(equipment_id, stamp)
    return kept


def _build(equipment_id: int, stamp: str) -> Built:
    equipment = Equipment.objects.select_related("line").get(pk=equipment_id)
    recipe = Recipe.objects.filter(line=equipment.line_id, state=VersionState.ACTIVE).first()
    tags = tuple(equipment.tags.order_by("slot"))
    streams = streams_of(equipment)
    configs = stream_configs(equipment, streams, recipe)
    keys = [config.key for config in configs]
    loops = list(equipment.loops.exclude(actual_mode=Mode.OFF))
    contents = Estimator.objects.filter(stream__in=streams, state=VersionState.ACTIVE).order_by("stream_id")
    before = upstreams(equipment, loops)
    return Built(
        stamp=stamp,
        equipment_id=equipment_id,
        machine=Machine(
            key=equipment.key,
            tags=(*(tag.key for tag in tags), *(column for one in before for column in one.columns)),
            streams=tuple(configs),
            estimator=Folded.load([row.content for row in contents], [tag.key for tag in tags], keys),
            loops=tuple(_loops(loops, equipment, configs, tags, recipe)),
            incoming=incoming(equipment, recipe),
            watched=tuple(_watched(equipment, tags)),
        ),
        line_id=equipment.line_id,
        gauge_distance_m=equipment.gauge_distance_m,
        cycle_s=equipment.cycle_s,
        tags=tags,
        loops={loop.key: loop for loop in loops},
        stream_ids=tuple(stream.pk for stream in streams),
        upstream=before,
        deciding=frozenset(loop.key for loop in loops if loop.actual_mode == Mode.AUTO),
    )


def _watched(equipment: Equipment, tags: Sequence[Tag]) -> Iterator[Watched]:
    """The status tags that tell of events, as far as the machine has them."""
    known = {tag.key for tag in tags}
    for told in equipment.events:
        if told["tag"] in known:
            yield Watched(told["tag"], Kind(told["kind"]), told["side"])


def streams_of(equipment: Equipment) -> list[Stream]:
    rows = Stream.objects.filter(lane__equipment=equipment).select_related("lane", "characteristic")
    return list(rows.order_by("id"))


def predictable(equipment: Equipment) -> list[Stream]:
    """Those that are measured: nothing predicts a count."""
    return [stream for stream in streams_of(equipment) if not stream.characteristic.counted]


def stream_configs(equipment: Equipment, streams: Sequence[Stream], recipe: Recipe | None) -> list[StreamConfig]:
    """Each stream's specification and charts."""
    active = Limits.objects.filter(stream__in=streams, state=VersionState.ACTIVE)
    charts: dict[int, dict[str, Limits]] = {}
    for row in active:
        charts.setdefault(row.stream_id, {})[row.chart] = row
    return [_stream(equipment, stream, recipe, charts.get(stream.pk, {})) for stream in streams]


def _stream(equipment: Equipment, stream: Stream, recipe: Recipe | None, charts: dict[str, Limits]) -> StreamConfig:
    spec = (recipe.stream_spec(equipment.key, stream.key) if recipe else None) or {}
    lower, target, upper = (_or_nan(spec.get(key)) for key in ("lower", "target", "upper"))
    counted = bool(stream.characteristic.counted)
    chart = _of_counts(charts) if counted else chart_config(charts, spec.get("target"))
    return StreamConfig(stream.key, lower, target, upper, chart=chart, counted=counted)


def _or_nan(value: float | None) -> float:
    return NAN if value is None else float(value)


def chart_config(charts: Mapping[str, Limits], target: float | None) -> ChartConfig | None:
    """From the rows in force; a chart of single values is always among those of a version."""
    single, smooth, sums, errors, lanes, slow = (charts.get(kind) for kind in CHARTED)
    groups = next((charts[kind] for kind in GROUPS if kind in charts), None)
    if single is None:
        return None
    mean, sigma = single.under(target)
    return ChartConfig(
        mean=mean,
        sigma=sigma,
        rules=RuleSet.of(single.rules, single.parameters),
        ewma=ewma.Design(**_told(smooth, "weight", "width")) if smooth else None,
        cusum=cusum.Design(**_told(sums, "k", "h", "head_start")) if sums else None,
        residual=Residual(errors.mean, errors.sigma, RuleSet.of(errors.rules, errors.parameters)) if errors else None,
        together=Together(*_lanes(lanes.parameters), lanes.parameters["alpha"]) if lanes else None,
        averaged=Averaged(*_lanes(slow.parameters), slow.parameters["weight"], slow.parameters["h"]) if slow else None,
        groups=grouped(groups) if groups else None,
        short_run=single.number if "nominal" in single.parameters else 0,
    )


def _of_counts(charts: Mapping[str, Limits]) -> ChartConfig | None:
    """A version of limits of counts has one chart."""
    row = next((charts[kind] for kind in Limits.COUNTS if kind in charts), None)
    if row is None:
        return None
    return ChartConfig(row.mean, row.sigma * sqrt(row.parameters["sample"]), RuleSet.of(row.rules, row.parameters))


def _lanes(told: Mapping[str, Any]) -> tuple[tuple[str, ...], Reference]:
    """The other lanes, and how all of them usually move together."""
    return tuple(told["others"]), Reference.of(np.array(told["mean"]), np.array(told["covariance"]), told["m"])


def _told(row: Limits, *names: str) -> dict[str, float]:
    """Those of the chart's own parameters that a row has; the others keep their default."""
    return {name: float(row.parameters[name]) for name in names if name in row.parameters}


def _loops(
    rows: Sequence[Loop],
    equipment: Equipment,
    configs: Sequence[StreamConfig],
    tags: Sequence[Tag],
    recipe: Recipe | None,
) -> list[LoopConfig]:
    """The loops that compute. One without a target or a set-point cannot, and is left out."""
    by_key, specs = {tag.key: tag for tag in tags}, {config.key: config for config in configs}
    loops = []
    for loop in rows:
        told = loop.settings
        targets = tuple(specs[cv].target for cv in told["cvs"])
        actuators = [_actuator(equipment, by_key[mv], recipe) for mv in told["mvs"]]
        known = [actuator for actuator in actuators if actuator is not None]
        if len(known) == len(actuators) and all(target == target for target in targets):
            loops.append(_loop(loop, targets, known, equipment.physics))
    return loops


def _loop(loop: Loop, targets: tuple[float, ...], actuators: list[Actuator], physics: Mapping[str, Any]) -> LoopConfig:
    """PostgreSQL gives a whole number back without its point; here it is a float again."""
    told = loop.settings
    nominal = {actuator.tag: actuator.nominal for actuator in actuators}
    curve = Compaction.of(physics, told["cvs"], targets, nominal) if told.get("gain_schedule") else None
    optional = {key: float(told[key]) for key in OPTIONAL if told.get(key) is not None}
    return LoopConfig(
        key=loop.key,
        cvs=tuple(told["cvs"]),
        targets=targets,
        mvs=tuple(actuators),
        gains=tuple(tuple(map(float, row)) for row in told["gains"]),
        deadband=float(told["deadband"]),
        dead_time_m=float(told["dead_time_m"]),
        sum_zero=tuple(told.get("sum_zero", ())),
        cv_weights=tuple(map(float, told.get("cv_weights", ()))),
        cross_direction=tuple(told.get("cross_direction", ())),
        neighbours=tuple(tuple(lip) for lip in told.get("neighbours", ())),
        schedule=curve,
        feed_forward=fed(told),
        estimator=told.get("estimator") or "ewma",
        **optional,
    )


def _actuator(equipment: Equipment, tag: Tag, recipe: Recipe | None) -> Actuator | None:
    nominal = recipe.set_point(equipment.key, tag.key) if recipe else None
    if nominal is None or tag.machine_low is None or tag.machine_high is None or tag.max_step is None:
        return None
    return Actuator(tag.key, tag.machine_low, tag.machine_high, tag.max_step, nominal, tag.deadband)
