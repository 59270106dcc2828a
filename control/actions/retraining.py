"""Retraining on a fixed schedule, without retuning: asked for, carried out, judged against what is in force, decided.

A new set of estimators is trained on all but the newest labels; it and the set in force then foretell those. It may
take over only if it passes the gain gate of every loop and is not worse. Whether it then does is a person's decision,
made at the time or, as a plan, once and for all. Labels are metrology that the pipeline believed, never predictions.
How far a run has come is committed as it goes, so that a page can tell, and a word on its row ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max

from control.actions import audit, estimators
from control.actions.audit import Actor
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.core.vm.estimator import content_hash
from control.models import Equipment, Estimator, Roll, TrainingPlan, TrainingRun, VersionState

SYSTEM = "retraining"
SILENT_FOR = timedelta(minutes=10)  # without a word from its worker a run is given up
State = TrainingRun.State


# --- what people decide -----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Schedule:
    """What a plan says; see :class:`control.models.TrainingPlan`."""

    every_rolls: int | None = None
    every_hours: float | None = None
    history_hours: float = 24.0
    then: str = TrainingPlan.Then.PROPOSE


def plan(equipment: Equipment, schedule: Schedule, *, actor: User, now: datetime, reason: str) -> TrainingPlan:
    """Make a standing decision about an equipment's retraining; the one before is replaced."""
    with audit.attempt(actor=actor, action="training.plan", obj=equipment, line=equipment.line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, equipment.line, now)
        if not reason.strip():
            raise Invalid("reason_needed", "A standing decision needs a reason.")
        if schedule.then not in TrainingPlan.Then.values:
            raise Invalid("unknown_choice", f"{schedule.then} is no choice.")
        if not all(value is None or value > 0 for value in (schedule.every_rolls, schedule.every_hours)):
            raise Invalid("not_positive", "Rolls and hours must be above 0.")
        if not 0 < schedule.history_hours <= 24 * 31:
            raise Invalid("not_positive", "The history must be above 0 and at most 744 hours.")
        old = TrainingPlan.objects.filter(pk=equipment.pk).first()
        told = asdict(schedule)
        row, _ = TrainingPlan.objects.update_or_create(
            equipment=equipment,
            defaults={**told, "decided_by": actor, "decided_at": now, "reason": reason.strip()[:400]},
        )
        before = {name: getattr(old, name) for name in told} if old else None
        audit.record(
            actor=actor, action="training.plan", obj=equipment, now=now, old=before, new=told, reason=reason,
            line=equipment.line_id,
        )  # fmt: skip
    return row


def ask(equipment: Equipment, *, actor: User, now: datetime, reason: str = "") -> TrainingRun:
    """Ask for a run now; one that is under way is the answer."""
    with audit.attempt(actor=actor, action="training.ask", obj=equipment, line=equipment.line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, equipment.line, now)
        run, _ = asked(equipment, now=now, by=actor, reason=reason)
        audit.record(
            actor=actor, action="training.ask", obj=equipment, now=now, new={"run": run.pk}, reason=reason,
            line=equipment.line_id,
        )  # fmt: skip
    return run


def cancel(run: TrainingRun, *, actor: User, now: datetime) -> None:
    """End a run: at once if it waits, else before its next step."""
    line = run.equipment.line
    with audit.attempt(actor=actor, action="training.cancel", obj=run, line=line, now=now):
        require(actor, Right.CONFIGURE, line, now)
        rows = TrainingRun.objects.filter(pk=run.pk)
        waited = rows.filter(state=State.WAITING).update(state=State.CANCELLED, ended_at=now)
        if not waited and not rows.filter(state=State.RUNNING).update(cancel_asked=True):
            raise Conflict("not_under_way", "The run has ended already.")
        audit.record(actor=actor, action="training.cancel", obj=run, now=now, line=line)


def promote(run: TrainingRun, *, actor: User, now: datetime, reason: str) -> None:
    """Put the challengers of a run in force. Only what passed can be, and only while nothing newer is."""
    line = run.equipment.line
    with audit.attempt(actor=actor, action="training.promote", obj=run, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        if not reason.strip():
            raise Invalid("reason_needed", "Putting estimators in force needs a reason.")
        put_in_force(run, actor=actor, now=now, reason=reason)


def decline(run: TrainingRun, *, actor: User, now: datetime, reason: str) -> None:
    """Leave the champions in force."""
    line = run.equipment.line
    with audit.attempt(actor=actor, action="training.decline", obj=run, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        if not TrainingRun.objects.filter(pk=run.pk, state=State.PROPOSED).update(state=State.DECLINED, ended_at=now):
            raise Conflict("not_proposed", "The run no longer waits for a decision.")
        run.estimators.filter(state=VersionState.DRAFT).update(state=VersionState.REJECTED)
        audit.record(actor=actor, action="training.decline", obj=run, now=now, reason=reason, line=line)


def put_in_force(run: TrainingRun, *, actor: Actor, now: datetime, reason: str) -> None:
    """Inside an audited transaction: the drafts of a run take the place of what it was compared with."""
    line = run.equipment.line
    if not TrainingRun.objects.filter(pk=run.pk, state=State.PROPOSED).update(state=State.IN_FORCE, ended_at=now):
        raise Conflict("not_proposed", "The run no longer waits for a decision.")
    active = Estimator.objects.filter(stream__lane__equipment=run.equipment, state=VersionState.ACTIVE)
    if run.verdict.get("champion") != set_hash(active):
        raise Conflict("champion_changed", "Other estimators are in force than those it was compared with.")
    rows = list(run.estimators.filter(state=VersionState.DRAFT).select_related("stream"))
    streams = [row.stream_id for row in rows]
    active.filter(stream__in=streams).update(state=VersionState.SUPERSEDED, effective_to=now)
    run.estimators.filter(pk__in=[row.pk for row in rows]).update(state=VersionState.ACTIVE, effective_from=now)
    estimators.note_gates(run.equipment)
    audit.record(
        actor=actor, action="training.promote", obj=run, now=now, reason=reason, line=line,
        old={"model": run.verdict.get("champion")}, new={"streams": [row.stream.key for row in rows], **run.verdict},
    )  # fmt: skip


# --- what time does ---------------------------------------------------------------------------------------------------
def due(now: datetime) -> int | None:
    """The run to be carried out next, after asking for those that a plan wants and giving up those that fell silent.

    None while one is running: retraining must leave workers to the lines.
    """
    for silent in TrainingRun.objects.filter(state=State.RUNNING, heard_at__lt=now - SILENT_FOR):
        ended(silent, State.FAILED, now, error="the worker fell silent")
    for row in TrainingPlan.objects.select_related("equipment", "decided_by"):
        if row.scheduled and _is_due(row, now):
            _planned(row, now)
    if TrainingRun.objects.filter(state=State.RUNNING).exists():
        return None
    return TrainingRun.objects.filter(state=State.WAITING).order_by("pk").values_list("pk", flat=True).first()


def _is_due(row: TrainingPlan, now: datetime) -> bool:
    """Since the last run, or since the plan was made, enough rolls have begun or hours have passed."""
    last = TrainingRun.objects.filter(equipment=row.equipment).aggregate(at=Max("asked_at"))["at"]
    since = max(last, row.decided_at) if last else row.decided_at
    if row.every_hours and now - since >= timedelta(hours=row.every_hours):
        return True
    rolls = Roll.objects.filter(equipment=row.equipment, started_at__gt=since, started_at__lte=now).count()
    return bool(row.every_rolls and rolls >= row.every_rolls)


def _planned(row: TrainingPlan, now: datetime) -> None:
    """Ask for what a plan wants, unless a run is under way."""
    with audit.atomic():
        run, created = asked(row.equipment, now=now, reason="the plan")
        if created:
            audit.record(
                actor=SYSTEM, action="training.ask", obj=row.equipment, now=now, new={"run": run.pk},
                reason=decided(row), line=row.equipment.line_id,
            )  # fmt: skip


def decided(row: TrainingPlan) -> str:
    """Whose standing decision a plan is, and why."""
    return f"the plan of {row.decided_by.get_username()}: {row.reason}"


def asked(
    equipment: Equipment,
    *,
    now: datetime,
    by: User | None = None,
    reason: str = "",
    outside: Mapping[str, Any] | None = None,
) -> tuple[TrainingRun, bool]:
    """The run that is under way, and whether it is a new one; ``outside`` is the model from elsewhere that it tries."""
    return TrainingRun.objects.get_or_create(
        equipment=equipment,
        state__in=TrainingRun.OPEN,
        defaults={
            "state": State.WAITING,
            "asked_by": by,
            "asked_at": now,
            "reason": reason[:400],
            "outside": outside or {},
        },
    )


def set_hash(rows: Any) -> str:
    """One hash for a whole set of estimators."""
    return content_hash(sorted(rows.values_list("sha256", flat=True)))


def ended(run: TrainingRun, state: str, now: datetime, *, error: str = "") -> None:
    """A run that came to nothing."""
    with audit.atomic():
        if TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING).update(
            state=state, ended_at=now, error=error[:400]
        ):
            audit.record(
                actor=SYSTEM, action=f"training.{state}", obj=run, now=now, reason=error, line=run.equipment.line_id
            )
