"""The estimators of a machine as a kind of version: for every stream which one, by its hash, its kind and its figures.

Kind and figures are written down from the stored estimator, never from who drafts. Only what passed its comparison, or
was in force before, can be in a version; what was in force before comes back as a new number of its stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from control.actions import audit, estimators
from control.actions.audit import Actor
from control.actions.kinds.kind import Content, Kind, plainly
from control.core.bounded import Fault
from control.models import Equipment, Estimator, Line, TrainingRun, Version, VersionState

FIGURES = ("mae", "mae_of_last", "coverage")  # of the last block of its training; see core.vm.training
SHA, HASH = "sha256", re.compile("[0-9a-f]{64}")


def of_streams(rows: Iterable[Estimator]) -> Content:
    """A content, or a part of one, in the order of the streams' names."""
    told = {row.stream.key: _entry(row) for row in rows}
    return {stream: told[stream] for stream in sorted(told)}


def _entry(row: Estimator) -> dict[str, Any]:
    figures = {name: row.metrics[name] for name in FIGURES if name in row.metrics}
    return {SHA: row.sha256, "kind": row.content["main"]["kind"], **figures}


def in_force(equipment: Equipment) -> Content:
    return of_streams(_of(equipment).filter(state=VersionState.ACTIVE))


def _of(equipment: Equipment) -> Any:
    rows = Estimator.objects.filter(stream__lane__equipment=equipment)
    return rows.select_related("stream__lane", "stream__characteristic").order_by("number")


def _scope(line: Line, scope: int) -> Equipment | None:
    return Equipment.objects.filter(pk=scope, line=line).select_related("line").first()


def _named(equipment: Equipment, content: Mapping[str, Any]) -> dict[str, Estimator]:
    """The newest stored estimator of each stream that has the hash that the content says, and may be in force."""
    asked = {stream: told.get(SHA) for stream, told in content.items() if isinstance(told, Mapping)}
    hashes = [sha for sha in asked.values() if isinstance(sha, str) and HASH.fullmatch(sha)]
    may = Q(effective_from__isnull=False) | Q(state=VersionState.DRAFT) | Q(run__verdict__passed=True)
    rows = _of(equipment).filter(may, sha256__in=hashes)
    return {row.stream.key: row for row in rows if asked.get(row.stream.key) == row.sha256}


def _faults(equipment: Equipment, content: Mapping[str, Any]) -> list[Fault]:
    found = _named(equipment, content)
    return [Fault(stream, "unknown") for stream in content if stream not in found]


def _whole(equipment: Equipment, content: Mapping[str, Any]) -> Content:
    return of_streams(_named(equipment, content).values())


def _shown(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every figure of a stream has its own path, such as ``loading/1-top.mae``."""
    return {f"{stream}.{name}": value for stream, told in content.items() for name, value in told.items()}


def _take_effect(version: Version, *, actor: Actor, now: datetime) -> None:
    equipment = Equipment.objects.select_related("line").get(pk=version.scope)
    rows = _named(equipment, version.content)
    runs = {row.run_id for row in rows.values() if row.run_id and row.effective_from is None}
    for row in _of(equipment).filter(state=VersionState.ACTIVE):
        if row.stream.key not in rows:
            estimators.supersede(row, now)
    for row in rows.values():
        estimators.put_in_force(row, now)
    estimators.note_gates(equipment)
    TrainingRun.objects.filter(pk__in=runs).update(state=TrainingRun.State.IN_FORCE, ended_at=now)
    audit.record(
        actor=actor, action="training.promote", obj=equipment, now=now, reason=version.reason, line=version.line_id,
        new={"version": version.number, "streams": list(rows)},
    )  # fmt: skip


ESTIMATORS = Kind(
    key=Estimator.KIND,
    scope_of=_scope,
    usual=in_force,
    faults=_faults,
    whole=_whole,
    shown=_shown,
    value=plainly,
    take_effect=_take_effect,
    on_record=True,
)
