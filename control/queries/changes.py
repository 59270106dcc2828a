"""The inbox and one change."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from control.core.lifecycle import OPEN, State
from control.models import AuditEntry, Change, ReasonCode

from .overview import with_moves


def waiting(line_ids: Iterable[int]) -> QuerySet[Change]:
    """To be decided by somebody, the first to expire on top."""
    states = (State.PENDING_OPERATOR, State.PENDING_SUPERVISOR, State.VETO)
    return with_moves(Change.objects.filter(line__in=line_ids, state__in=states)).order_by("expires_at")


def under_way(line_ids: Iterable[int]) -> QuerySet[Change]:
    """Approved and not ended: on its way to the machine, or its effect is watched."""
    states = (State.APPROVED, State.WRITING, State.UNCONFIRMED, State.APPLIED, State.VERIFYING)
    return with_moves(Change.objects.filter(line__in=line_ids, state__in=states)).order_by("-state_since")


def ended(line_ids: Iterable[int]) -> QuerySet[Change]:
    live = OPEN | {State.APPLIED, State.VERIFYING}
    return with_moves(Change.objects.filter(line__in=line_ids).exclude(state__in=live)).order_by("-state_since")


def visible(line_ids: Iterable[int]) -> QuerySet[Change]:
    return with_moves(Change.objects.filter(line__in=line_ids))


def alike(change: Change) -> QuerySet[Change]:
    """How earlier changes of the same loop ended, the newest first."""
    ends = (State.EFFECTIVE, State.INEFFECTIVE, State.REJECTED, State.WRITE_FAILED, State.REVERTED)
    return with_moves(Change.objects.filter(loop=change.loop, state__in=ends).exclude(pk=change.pk))


def history(change: Change) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(object_type="change", object_id=str(change.pk)).order_by("number")


def reasons() -> QuerySet[ReasonCode]:
    return ReasonCode.objects.filter(is_active=True).order_by("id")


def all_reasons() -> QuerySet[ReasonCode]:
    """Those no longer offered too: old rows name them."""
    return ReasonCode.objects.order_by("id")
