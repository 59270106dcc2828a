"""Addresses outside that are told of what happens to changes."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from .plant import Line


class Webhook(models.Model):
    """An address that is told of some actions on a line, in the order of the audit, which is its outbox.

    ``sent`` is the number of the last audit row that was told or did not concern it; ``nonce`` makes the secret, which
    is stored nowhere. It is tried again at ``next_at`` while it fails, since ``failing_since``.
    """

    line = models.ForeignKey(Line, models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=300)
    actions = ArrayField(models.CharField(max_length=64))
    nonce = models.CharField(max_length=32)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    sent = models.BigIntegerField()
    told_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line", "url"], condition=Q(is_active=True), name="webhook_once"),
            models.CheckConstraint(condition=~Q(actions=[]), name="webhook_tells_something"),
            models.CheckConstraint(
                condition=Q(attempts=0, next_at=None, failing_since=None)
                | Q(attempts__gt=0, next_at__isnull=False, failing_since__isnull=False),
                name="webhook_fails_since",
            ),
        ]
        ordering = ["id"]
