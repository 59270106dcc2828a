"""One run of retraining, as a worker carries it out: train, compare with what is in force, store the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction

from control.actions import audit, estimators, machines, outside_models
from control.actions.estimators import Fitted, History
from control.actions.retraining import SYSTEM, Schedule, State, ended, put_in_force, set_hash
from control.core.machine import Machine
from control.core.vm import challenge
from control.core.vm.estimator import Estimator as Folded
from control.models import Equipment, Estimator, Stream, TrainingPlan, TrainingRun, VersionState

NEWEST = 0.15  # share of the labels that decides between champion and challenger
BEFORE_S = 7200.0  # of trace before the first of them: the foil of a lab sample was made an hour ago
STEPS = {"reading": 0.0, "fitting": 0.1, "comparing": 0.8, "storing": 0.95}  # where on the way each begins
FITTING = 0.7  # of the way


class Cancelled(Exception):
    """Somebody has asked the run to end."""


def carry_out(run_id: int, *, clock: Callable[[], datetime]) -> TrainingRun | None:
    """Train, compare, and store the verdict. Not within a transaction.

    None where another worker has taken the run, or another run is being carried out: this one then waits on.
    """
    if not _begun(run_id, clock()):
        return None
    run = TrainingRun.objects.select_related("equipment__line").get(pk=run_id)
    try:
        _carry_out(run, clock)
    except Cancelled:
        ended(run, State.CANCELLED, clock())
    except Exception as error:
        ended(run, State.FAILED, clock(), error=f"{type(error).__name__}: {error}")
        if not isinstance(error, ValueError):
            raise
    run.refresh_from_db()
    return run


def _begun(run_id: int, now: datetime) -> bool:
    rows = TrainingRun.objects.filter(pk=run_id, state=State.WAITING)
    try:
        with transaction.atomic():
            return bool(rows.update(state=State.RUNNING, started_at=now, heard_at=now))
    except IntegrityError:  # the table takes one that runs
        return False


def _carry_out(run: TrainingRun, clock: Callable[[], datetime]) -> None:
    equipment, asked_at = run.equipment, run.asked_at
    row = TrainingPlan.objects.filter(pk=equipment.pk).first()
    hours = row.history_hours if row else Schedule().history_hours
    _tell(run, "reading", clock)
    past = estimators.history(equipment, asked_at - timedelta(hours=hours), asked_at)
    older, newer = _parted(past)
    _tell(run, "fitting", clock)
    kinds = estimators.Kinds(outside=outside_models.read(run.outside))
    fitted = estimators.fit(equipment, older, kinds, progress=lambda share: _tell(run, "fitting", clock, share))
    _tell(run, "comparing", clock)
    verdict = _compared(equipment, fitted, newer)
    _tell(run, "storing", clock)
    with audit.atomic():
        _store(run, fitted, verdict, clock())
        if verdict["passed"] and row and row.then == TrainingPlan.Then.PUT_IN_FORCE:
            run.refresh_from_db()
            put_in_force(run, row, clock())


def _parted(past: History) -> tuple[History, History]:
    """All but the newest labels, and those; the traces overlap, since a label needs what came before it."""
    at_s = np.sort(past.measured.at_s)
    if not len(at_s):
        raise ValueError("nothing was measured in that time")
    cut = float(at_s[int((1 - NEWEST) * len(at_s))])
    before = past.measured.at_s < cut
    older = replace(past, measured=past.measured.where(before))
    first = int(np.searchsorted(past.trace.at_s, cut - BEFORE_S))
    newer = replace(past, trace=past.trace.between(first, len(past.trace)), measured=past.measured.where(~before))
    return older, newer


def _compared(equipment: Equipment, fitted: Fitted, newer: History) -> dict[str, Any]:
    """How both sets did on the newest labels, as JSON."""
    machine = machines.built(equipment.pk).machine
    contents = list(fitted.contents.values())
    estimator = Folded.load(contents, machine.tags, [stream.key for stream in machine.streams])
    challenger: Machine = replace(machine, estimator=estimator)
    scores = [challenge.score(one, newer.trace, newer.measured) for one in (machine, challenger)]
    gates = {loop: gate.told for loop, gate in challenger.gates.items()}
    verdict = challenge.decide(scores[0], scores[1], gates)
    active = Estimator.objects.filter(stream__lane__equipment=equipment, state=VersionState.ACTIVE)
    told = [{key: asdict(one) for key, one in part.items()} for part in scores]
    return {
        **asdict(verdict),
        "champion": set_hash(active),
        "streams": {key: {"champion": told[0].get(key), "challenger": told[1].get(key)} for key in told[0] | told[1]},
        "refused": dict(fitted.refused),
        "newest_from_s": float(newer.measured.at_s.min()) if len(newer.measured) else None,
    }


def _store(run: TrainingRun, fitted: Fitted, verdict: Mapping[str, Any], now: datetime) -> None:
    """The challengers as drafts and the verdict; a proposal that nobody decided on is declined by the newer one."""
    by_key = {stream.key: stream for stream in fitted.past.streams}
    older = TrainingRun.objects.filter(equipment=run.equipment, state=State.PROPOSED)
    Estimator.objects.filter(run__in=older, state=VersionState.DRAFT).update(state=VersionState.REJECTED)
    older.update(state=State.DECLINED, ended_at=now)
    for key, content in fitted.contents.items():
        _draft(by_key[key], content, run, now, passed=bool(verdict["passed"]))
    state = State.PROPOSED if verdict["passed"] else State.NOT_BETTER
    fields = {"state": state, "verdict": dict(verdict), "share": 1.0, "step": "", "heard_at": now}
    going = TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING, cancel_asked=False)
    if not going.update(**fields, ended_at=now):
        raise Cancelled
    audit.record(
        actor=SYSTEM, action="training.verdict", obj=run, now=now, new=dict(verdict), line=run.equipment.line_id
    )


def _draft(stream: Stream, content: dict[str, Any], run: TrainingRun, now: datetime, *, passed: bool) -> None:
    row = estimators.version(stream, content, now)
    row.state, row.run = VersionState.DRAFT if passed else VersionState.REJECTED, run
    row.save(force_insert=True)


def _tell(run: TrainingRun, step: str, clock: Callable[[], datetime], part: float = 0.0) -> None:
    """Say how far the run is, and hear whether it is to end."""
    with transaction.atomic():
        row = TrainingRun.objects.select_for_update().defer("outside").get(pk=run.pk)
        if row.cancel_asked or row.state != State.RUNNING:
            raise Cancelled
        row.step, row.share, row.heard_at = step, STEPS[step] + part * FITTING, clock()
        row.save(update_fields=["step", "share", "heard_at"])
