"""What an engineer says of the addresses that are told of changes, from a page or the API alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User

from control.actions import webhooks
from control.actions.idempotency import Answered
from control.models import Line, Webhook
from dashboards import doors
from dashboards.permissions import now

Told = Mapping[str, Any]


def make(user: User, line: Line, url: str, actions: list[str], reason: str) -> tuple[Webhook, str]:
    """The secret is told in this answer alone, so none is stored: the same address twice is refused."""
    return webhooks.make(line, url, actions, actor=user, now=now(), reason=reason)


def stop(user: User, key: str, hook: Webhook, reason: str) -> Answered:
    def act() -> Told:
        webhooks.stop(hook, actor=user, now=now(), reason=reason)
        return {"id": hook.pk}

    return doors.once(user, key, "stop_webhook", {"hook": hook.pk, "reason": reason}, act)


def try_again(user: User, key: str, hook: Webhook) -> Answered:
    def act() -> Told:
        webhooks.try_again(hook, actor=user, now=now())
        return {"id": hook.pk}

    return doors.once(user, key, "try_webhook", {"hook": hook.pk}, act)


def told(hook: Webhook) -> dict[str, Any]:
    """All but the secret."""
    plain = ("id", "url", "actions", "is_active", "created_at", "sent", "told_at", "attempts", "next_at", "last_error")
    return {name: getattr(hook, name) for name in plain} | {"line": hook.line.key}
