"""The record nobody can alter: append-only, each row carrying the hash of the one before."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """Who did what to which object, from what to what, and why. The database refuses to change or remove a row."""

    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    actor_name = models.CharField(
        max_length=150, help_text=_("As it was then; the system's parts sign with their name")
    )
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64)
    line_id = models.BigIntegerField(null=True)
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)
    reason = models.CharField(max_length=400, blank=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = _("audit entries")
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="audit_object"),
            models.Index(fields=["-at"], name="audit_recent"),
        ]
        ordering = ["-number"]


class AuditHead(models.Model):
    """The end of the chain, one row. Locked last in a transaction, so the chain never forks."""

    number = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)
