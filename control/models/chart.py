"""Control limits: versioned, effective from a moment, never retroactive."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .plant import Stream
from .version import VersionState


class Limits(models.Model):
    """What a chart of one stream judges by: mean, sigma and how they were found; ``rules`` are core.types.Rule bits.

    ``mean`` and ``sigma`` are those of what is plotted: of a chart of groups of the groups' means.

    Rows of a stream with the same ``number`` are one version, drafted and put in force together; a chart of single
    values is always among them. ``excluded`` says which points were left out and why: ``[{"from", "to", "points",
    "reason"}]``; ``expected`` the false alarms foretold for a shift: ``{"per_shift", "by_rule": {bit: number}}``.
    """

    class Chart(models.TextChoices):
        INDIVIDUALS = "i_mr", _("Individuals and moving range")
        P = "p", _("Share of defectives (p)")
        NP = "np", _("Number of defectives (np)")
        LANEY_P = "laney_p", _("Share of defectives, Laney (p′)")
        U = "u", _("Defects per unit (u)")
        C = "c", _("Number of defects (c)")
        LANEY_U = "laney_u", _("Defects per unit, Laney (u′)")
        MEAN_RANGE = "xbar_r", _("Means and ranges of groups (Xbar-R)")
        MEAN_DEVIATION = "xbar_s", _("Means and standard deviations of groups (Xbar-S)")
        THREE_WAY = "three_way", _("Three-way chart of groups (I-MR-R/S)")
        EWMA = "ewma", _("EWMA")
        CUSUM = "cusum", _("CUSUM")
        RESIDUAL = "residual", _("Error of the prediction")
        T2 = "t2", _("Hotelling T²")
        MEWMA = "mewma", _("Multivariate EWMA")

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="limits")
    chart = models.CharField(max_length=16, choices=Chart)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=VersionState, default=VersionState.DRAFT)
    mean = models.FloatField()
    sigma = models.FloatField()
    n = models.PositiveIntegerField(help_text=_("Points the mean and sigma were found from"))
    method = models.CharField(max_length=32)
    window_from = models.DateTimeField()
    window_to = models.DateTimeField()
    excluded = models.JSONField(default=list, blank=True)
    rules = models.SmallIntegerField()
    parameters = models.JSONField(default=dict, blank=True, help_text=_("Chart's own, such as the EWMA weight"))
    expected = models.JSONField(default=dict, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    created_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    activated_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    effective_from = models.DateTimeField(null=True)
    effective_to = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = _("limits")
        constraints = [
            models.UniqueConstraint(fields=["stream", "chart", "number"], name="limits_number"),
            models.UniqueConstraint(
                fields=["stream", "chart"], condition=Q(state=VersionState.ACTIVE), name="limits_one_active"
            ),
            models.CheckConstraint(condition=Q(sigma__gt=0), name="limits_sigma_positive"),
        ]

    def under(self, target: float | None) -> tuple[float, float]:
        """Mean and sigma while a recipe holds the stream at ``target``: other than as drawn on a short-run chart.

        There ``parameters`` have the target the row is drawn for as ``nominal``, and as ``sigmas`` pairs of a target
        and the sigma under it, where each is to have its own.
        """
        nominal = self.parameters.get("nominal")
        if nominal is None or target is None or target == nominal:
            return self.mean, self.sigma
        own = dict(map(tuple, self.parameters["sigmas"]))
        return self.mean + target - nominal, own.get(target, self.sigma)

    def __str__(self) -> str:
        return f"{self.stream} v{self.number} · {self.get_chart_display()}"
