"""What the pipeline made of it: points on charts, signals, and where the pipeline stands."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .loop import Loop
from .plant import Equipment, Line, Named, Stream


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
    n = models.FloatField(null=True, help_text="Size of the sample whose rate the value is, of what is counted")

    class Meta:
        managed = False
        db_table = "control_point"


class CauseCode(Named):
    """Why a signal came; kept by admins."""

    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="cause_key")]


class ActionCode(Named):
    """What was done about a signal; kept by admins. Some say nothing without a sentence."""

    needs_text = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="action_key")]


class Signal(models.Model):
    """Something that a person is to look at, open until someone gives it a cause and an action.

    A rule that a stream broke: points that break the same rule one after the other are one signal, ``first`` to
    ``last``. Or what happened on the line as a whole, with ``loop`` where it concerns one. What comes of the same cause
    as an open one ``joins`` it and calls nobody itself; ``called_at`` is when a signal was first put before people.
    What is ``told`` of a machine that is off its recipe stays, also once it is answered, for as long as it is so.
    """

    class Kind(models.TextChoices):
        RULE = "rule", _("A rule is broken")
        WRITE_FAILED = "write_failed", _("A write failed")
        UNCONFIRMED = "unconfirmed", _("The outcome of a write is unknown")
        RECIPE_DRIFT = "recipe_drift", _("A machine is off its recipe (expected → found)")

    line = models.ForeignKey(Line, models.PROTECT, related_name="signals")
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.RULE)
    stream = models.ForeignKey(Stream, models.PROTECT, null=True, related_name="signals")
    loop = models.ForeignKey(Loop, models.PROTECT, null=True, related_name="+")
    rule = models.SmallIntegerField(default=0, help_text="One core.types.Rule bit")
    priority = models.PositiveSmallIntegerField(default=3, help_text=_("1 is the most urgent, 3 the least"))
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    last_seq = models.BigIntegerField(default=0)
    points = models.PositiveIntegerField(default=1)
    value = models.FloatField(null=True)
    detail = models.CharField(max_length=200, blank=True)
    told = models.JSONField(default=dict, blank=True, help_text=_("Parameters that are off: expected and found"))
    raised_at = models.DateTimeField()
    joins = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="joined")
    called_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    cause = models.ForeignKey(CauseCode, models.PROTECT, null=True, blank=True)
    action = models.ForeignKey(ActionCode, models.PROTECT, null=True, blank=True)
    action_taken = models.CharField(max_length=400, blank=True)

    class Meta:
        verbose_name = _("signal")
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "rule"], condition=Q(closed_at__isnull=True), name="signal_one_open"
            ),
            models.UniqueConstraint(
                fields=["line", "kind", "loop"],
                condition=Q(closed_at__isnull=True, stream__isnull=True),
                nulls_distinct=False,
                name="signal_one_open_of_line",
            ),
            models.CheckConstraint(
                condition=Q(kind="rule", stream__isnull=False, value__isnull=False)
                | ~Q(kind="rule") & Q(stream__isnull=True),
                name="signal_of_stream_or_line",
            ),
            models.CheckConstraint(condition=Q(priority__gte=1, priority__lte=3), name="signal_priority"),
            models.CheckConstraint(
                condition=Q(acknowledged_at=None, acknowledged_by=None)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                name="signal_acknowledged_by_someone",
            ),
        ]
        indexes = [
            models.Index(fields=["stream", "-last_at"], name="signal_recent"),
            models.Index(fields=["line", "called_at"], name="signal_called"),
            models.Index(fields=["line"], condition=Q(kind="recipe_drift") & ~Q(told={}), name="signal_of_a_drift"),
        ]


class Shelf(models.Model):
    """A rule of a stream that is not to call anybody for a time; for ever is not a time, whoever writes the row."""

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="shelves")
    rule = models.SmallIntegerField(help_text="One core.types.Rule bit")
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField()
    reason = models.CharField(max_length=400)

    class Meta:
        verbose_name_plural = _("shelves")
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gt=F("since"), until__lte=F("since") + timedelta(hours=24)),
                name="shelf_never_for_ever",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="shelf_has_a_reason"),
        ]
        indexes = [models.Index(fields=["stream", "rule", "-until"], name="shelf_in_force")]
