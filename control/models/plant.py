"""Where things are: site > area > line > equipment > lane, and what is known of each. A line is data."""

from __future__ import annotations

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Named(models.Model):
    """A key for machines and files, a name for people in English and Korean."""

    key = models.SlugField(max_length=64)
    name = models.CharField(max_length=120)
    name_ko = models.CharField(max_length=120, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name_ko if self.name_ko and (get_language() or "").startswith("ko") else self.name


class Site(Named):
    time_zone = models.CharField(max_length=64, default="UTC", help_text=_("Plant time, an IANA zone name"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="site_key")]


class Area(Named):
    site = models.ForeignKey(Site, models.PROTECT, related_name="areas")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "key"], name="area_key")]


class Line(Named):
    area = models.ForeignKey(Area, models.PROTECT, related_name="lines")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="line_key")]
        ordering = ["id"]

    @property
    def time_zone(self) -> str:
        return self.area.site.time_zone


class Equipment(Named):
    """A machine the web passes through. ``connector``, ``web``, ``physics``, ``model`` are read from the plant file.

    Where an engineer has chosen other kinds of ``model``, ``filed`` in it is what the plant file had said.
    """

    class Kind(models.TextChoices):
        COATER = "coater", _("Coater")
        PRESS = "press", _("Press")
        OTHER = "other", _("Other")

    line = models.ForeignKey(Line, models.PROTECT, related_name="equipment")
    kind = models.CharField(max_length=16, choices=Kind)
    position = models.PositiveSmallIntegerField(default=0, help_text=_("Order along the web"))
    gauge_distance_m = models.FloatField(default=0.0, help_text=_("Metres of web from the die or nip to the gauge"))
    cycle_s = models.FloatField(default=1.0, help_text=_("Seconds between two snapshots"))
    connector = models.JSONField(default=dict)
    web = models.JSONField(default=dict, blank=True, help_text=_("Which tags are encoder, speed and roll number"))
    physics = models.JSONField(default=dict, blank=True)
    model = models.JSONField(default=dict, blank=True, help_text=_("Which kinds of model predict its streams"))
    events = models.JSONField(default=list, blank=True, help_text=_("Status tags whose change of value is an event"))

    class Meta:
        verbose_name_plural = _("equipment")
        constraints = [models.UniqueConstraint(fields=["line", "key"], name="equipment_key")]
        ordering = ["line_id", "position"]


class Tag(Named):
    """One signal of a machine. ``slot`` is its place in a snapshot's arrays and never changes."""

    class Kind(models.TextChoices):
        PARAMETER = "parameter", _("Parameter")
        PROCESS = "process", _("Process value")
        STATUS = "status", _("Status")

    equipment = models.ForeignKey(Equipment, models.PROTECT, related_name="tags")
    slot = models.PositiveSmallIntegerField()
    unit = models.CharField(max_length=24, blank=True)
    kind = models.CharField(max_length=16, choices=Kind)
    low = models.FloatField(null=True, help_text=_("Lowest believable value"))
    high = models.FloatField(null=True, help_text=_("Highest believable value"))
    machine_low = models.FloatField(null=True, blank=True, help_text=_("Hard machine limit; nothing is written below"))
    machine_high = models.FloatField(null=True, blank=True, help_text=_("Hard machine limit; nothing is written above"))
    max_step = models.FloatField(null=True, blank=True, help_text=_("Largest single move"))
    deadband = models.FloatField(default=0.0, help_text=_("Two readings this close are the same value"))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["equipment", "key"], name="tag_key"),
            models.UniqueConstraint(fields=["equipment", "slot"], name="tag_slot"),
        ]
        ordering = ["equipment_id", "slot"]


class Lane(models.Model):
    """One coated stripe, numbered from the operator side; ``both`` where the sides are measured as one."""

    class Side(models.TextChoices):
        TOP = "top", _("top")
        BOTTOM = "bottom", _("bottom")
        BOTH = "both", _("both sides")

    equipment = models.ForeignKey(Equipment, models.PROTECT, related_name="lanes")
    number = models.PositiveSmallIntegerField()
    side = models.CharField(max_length=8, choices=Side, default=Side.BOTH)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["equipment", "number", "side"], name="lane_place")]
        ordering = ["equipment_id", "side", "number"]

    @property
    def key(self) -> str:
        return str(self.number) if self.side == self.Side.BOTH else f"{self.number}-{self.side}"

    def __str__(self) -> str:
        lane = _("Lane %(number)s") % {"number": self.number}
        return lane if self.side == self.Side.BOTH else f"{lane} {self.get_side_display()}"


class Characteristic(Named):
    """A quality that is measured, in ``unit``; ``gauge_sigma`` is one standard deviation of a single reading.

    What is ``counted`` is charted as the rate count / n of each sample, in ``unit``; n is its size or area.
    """

    class Counted(models.TextChoices):
        DEFECTIVES = "defectives", _("defective pieces of a sample")
        DEFECTS = "defects", _("defects on an area or in a number of units")

    equipment = models.ForeignKey(Equipment, models.PROTECT, related_name="characteristics")
    unit = models.CharField(max_length=24, blank=True)
    decimals = models.PositiveSmallIntegerField(default=2)
    gauge_sigma = models.FloatField(null=True, blank=True)
    counted = models.CharField(
        max_length=16,
        choices=Counted,
        blank=True,
        default="",
        help_text=_("What of it is counted, if it is not measured; its values come with the size of their sample"),
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["equipment", "key"], name="characteristic_key")]
        ordering = ["id"]


class Stream(models.Model):
    """One characteristic of one lane: the thing that is predicted, measured, charted and judged."""

    lane = models.ForeignKey(Lane, models.PROTECT, related_name="streams")
    characteristic = models.ForeignKey(Characteristic, models.PROTECT, related_name="streams")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lane", "characteristic"], name="stream_place")]
        ordering = ["id"]

    @property
    def key(self) -> str:
        return f"{self.characteristic.key}/{self.lane.key}"

    def __str__(self) -> str:
        return f"{self.characteristic}, {self.lane}"


class Source(models.Model):
    """A machine or historian that may send data for one line. Only the hash of its token is kept."""

    line = models.ForeignKey(Line, models.PROTECT, related_name="sources")
    key = models.SlugField(max_length=64)
    token_sha256 = models.CharField(max_length=64, blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], name="source_key"),
            models.UniqueConstraint(fields=["token_sha256"], condition=~models.Q(token_sha256=""), name="source_token"),
        ]

    def __str__(self) -> str:
        return self.key
