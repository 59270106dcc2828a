"""Virtual-metrology models as plain data."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from .plant import Stream
from .training import TrainingRun
from .version import VersionState


class Estimator(models.Model):
    """One trained model of one stream. ``content`` holds coefficients, never code; ``sha256`` is its canonical hash.

    Those of a machine are in force together, by a version of the kind ``KIND`` once people work on the line.
    """

    KIND = "estimators"

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="estimators")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=VersionState, default=VersionState.DRAFT)
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict)
    run = models.ForeignKey(TrainingRun, models.PROTECT, null=True, related_name="estimators")
    trained_from = models.DateTimeField()
    trained_to = models.DateTimeField()
    created_at = models.DateTimeField()
    effective_from = models.DateTimeField(null=True)
    effective_to = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "number"], name="estimator_number"),
            models.UniqueConstraint(
                fields=["stream"], condition=Q(state=VersionState.ACTIVE), name="estimator_one_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream} v{self.number}"
