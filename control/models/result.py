"""What the pipeline made of it: points on charts, signals, and where the pipeline stands."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .plant import Equipment, Named, Stream


class Cursor(models.Model):
    """How far the pipeline has come on one equipment; the lock on this row makes every pass exactly once.

    ``processed`` is the last arrival read, ``head_seq`` the last sequence number given to a result, ``state`` the
    core's own memory, ``failures`` how often in a row the pass from here has failed.
    """

    equipment = models.OneToOneField(Equipment, models.PROTECT, primary_key=True, related_name="cursor")
    processed = models.BigIntegerField(default=0)
    head_seq = models.BigIntegerField(default=0)
    state = models.JSONField(default=dict)
    advanced_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)


class Point(models.Model):
    """A predicted or measured value on a chart, judged. ``seq`` counts per equipment in commit order, without holes.

    ``at`` is when the piece of foil was made (passed the die or nip), ``known_at`` when the value became known.
    """

    pk = models.CompositePrimaryKey("equipment_id", "seq", "at")
    equipment = models.ForeignKey(Equipment, models.DO_NOTHING)
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    known_at = models.DateTimeField()
    stream = models.ForeignKey(Stream, models.DO_NOTHING)
    by = models.SmallIntegerField(help_text="core.types.MeasuredBy")
    roll = models.BigIntegerField()
    web_m = models.FloatField()
    value = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    predicted = models.FloatField(null=True, help_text="For a measured point: what was predicted for the same metre")
    reliance = models.FloatField(null=True, help_text="RI")
    similarity = models.FloatField(null=True, help_text="GSI over its threshold")
    quality = models.SmallIntegerField()
    verdict = models.SmallIntegerField()
    rules = models.SmallIntegerField(help_text="core.types.Rule bits")
    doubt = models.SmallIntegerField(
        default=0, help_text="core.vm.metrology.Doubt: why a measured value is not believed"
    )

    class Meta:
        managed = False
        db_table = "control_point"


class CauseCode(Named):
    """Why a signal came; kept by admins."""

    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="cause_key")]


class Signal(models.Model):
    """A rule that a stream broke, open until someone gives it a cause and an action.

    Points that break the same rule one after the other are one signal: ``first`` to ``last``.
    """

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="signals")
    rule = models.SmallIntegerField(help_text="One core.types.Rule bit")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    last_seq = models.BigIntegerField()
    points = models.PositiveIntegerField(default=1)
    value = models.FloatField()
    raised_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    cause = models.ForeignKey(CauseCode, models.PROTECT, null=True, blank=True)
    action_taken = models.CharField(max_length=400, blank=True)

    class Meta:
        verbose_name = _("signal")
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "rule"], condition=Q(closed_at__isnull=True), name="signal_one_open"
            )
        ]
        indexes = [models.Index(fields=["stream", "-last_at"], name="signal_recent")]
