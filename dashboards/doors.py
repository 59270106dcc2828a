"""Every write of a person goes through here: once for each Idempotency-Key, from a page or the API alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User

from control.actions.idempotency import Answered
from control.actions.idempotency import once as answered_once
from dashboards.permissions import now


def once(user: User, key: str, verb: str, asked: Mapping[str, Any], act: Callable[[], Mapping[str, Any]]) -> Answered:
    """``asked`` is what was asked for, ready for JSON and without any password; ``act`` does it and tells what came."""
    body = json.dumps({"verb": verb, **asked}, sort_keys=True, default=str).encode()
    return answered_once(user=user, key=key, body=body, now=now(), act=act)
