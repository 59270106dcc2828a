"""Retraining on a fixed schedule, without retuning: asked for, carried out, judged against what is in force, decided.

A new set of estimators is trained on all but the newest labels; it and the set in force then foretell those. It may
take over only if it passes the gain gate of every loop and is not worse. Whether it then does is a person's decision,
made at the time or, as a plan, once and for all, and signed by somebody else either way. Labels are metrology that the
pipeline believed, never predictions. How far a run has come is committed as it goes, so that a page can tell, and a
word on its row ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max, QuerySet

from control.actions import audit, signing, versions
from control.actions.authority import Right, may, require
from control.actions.errors import Conflict, Invalid, Unsigned
from control.actions.kinds import ESTIMATORS, Content
from control.actions.kinds.estimators import of_streams
from control.actions.loops import lock
from control.actions.signing import Hand
from control.core.versions import OPEN
from control.core.vm.estimator import content_hash
from control.models import Equipment, Estimator, Roll, TrainingPlan, TrainingRun, Version, VersionState

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


def plan(
    equipment: Equipment, schedule: Schedule, *, actor: User, now: datetime, reason: str, by: Hand | None = None
) -> TrainingPlan:
    """Make a standing decision about an equipment's retraining; the one before is replaced.

    That what passes is put in force at once is signed by somebody else (``by``), as the version would be.
    """
    with audit.attempt(actor=actor, action="training.plan", obj=equipment, line=equipment.line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, equipment.line, now)
        _require_sound(schedule, reason)
        old = TrainingPlan.objects.filter(pk=equipment.pk).first()
        told = asdict(schedule)
        signed: dict[str, Any] = {"approved_by": None, "approved_at": None}
        if schedule.then == TrainingPlan.Then.PUT_IN_FORCE:
            approver = _signed(equipment, told, by, actor=actor, now=now, reason=reason)
            signed = {"approved_by": approver, "approved_at": now}
        row, _ = TrainingPlan.objects.update_or_create(
            equipment=equipment,
            defaults={**told, **signed, "decided_by": actor, "decided_at": now, "reason": reason.strip()[:400]},
        )
        before = {name: getattr(old, name) for name in told} if old else None
        audit.record(
            actor=actor, action="training.plan", obj=equipment, now=now, old=before, new=told, reason=reason,
            line=equipment.line_id,
        )  # fmt: skip
    return row


def _require_sound(schedule: Schedule, reason: str) -> None:
    if not reason.strip():
        raise Invalid("reason_needed", "A standing decision needs a reason.")
    if schedule.then not in TrainingPlan.Then.values:
        raise Invalid("unknown_choice", f"{schedule.then} is no choice.")
    if not all(value is None or value > 0 for value in (schedule.every_rolls, schedule.every_hours)):
        raise Invalid("not_positive", "Rolls and hours must be above 0.")
    if not 0 < schedule.history_hours <= 24 * 31:
        raise Invalid("not_positive", "The history must be above 0 and at most 744 hours.")


def _signed(
    equipment: Equipment, told: Mapping[str, Any], by: Hand | None, *, actor: User, now: datetime, reason: str
) -> User:
    """Who stands for the plan beside its author."""
    if by is None or by.user == actor:
        raise Unsigned("signature_needed", "Somebody else signs this plan.", {"meaning": "approve_plan"})
    require(by.user, Right.REVIEW, equipment.line, now)
    signing.sign(
        equipment, by=by, meaning="approve_plan", content=dict(told), now=now, line=equipment.line_id, reason=reason
    )
    return by.user


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


def submit(run: TrainingRun, *, actor: User, now: datetime, reason: str) -> Version:
    """Put the challengers of a run before somebody else, as one version of the machine's estimators.

    Only what passed can be, and only while nothing newer is in force.
    """
    line = run.equipment.line
    with audit.attempt(actor=actor, action="training.submit", obj=run, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, lock(line.pk), now)
        if not reason.strip():
            raise Invalid("reason_needed", "Putting estimators in force needs a reason.")
        if in_review(run) is not None:
            raise Conflict("in_review", "It waits for a reviewer already.")
        asked: dict[str, Any] = {"actor": actor, "now": now, "reason": reason}
        version = versions.draft(
            ESTIMATORS.key, line, run.equipment_id, _challengers(run), source=Version.Source.TRAINING, **asked
        )
        return versions.submit(version.pk, **asked)


def submit_newest(machine: Equipment, *, actor: User, now: datetime, reason: str) -> Version:
    """The same with the newest run of a machine that passed."""
    with audit.attempt(
        actor=actor, action="training.submit", obj=machine, line=machine.line, now=now, reason=reason
    ):  # fmt: skip
        require(actor, Right.CONFIGURE, machine.line, now)
        proposed = machine.training_runs.filter(state=State.PROPOSED).select_related("equipment__line__area__site")
        run = proposed.order_by("-pk").first()
        if run is None:
            raise Conflict("nothing_proposed", "No estimators of this machine wait for a decision.")
    return submit(run, actor=actor, now=now, reason=reason)


def in_review(run: TrainingRun) -> Version | None:
    """The version that the challengers of a run wait in."""
    told = of_streams(_drafts(run))
    opened = Version.objects.filter(kind=ESTIMATORS.key, scope=run.equipment_id, state__in=sorted(OPEN))
    holding = (row for row in opened.order_by("-pk") if told.items() <= row.content.items())
    return next(holding, None) if told else None


def _challengers(run: TrainingRun) -> Content:
    """What a version takes of them, while the run waits for a decision and its champions are still in force."""
    if not TrainingRun.objects.filter(pk=run.pk, state=State.PROPOSED).exists():
        raise Conflict("not_proposed", "The run no longer waits for a decision.")
    active = Estimator.objects.filter(stream__lane__equipment=run.equipment, state=VersionState.ACTIVE)
    if run.verdict.get("champion") != set_hash(active):
        raise Conflict("champion_changed", "Other estimators are in force than those it was compared with.")
    return of_streams(_drafts(run))


def _drafts(run: TrainingRun) -> QuerySet[Estimator]:
    rows = run.estimators.filter(state=VersionState.DRAFT)
    return rows.select_related("stream__lane", "stream__characteristic")


def decline(run: TrainingRun, *, actor: User, now: datetime, reason: str) -> None:
    """Leave the champions in force."""
    line = run.equipment.line
    with audit.attempt(actor=actor, action="training.decline", obj=run, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        if in_review(run) is not None:
            raise Conflict("in_review", "It waits for a reviewer: take that back first.")
        if not TrainingRun.objects.filter(pk=run.pk, state=State.PROPOSED).update(state=State.DECLINED, ended_at=now):
            raise Conflict("not_proposed", "The run no longer waits for a decision.")
        run.estimators.filter(state=VersionState.DRAFT).update(state=VersionState.REJECTED)
        audit.record(actor=actor, action="training.decline", obj=run, now=now, reason=reason, line=line)


def put_in_force(run: TrainingRun, row: TrainingPlan, now: datetime) -> None:
    """Inside an audited transaction: by a plan that two people stand for, a run's challengers are in force at once.

    While whoever signed the plan may not review any more, they wait for a person instead.
    """
    line = run.equipment.line
    if row.approved_by is None or row.approved_at is None or not may(row.approved_by, Right.REVIEW, line, now):
        return
    versions.standing_decision(
        ESTIMATORS.key, lock(line.pk), run.equipment_id, _challengers(run), approved_by=row.approved_by,
        approved_at=row.approved_at, actor=SYSTEM, now=now, reason=decided(row),
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
