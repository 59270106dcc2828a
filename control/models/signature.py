"""Signatures, which nobody can alter, and the count of wrong passwords, which is only a count."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _


class Signature(models.Model):
    """A person's word on something, as 21 CFR 11.50 asks for it. The database refuses to change or remove a row.

    ``content_sha256`` is over the canonical JSON of what was before the signer; the row's own audit entry chains it.
    """

    class Method(models.TextChoices):
        SESSION = "session", _("signed in")
        PASSWORD = "password", _("password asked again")

    user = models.ForeignKey(User, models.PROTECT, related_name="signatures")
    printed_name = models.CharField(max_length=310, help_text=_("As it was then"))
    at = models.DateTimeField()
    meaning = models.CharField(max_length=32)
    reason = models.CharField(max_length=400, blank=True)
    method = models.CharField(max_length=8, choices=Method)
    station = models.CharField(max_length=80, blank=True)
    address = models.CharField(max_length=45, blank=True)
    screen_of = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    line_id = models.BigIntegerField(null=True)
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64)
    content_sha256 = models.CharField(max_length=64)

    class Meta:
        indexes = [models.Index(fields=["object_type", "object_id"], name="signature_object")]
        ordering = ["-id"]


class Guesses(models.Model):
    """Wrong passwords for a name from an address, or (no address) from anywhere, since the first of them.

    ``failures`` counts beside the ``wrong`` ones those that are just being looked at, as long as they may be wrong.
    The name is kept as a digest: what people type into the wrong field is a password now and then.
    """

    name_sha256 = models.CharField(max_length=64)
    address = models.CharField(max_length=45, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    wrong = models.PositiveSmallIntegerField(default=0)
    since = models.DateTimeField()
    locked_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name_sha256", "address"], name="guesses_once")]
