"""Control loops: what they move, what they hold, in which mode, and who may write to the machine."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .plant import Equipment, Line, Named


class Mode(models.TextChoices):
    OFF = "off", _("Off")
    SHADOW = "shadow", _("Shadow")
    ADVISORY = "advisory", _("Advisory")
    SUPERVISED = "supervised", _("Supervised")
    AUTO = "auto", _("Auto")


class Loop(Named):
    """One solve. ``settings`` holds cvs, mvs, gains, weights, deadband, dead time: see core.loop.LoopConfig.

    Where a reviewed version of them is in force, ``filed`` among them is what the plant file had said.

    ``requested_mode`` is what people asked for, ``actual_mode`` what is in force; ``mode_reasons`` why they differ.
    """

    equipment = models.ForeignKey(Equipment, models.PROTECT, related_name="loops")
    settings = models.JSONField()
    settings_number = models.PositiveIntegerField(default=1)
    requested_mode = models.CharField(max_length=16, choices=Mode, default=Mode.SHADOW)
    actual_mode = models.CharField(max_length=16, choices=Mode, default=Mode.SHADOW)
    mode_reasons = models.JSONField(default=list, blank=True)
    mode_since = models.DateTimeField(null=True)
    last_move_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["equipment", "key"], name="loop_key")]
        ordering = ["equipment_id", "id"]


class Hold(models.Model):
    """A stop on a site, a line or one loop of it: nothing is approved or written until a supervisor ends it.

    ``settled`` is not stored: whether all that was under way on its lines had ended when the stop was answered.
    """

    settled = True

    site = models.ForeignKey("control.Site", models.PROTECT, null=True, blank=True, related_name="holds")
    line = models.ForeignKey(Line, models.PROTECT, null=True, blank=True, related_name="holds")
    loop = models.ForeignKey(Loop, models.PROTECT, null=True, blank=True, related_name="holds")
    since = models.DateTimeField()
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=400, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "line", "loop"],
                condition=Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="hold_one_open",
            ),
            models.CheckConstraint(
                name="hold_one_scope",
                condition=Q(site__isnull=False, line__isnull=True, loop__isnull=True)
                | Q(site__isnull=True, line__isnull=False),
            ),
        ]

    @property
    def scope(self) -> models.Model:
        """What is held."""
        return self.loop or self.line or self.site


class Lease(models.Model):
    """Which dispatcher may write to a line. ``fence`` only grows; the machine refuses a lower one.

    ``since`` is from when on the holder has been there without a break.
    """

    line = models.OneToOneField(Line, models.PROTECT, primary_key=True, related_name="lease")
    holder = models.CharField(max_length=64, blank=True)
    fence = models.BigIntegerField(default=0)
    since = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)


class Grant(models.Model):
    """A role on a site, an area or a line, between two dates. Exactly one of the three scopes is set."""

    class Role(models.TextChoices):
        VIEWER = "viewer", _("Viewer")
        OPERATOR = "operator", _("Operator")
        SUPERVISOR = "supervisor", _("Supervisor")
        ENGINEER = "engineer", _("Process engineer")
        ADMIN = "admin", _("Administrator")
        AUDITOR = "auditor", _("Auditor")

    user = models.ForeignKey(User, models.PROTECT, related_name="grants")
    role = models.CharField(max_length=16, choices=Role)
    site = models.ForeignKey("control.Site", models.PROTECT, null=True, blank=True)
    area = models.ForeignKey("control.Area", models.PROTECT, null=True, blank=True)
    line = models.ForeignKey(Line, models.PROTECT, null=True, blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="grant_one_scope",
                condition=Q(site__isnull=False, area__isnull=True, line__isnull=True)
                | Q(site__isnull=True, area__isnull=False, line__isnull=True)
                | Q(site__isnull=True, area__isnull=True, line__isnull=False),
            )
        ]
