"""Control limits: versioned, effective from a moment, never retroactive."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .plant import Stream
from .version import Version, VersionState


class Limits(models.Model):
    """What a chart of one stream judges by: mean, sigma and how they were found; ``rules`` are core.types.Rule bits.

    ``mean`` and ``sigma`` are those of what is plotted: of a chart of groups of the groups' means, of a chart of counts
    of the rate of a sample of the usual size, which is ``sample`` of ``parameters``.

    Stored is what is or was in force. Rows of a stream with the same ``number`` are one version (of the kind ``KIND``,
    with that number), put in force together; a chart of single values is always among them. ``excluded`` says which
    points were left out and why: ``[{"from", "to", "points", "reason"}]``; ``expected`` the false alarms foretold for a
    shift: ``{"per_shift", "by_rule": {bit: number}}``.
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

    COUNTS = (Chart.P, Chart.NP, Chart.LANEY_P, Chart.U, Chart.C, Chart.LANEY_U)
    AS_COUNTS = (Chart.NP, Chart.C)  # drawn as counts, the others as rates
    SHARES = (Chart.P, Chart.NP, Chart.LANEY_P)
    SINGLE = (Chart.INDIVIDUALS, *COUNTS)  # of single values; one of these is in every version
    KIND = "limits"
    TOLD = ("mean", "sigma", "n", "method", "rules", "parameters", "expected")

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

    @classmethod
    def of(cls, version: Version) -> list[Limits]:
        """The rows that a version of limits says, not stored."""
        common: dict[str, Any] = {
            "stream_id": version.scope,
            "number": version.number,
            "state": version.state,
            "excluded": version.content["excluded"],
            "reason": version.reason,
            "created_at": version.created_at,
            "created_by": version.author,
            "activated_by": version.approved_by,
            "effective_from": version.effective_from,
            "effective_to": version.effective_to,
        }
        return [
            cls(
                chart=chart,
                window_from=datetime.fromisoformat(told["window_from"]),
                window_to=datetime.fromisoformat(told["window_to"]),
                **{name: told[name] for name in cls.TOLD},
                **common,
            )
            for chart, told in version.content["charts"].items()
        ]

    @classmethod
    def lines(cls, chart: str, mean: float, sigma: float, reach: float = 3.0) -> tuple[float, float]:
        """``reach`` sigma on either side; no rate is below 0 and no share above 1."""
        lower, upper = mean - reach * sigma, mean + reach * sigma
        if chart in cls.COUNTS:
            lower = max(lower, 0.0)
        return lower, min(upper, 1.0) if chart in cls.SHARES else upper

    def told(self) -> dict[str, Any]:
        """What a version keeps of the row."""
        window = {"window_from": self.window_from.isoformat(), "window_to": self.window_to.isoformat()}
        return {name: getattr(self, name) for name in self.TOLD} | window

    @property
    def reach(self) -> float:
        """How far its control limits lie from the mean, in sigma."""
        return float(self.parameters.get("beyond", 3.0))

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
