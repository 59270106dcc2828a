"""What a person says of a shift, from a page or the API alike: once for each Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User

from control.actions import shifts
from control.actions.idempotency import Answered
from control.actions.signing import Hand
from control.models import Handover
from dashboards import doors
from dashboards.permissions import now

Told = Mapping[str, Any]


def note(user: User, key: str, handover: Handover, text: str) -> Answered:
    def act() -> Told:
        row = shifts.note(handover, text, actor=user, now=now())
        return {"id": row.pk, "shift": handover.pk, "at": row.at.isoformat(), "text": row.text}

    return doors.once(user, key, "shift.note", {"shift": handover.pk, "text": text}, act)


def give(user: User, key: str, handover: Handover, by: Hand) -> Answered:
    """``user`` is signed in at the screen, ``by`` is who signs."""
    return doors.once(
        user, key, "shift.give", {"shift": handover.pk}, lambda: told(shifts.give(handover, by=by, now=now()))
    )


def accept(user: User, key: str, handover: Handover, by: Hand) -> Answered:
    """As for giving."""
    return doors.once(
        user, key, "shift.accept", {"shift": handover.pk}, lambda: told(shifts.accept(handover, by=by, now=now()))
    )


def told(row: Handover) -> Told:
    """A shift without its report."""
    return {
        "id": row.pk, "line": row.line.key, "starts_at": row.starts_at.isoformat(), "ends_at": row.ends_at.isoformat(),
        "running": row.report is None,
        "given_by": row.given_by.get_username() if row.given_by else None,
        "given_at": row.given_at and row.given_at.isoformat(),
        "accepted_by": row.accepted_by.get_username() if row.accepted_by else None,
        "accepted_at": row.accepted_at and row.accepted_at.isoformat(),
    }  # fmt: skip
