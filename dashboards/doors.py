"""Every write of a person goes through here: once for each Idempotency-Key, from a page or the API alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User

from control.actions import idempotency
from control.actions.idempotency import Answered
from dashboards.permissions import now


def once(user: User, key: str, verb: str, asked: Mapping[str, Any], act: Callable[[], Mapping[str, Any]]) -> Answered:
    """``asked`` is what was asked for, ready for JSON and without any password; ``act`` does it and tells what came."""
    return idempotency.once(user=user, key=key, body=_body(verb, asked), now=now(), act=act)


def before(user: User, key: str, verb: str, asked: Mapping[str, Any]) -> Answered | None:
    """What was answered to the very same already."""
    return idempotency.before(user=user, key=key, body=_body(verb, asked))


def _body(verb: str, asked: Mapping[str, Any]) -> bytes:
    return json.dumps({"verb": verb, **asked}, sort_keys=True, default=str).encode()
