"""Tokens with which a person's own scripts use the API. Only their hashes are kept."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import F, Q


class ApiToken(models.Model):
    """It stands for its person until it ends, is revoked, or the password with which it was made is changed.

    Without ``acts`` it only reads. ``of_password`` is what the person's sessions are tied to, too. Nothing of all this
    but ``used_at`` and ``revoked_at`` ever changes.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=80)
    token_sha256 = models.CharField(max_length=64, unique=True)
    of_password = models.CharField(max_length=64)
    acts = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="api_token_ends_after")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name
