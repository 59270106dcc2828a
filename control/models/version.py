"""Versions: what was drafted, reviewed and put in force, whatever it is of. Only control.actions writes these."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .plant import Line


class VersionState(models.TextChoices):
    """The states of control.core.versions."""

    DRAFT = "draft", _("Draft")
    IN_REVIEW = "in_review", _("In review")
    APPROVED = "approved", _("Approved")
    SCHEDULED = "scheduled", _("Scheduled")
    ACTIVE = "active", _("Active")
    SUPERSEDED = "superseded", _("Superseded")
    RETIRED = "retired", _("Retired")
    REJECTED = "rejected", _("Rejected")


class Version(models.Model):
    """One content of one scope: ``kind`` says of what (control.actions.kinds), ``scope`` is the row it is of.

    ``content`` is whole: everything the kind has, not what differs. ``base`` is the version that was in force when this
    one was drafted. Once submitted, content and author cannot change; the database refuses it. Whoever approved is
    never the author, and without an approval only what a line was set up with (``source`` install) is in force.
    """

    class Source(models.TextChoices):
        PAGE = "page", _("Page")
        API = "api", _("API")
        FILE = "file", _("Plant file")
        IMPORT = "import", _("Import")
        TRAINING = "training", _("Training")
        INSTALL = "install", _("Set up with the line")

    class WaitsFor(models.TextChoices):
        NOTHING = "", _("Nothing")
        LOT = "lot", _("The next roll")
        TIME = "time", _("A time")

    kind = models.CharField(max_length=16)
    line = models.ForeignKey(Line, models.PROTECT, related_name="versions")
    scope = models.BigIntegerField()
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=VersionState, default=VersionState.DRAFT)
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    source = models.CharField(max_length=16, choices=Source, default=Source.PAGE)
    base = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+")
    author = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    reason = models.CharField(max_length=400, blank=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(max_length=8, choices=WaitsFor, default=WaitsFor.NOTHING, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    effective_from = models.DateTimeField(null=True, blank=True)
    effective_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "scope", "number"], name="version_number"),
            models.UniqueConstraint(
                fields=["kind", "scope"], condition=Q(state=VersionState.ACTIVE), name="version_one_active"
            ),
            models.UniqueConstraint(
                fields=["kind", "scope"], condition=Q(state=VersionState.SCHEDULED), name="version_one_scheduled"
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | Q(author__isnull=True) | ~Q(approved_by=F("author")),
                name="version_approved_by_another",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=(VersionState.APPROVED, VersionState.SCHEDULED, VersionState.ACTIVE))
                | Q(approved_by__isnull=False)
                | Q(source="install"),
                name="version_approved_before_in_force",
            ),
            models.CheckConstraint(
                condition=~Q(state=VersionState.ACTIVE) | Q(effective_from__isnull=False, effective_to__isnull=True),
                name="version_active_since",
            ),
        ]
        indexes = [models.Index(fields=["line", "-id"], name="version_of_line")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} v{self.number}"
