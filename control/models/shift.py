"""Shifts of a line, and how one hands over to the next."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import F, Q

from .plant import Line


class Handover(models.Model):
    """One shift of a line. ``report`` is empty while it runs, and what happened in it from its end on.

    Who gave it and who took it over are two people; the signatures themselves name this row.
    """

    line = models.ForeignKey(Line, models.PROTECT, related_name="handovers")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    report = models.JSONField(null=True)
    given_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    given_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line", "ends_at"], name="handover_once"),
            models.UniqueConstraint(fields=["line"], condition=Q(report__isnull=True), name="handover_one_runs"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="handover_ends_after"),
            models.CheckConstraint(
                condition=Q(given_by=None, given_at=None)
                | Q(given_by__isnull=False, given_at__isnull=False, report__isnull=False),
                name="handover_given_by_someone",
            ),
            models.CheckConstraint(
                condition=Q(accepted_by=None, accepted_at=None)
                | Q(accepted_by__isnull=False, given_by__isnull=False, accepted_at__gte=F("given_at"))
                & ~Q(accepted_by=F("given_by")),
                name="handover_two_people",
            ),
        ]
        ordering = ["-ends_at"]


class ShiftNote(models.Model):
    """What one shift tells the next in words."""

    handover = models.ForeignKey(Handover, models.PROTECT, related_name="notes")
    at = models.DateTimeField()
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    text = models.CharField(max_length=1000)

    class Meta:
        ordering = ["at", "id"]
