"""What the machines said. Snapshot and Measurement are day-partitioned; rows come in by COPY, never by save()."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from .plant import Equipment, Source, Stream


class Snapshot(models.Model):
    """All tag values of one equipment at one instant, in the order of ``Tag.slot``. NULL where nothing usable came.

    ``web_m`` is metres through the die or nip since roll ``roll`` began. ``arrival`` numbers rows in commit order.
    """

    pk = models.CompositePrimaryKey("equipment_id", "at", "source_id", "sequence")
    equipment = models.ForeignKey(Equipment, models.DO_NOTHING)
    at = models.DateTimeField()
    source = models.ForeignKey(Source, models.DO_NOTHING)
    sequence = models.BigIntegerField()
    arrival = models.BigIntegerField()
    received_at = models.DateTimeField()
    roll = models.BigIntegerField()
    web_m = models.FloatField()
    values = ArrayField(models.FloatField(null=True))
    quality = ArrayField(models.SmallIntegerField())

    class Meta:
        managed = False
        db_table = "control_snapshot"


class Measurement(models.Model):
    """One real value from a gauge or the lab, at the place on the web it belongs to (found by pairing if not given)."""

    pk = models.CompositePrimaryKey("equipment_id", "at", "source_id", "sequence", "stream_id")
    equipment = models.ForeignKey(Equipment, models.DO_NOTHING)
    at = models.DateTimeField(help_text="When it was measured or the sample was cut")
    source = models.ForeignKey(Source, models.DO_NOTHING)
    sequence = models.BigIntegerField()
    stream = models.ForeignKey(Stream, models.DO_NOTHING)
    arrival = models.BigIntegerField()
    received_at = models.DateTimeField()
    roll = models.BigIntegerField(null=True)
    web_m = models.FloatField(null=True)
    value = models.FloatField(null=True)
    n = models.FloatField(null=True, help_text="Of a count, which is the value, the sample size or area")
    quality = models.SmallIntegerField()
    by = models.SmallIntegerField(help_text="core.types.MeasuredBy")

    class Meta:
        managed = False
        db_table = "control_measurement"


class Intake(models.Model):
    """The last arrival number given to each equipment. Locked while a body commits, so arrivals are in commit order.

    ``earliest_at`` is the oldest instant among the rows that no pass has read yet: older day partitions need no look.
    """

    equipment = models.OneToOneField(Equipment, models.PROTECT, primary_key=True, related_name="intake")
    arrived = models.BigIntegerField(default=0)
    last_received_at = models.DateTimeField(null=True)
    earliest_at = models.DateTimeField(null=True)


class SetAside(models.Model):
    """An input row that could not be stored, with the reason: nothing that was sent is lost."""

    source = models.ForeignKey(Source, models.PROTECT)
    received_at = models.DateTimeField()
    kind = models.CharField(max_length=16)
    row = models.TextField()
    reason = models.CharField(max_length=64)
    detail = models.CharField(max_length=400)
    times = models.PositiveIntegerField(default=1)
    fingerprint = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "fingerprint"], name="set_aside_once")]
        indexes = [models.Index(fields=["-received_at"], name="set_aside_recent")]
