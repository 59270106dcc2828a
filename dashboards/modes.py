"""A person's word on the mode of a loop and on the end of a HOLD, from a page or the API: once for each key.

HOLD itself is not here: it takes no key, and is the same however often it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User

from control.actions import loops
from control.actions.idempotency import Answered, once
from control.actions.signing import Hand
from control.core.modes import Mode
from control.models import Hold, Loop
from dashboards.permissions import now

Told = Mapping[str, Any]


def request(user: User, key: str, loop: Loop, mode: Mode, *, by: Hand, reason: str) -> Answered:
    """``user`` is signed in at the screen, ``by`` is whose word it is."""

    def act() -> Told:
        loops.request(loop, mode, by=by, now=now(), reason=reason)
        return {"id": loop.pk, "requested": loop.requested_mode, "actual": loop.actual_mode}

    return _once(user, key, act, verb="mode", loop=loop.pk, mode=mode, reason=reason)


def release(user: User, key: str, hold: Hold, *, by: Hand, reason: str) -> Answered:
    def act() -> Told:
        loops.release(hold, by=by, now=now(), reason=reason)
        return {"id": hold.pk, "ended": True}

    return _once(user, key, act, verb="release", hold=hold.pk, reason=reason)


def _once(user: User, key: str, act: Callable[[], Told], **asked: Any) -> Answered:
    return once(user=user, key=key, body=json.dumps(asked, sort_keys=True).encode(), now=now(), act=act)
