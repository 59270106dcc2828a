"""How well a loop still fits its machine, found from what was measured after its moves."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .loop import Loop


class LoopStability(models.Model):
    """The newest word of core.r2r.stability on one loop, and the memory it goes on from.

    ``ratio`` is true gain over assumed gain with its 90 % interval ``low`` to ``high``, ``moved`` how many differences
    told of it, ``limit`` where the loop would hunt. ``seq`` is the newest point of the equipment that was looked at,
    ``settings_number`` the loop's settings that ``state`` was learned under.
    """

    class Concern(models.TextChoices):
        """Those of core.r2r.stability.Concern."""

        NONE = "", _("none")
        WRONG_SIGN = "wrong_sign", _("wrong sign")
        TOO_STRONG = "too_strong", _("too strong")
        SWINGING = "swinging", _("swinging")

    loop = models.OneToOneField(Loop, models.CASCADE, primary_key=True, related_name="stability")
    settings_number = models.PositiveIntegerField()
    seq = models.BigIntegerField(default=0)
    state = models.JSONField()
    ratio = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    moved = models.PositiveIntegerField()
    limit = models.FloatField()
    harris = models.FloatField(null=True)
    swing = models.FloatField()
    concern = models.CharField(max_length=16, choices=Concern, blank=True, default="")
    valued_at = models.DateTimeField()
