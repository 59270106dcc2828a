"""The end of a token, from a page or the API alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User

from control.actions import tokens
from control.actions.idempotency import Answered
from control.models import ApiToken
from dashboards import doors
from dashboards.permissions import now


def revoke(user: User, key: str, row: ApiToken) -> Answered:
    def act() -> Mapping[str, Any]:
        tokens.revoke(row.pk, actor=user, now=now())
        return {"id": row.pk}

    return doors.once(user, key, "revoke_token", {"token": row.pk}, act)
