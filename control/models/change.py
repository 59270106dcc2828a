"""A proposed change of set-points and everything that happens to it. Only control.actions writes these."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from control.core import lifecycle

from .loop import Loop
from .plant import Line, Named, Tag


class ReasonCode(Named):
    """Why a change was rejected; kept by admins."""

    needs_text = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="reason_key")]


class Change(models.Model):
    """One solve of one loop: a bundle of moves that is decided and written as a whole.

    ``version`` grows with every move of the row; a decision names the version it saw. ``evidence`` is what the
    decider sees and is frozen with the decision: inputs with quality, expected values, limits, contributions, versions.
    """

    State = models.TextChoices("State", {s.name: (s.value, s.value) for s in lifecycle.State})

    loop = models.ForeignKey(Loop, models.PROTECT, related_name="changes")
    line = models.ForeignKey(Line, models.PROTECT, related_name="changes")
    state = models.CharField(max_length=24, choices=State)
    version = models.PositiveIntegerField(default=1)
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state_since = models.DateTimeField()
    author = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    size_percent = models.FloatField(help_text=_("Largest move, in percent of the recipe set-point"))
    needs = models.CharField(max_length=16, help_text=_("Lowest role that may approve"))
    evidence = models.JSONField()
    supersedes = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="superseded_by")
    undoes = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="undone_by")
    parts = models.JSONField(null=True, blank=True, help_text=_("Which parts were approved, where not all"))
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason_code = models.ForeignKey(ReasonCode, models.PROTECT, null=True, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    command_id = models.UUIDField(null=True, blank=True, unique=True)
    fence = models.BigIntegerField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    effect = models.JSONField(null=True, blank=True)
    hindsight = models.JSONField(null=True, blank=True, help_text=_("What it would have done, had it been made"))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["loop"],
                condition=Q(state__in=sorted(lifecycle.OPEN)),
                name="change_one_open",
            )
        ]
        indexes = [
            models.Index(fields=["line", "state"], name="change_line_state"),
            models.Index(fields=["-proposed_at"], name="change_recent"),
            models.Index(fields=["loop", "-id"], name="change_newest_of_loop"),
            models.Index(
                fields=["id"],
                condition=Q(state__in=("expired", "rejected"), hindsight__isnull=True),
                name="change_not_looked_back",
            ),
        ]
        ordering = ["-proposed_at"]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Made(models.Manager["SetPointMove"]):
    """The moves that are made, or are to be: whoever does not ask for the others never meets them."""

    def get_queryset(self) -> models.QuerySet[SetPointMove]:
        return super().get_queryset().filter(left_out=False)


class SetPointMove(models.Model):
    """One parameter of a change: from what was read to an absolute value, in the tag's unit.

    Moves of one ``part`` go together; of several parts one may be approved alone, and the moves of the others are then
    ``left_out``: never written, and seen by ``everything`` only.
    """

    change = models.ForeignKey(Change, models.CASCADE, related_name="moves")
    tag = models.ForeignKey(Tag, models.PROTECT, related_name="moves")
    from_value = models.FloatField()
    to_value = models.FloatField()
    contributions = models.JSONField(default=list)
    part = models.PositiveSmallIntegerField(default=0)
    left_out = models.BooleanField(default=False)
    in_flight = models.BooleanField(default=False)
    read_back = models.FloatField(null=True, blank=True)

    objects = Made()
    everything = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["change", "tag"], name="move_once"),
            models.UniqueConstraint(fields=["tag"], condition=Q(in_flight=True), name="move_one_in_flight"),
        ]
        indexes = [models.Index(fields=["tag", "-id"], name="move_newest_of_tag")]
        ordering = ["id"]


class Answer(models.Model):
    """The stored answer to a write request, so that the same request sent again has no second effect."""

    user = models.ForeignKey(User, models.CASCADE)
    key = models.CharField(max_length=80)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="answer_once")]
