"""The same write request sent again has no second effect and gets the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from control.actions import audit
from control.actions.errors import Conflict, Invalid, Refused, Unsigned
from control.models import Answer

LONGEST_KEY = 80


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP status and what goes with it; ``again`` if an earlier request stored it, not ``final`` if none will."""

    status: int
    answer: Mapping[str, Any]
    again: bool = False
    final: bool = True


def once(*, user: User, key: str, body: bytes, now: datetime, act: Callable[[], Mapping[str, Any]]) -> Answered:
    """Run ``act`` unless this user's ``key`` was answered before; effect and answer are one transaction.

    A refusal by ``act`` is an answer too, unless all it wants is a signature. Raises Invalid when the key was used for
    another body, Conflict while the first request is still at work.
    """
    if not 0 < len(key) <= LONGEST_KEY:
        raise Invalid("bad_idempotency_key", f"Idempotency-Key must have 1 to {LONGEST_KEY} characters.")
    digest = hashlib.sha256(body).hexdigest()
    with audit.atomic():
        _take_turn(user, key)
        if (earlier := _earlier(user, key, digest)) is not None:
            return earlier
        done = _run(act)
        if done.final:
            told = {"status": done.status, "answer": dict(done.answer), "at": now}
            Answer.objects.create(user=user, key=key, body_sha256=digest, **told)
        return done


def before(*, user: User, key: str, body: bytes) -> Answered | None:
    """What ``once`` answered already, for whoever has something long to find out before asking it."""
    return _earlier(user, key, hashlib.sha256(body).hexdigest())


def _earlier(user: User, key: str, digest: str) -> Answered | None:
    earlier = Answer.objects.filter(user=user, key=key).first()
    if earlier is None:
        return None
    if earlier.body_sha256 != digest:
        raise Invalid("idempotency_key_reused", "This Idempotency-Key was used for another request.")
    audit.told_before("idempotency.again")
    return Answered(earlier.status or 200, earlier.answer or {}, again=True)


def _run(act: Callable[[], Mapping[str, Any]]) -> Answered:
    try:
        return Answered(200, act())
    except Refused as refusal:
        return Answered(refusal.status, refusal.as_json(), final=not isinstance(refusal, Unsigned))


def _take_turn(user: User, key: str) -> None:
    """One request a key at a time; the turn ends with the transaction, also when the process dies."""
    digest = hashlib.sha256(f"{user.pk} {key}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int.from_bytes(digest[:8], signed=True)])
        if not cursor.fetchone()[0]:
            raise Conflict("in_progress", "The first request with this Idempotency-Key is still at work.")
