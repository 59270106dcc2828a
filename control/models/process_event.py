"""What happened to a machine that is no drift: a new batch, a filter, a recipe, a repair."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .plant import Equipment


class ProcessEvent(models.Model):
    """One event; core.process_events says what each kind does to what is known of the machine.

    ``at`` is the instant at the die or nip of the first foil after it. ``recorded_by`` is empty where the system saw it
    by itself. ``taken_at`` is when a pass took it into account, once.
    """

    class Kind(models.TextChoices):
        MAINTENANCE = "maintenance", _("Maintenance")
        PUMP_SERVICE = "pump_service", _("Pump service")
        FILTER_CHANGE = "filter_change", _("Filter change")
        BATCH_CHANGE = "batch_change", _("Slurry batch change")
        PRODUCT_CHANGE = "product_change", _("Product or recipe change")
        SPLICE = "splice", _("Foil splice")
        ROLL_CHANGE = "roll_change", _("Foil or roll change")

    class Side(models.TextChoices):
        ALL = "", _("both sides")
        TOP = "top", _("top")
        BOTTOM = "bottom", _("bottom")

    equipment = models.ForeignKey(Equipment, models.PROTECT, related_name="process_events")
    kind = models.CharField(max_length=16, choices=Kind)
    side = models.CharField(max_length=8, choices=Side, default=Side.ALL, blank=True)
    at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    taken_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["equipment", "kind", "side", "at"], name="process_event_once"),
        ]
        indexes = [
            models.Index(fields=["equipment", "-at"], name="process_event_recent"),
            models.Index(fields=["equipment"], condition=Q(taken_at__isnull=True), name="process_event_waiting"),
        ]
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return self.get_kind_display() if not self.side else f"{self.get_kind_display()}, {self.get_side_display()}"
