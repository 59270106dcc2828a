"""Retraining: what people decided about it once and for all, and every run: how far it came, what it found."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .plant import Equipment


class TrainingPlan(models.Model):
    """A standing decision about one equipment: how often to retrain, on how much history, and what becomes of it.

    Without ``every_rolls`` and ``every_hours`` nothing is retrained by itself. Whatever passes is proposed to a person,
    unless a person has said once that it may be put in force, and another has signed that.
    """

    class Then(models.TextChoices):
        PROPOSE = "propose", _("Propose it")
        PUT_IN_FORCE = "put_in_force", _("Put it in force")

    equipment = models.OneToOneField(Equipment, models.PROTECT, primary_key=True, related_name="training_plan")
    every_rolls = models.PositiveIntegerField(null=True, blank=True)
    every_hours = models.FloatField(null=True, blank=True)
    history_hours = models.FloatField(default=24.0, help_text=_("How far back the history reaches"))
    then = models.CharField(max_length=16, choices=Then, default=Then.PROPOSE)
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()
    reason = models.CharField(max_length=400)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("decided_by")),
                name="training_plan_approved_by_another",
            ),
            models.CheckConstraint(
                condition=Q(history_hours__gt=0)
                & (Q(every_hours__isnull=True) | Q(every_hours__gt=0))
                & (Q(every_rolls__isnull=True) | Q(every_rolls__gt=0)),
                name="training_plan_positive",
            ),
        ]

    @property
    def scheduled(self) -> bool:
        return bool(self.every_rolls or self.every_hours)


class TrainingRun(models.Model):
    """One training of all estimators of an equipment. At most one of it is under way, and one at all is running.

    ``step`` says what is being done, ``share`` how far it is (0 to 1), ``heard_at`` when that was last told.
    ``verdict`` is how the challengers did against the estimators in force; see control.actions.retraining.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        PROPOSED = "proposed", _("Waits for a decision")
        IN_FORCE = "in_force", _("Put in force")
        NOT_BETTER = "not_better", _("Not good enough")
        DECLINED = "declined", _("Declined")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Failed")

    OPEN = (State.WAITING, State.RUNNING)

    equipment = models.ForeignKey(Equipment, models.PROTECT, related_name="training_runs")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    asked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField()
    reason = models.CharField(max_length=400, blank=True)
    step = models.CharField(max_length=64, blank=True)
    share = models.FloatField(default=0.0)
    started_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cancel_asked = models.BooleanField(default=False)
    verdict = models.JSONField(default=dict)
    error = models.CharField(max_length=400, blank=True)
    outside = models.JSONField(
        default=dict, blank=True, help_text=_("A model from elsewhere that is tried: its streams, and what they share")
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["equipment"], condition=Q(state__in=("waiting", "running")), name="training_one_open"
            ),
            models.UniqueConstraint(fields=["state"], condition=Q(state="running"), name="training_one_running"),
        ]
        ordering = ["-id"]

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN
