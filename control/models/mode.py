"""In which mode a loop was, from when to when and why; and when a machine that may be written to last answered."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q

from .loop import Loop, Mode
from .plant import Equipment


class ModeSpell(models.Model):
    """A stretch of one requested and one actual mode; the one without an end is now.

    ``code`` is why it began: a core.demotion.Trigger, ``asked`` where a person did, ``lifted`` where silence was over.
    """

    loop = models.ForeignKey(Loop, models.PROTECT, related_name="spells")
    requested = models.CharField(max_length=16, choices=Mode)
    actual = models.CharField(max_length=16, choices=Mode)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    code = models.CharField(max_length=32)
    detail = models.CharField(max_length=400, blank=True)
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["loop"], condition=Q(until__isnull=True), name="spell_one_open"),
        ]
        indexes = [models.Index(fields=["loop", "-since"], name="spell_recent")]
        ordering = ["-since", "-id"]


class Handshake(models.Model):
    """When the dispatcher last read a machine that was ready to be written to."""

    equipment = models.OneToOneField(Equipment, models.PROTECT, primary_key=True, related_name="handshake")
    heard_at = models.DateTimeField()
