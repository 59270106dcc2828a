"""What virtual metrology said of a roll at once, and what it says since the roll was measured: both are kept."""

from __future__ import annotations

from django.db import models

from .plant import Equipment, Stream


class RollCursor(models.Model):
    """How far the points of an equipment have been looked through for rolls that have news.

    ``seq`` is the newest of them, whether or not a value came of it; who has locked the row values the rolls.
    """

    equipment = models.OneToOneField(Equipment, models.PROTECT, primary_key=True, related_name="+")
    seq = models.BigIntegerField(default=0)


class RollValue(models.Model):
    """Dual-phase virtual metrology of one stream over one roll (F.-T. Cheng's AVM).

    Phase I is the mean of what was predicted as the foil was made, with the mean ends of its 90 % intervals. Phase II
    is that mean corrected by how far the predictions of the measured metres were off, with the 90 % interval of the
    mean. ``measured`` is the mean of the good values of ``by`` (core.types.MeasuredBy). ``model`` is the hash of the
    estimator in force, ``seq`` the newest point of the equipment that had been made when this was found.
    """

    equipment = models.ForeignKey(Equipment, models.PROTECT, related_name="roll_values")
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="roll_values")
    roll = models.BigIntegerField()
    made_from = models.DateTimeField()
    made_to = models.DateTimeField()
    model = models.CharField(max_length=64, blank=True)
    seq = models.BigIntegerField()
    first = models.FloatField()
    first_low = models.FloatField()
    first_high = models.FloatField()
    first_n = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    by = models.SmallIntegerField(null=True)
    measured = models.FloatField(null=True)
    measured_n = models.PositiveIntegerField(default=0)
    second = models.FloatField(null=True)
    second_low = models.FloatField(null=True)
    second_high = models.FloatField(null=True)
    second_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "roll"], name="roll_value_once")]
        indexes = [models.Index(fields=["equipment", "-roll"], name="roll_value_recent")]
        ordering = ["-roll", "stream_id"]
