"""Addresses outside are told of what happens to changes: in order, signed, again until it is taken.

The audit is the outbox: what was committed is told, what was not is not, and a death at any moment loses nothing. The
last row that was told is told again if nobody could note that it was; its number says so to whoever is told.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from control.actions import audit
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.connectors.post import NotTold, post
from control.models import AuditEntry, AuditHead, Line, Webhook

SYSTEM = "webhooks"
ACTIONS = (
    "change.propose", "change.offer", "change.escalate", "change.count_down", "change.approve", "change.reject",
    "change.expire", "change.supersede", "change.withdraw", "change.block", "change.take", "change.confirm",
    "change.fail", "change.lose", "change.watch", "change.worked", "change.did_not_work", "change.revert",
)  # fmt: skip
A_ROUND = timedelta(seconds=10)  # for one address, so that none keeps the others waiting
FIRST_WAIT_S, LONGEST_WAIT_S = 5, 3600
GIVEN_UP_AFTER = timedelta(hours=24)
LOCAL = ("localhost", "127.0.0.1", "::1")
Post = Callable[[str, bytes, Mapping[str, str]], None]


def make(
    line: Line, url: str, actions: Iterable[str], *, actor: User, now: datetime, reason: str = ""
) -> tuple[Webhook, str]:
    """A new address and its secret, which is told this once. It is told of what happens from now on."""
    chosen = sorted(set(actions))
    with audit.attempt(actor=actor, action="webhook.make", obj=line, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        _must_be_allowed(url)
        if not chosen or set(chosen) - set(ACTIONS):
            raise Invalid("unknown_choice", "Choose what it is told of from the list.", {"actions": list(ACTIONS)})
        if Webhook.objects.filter(line=line, url=url, is_active=True).exists():
            raise Conflict("hook_is_there", "The address is told already.")
        head = AuditEntry.objects.order_by("-number").values_list("number", flat=True).first() or 0
        row = Webhook.objects.create(
            line=line, url=url, actions=chosen, nonce=secrets.token_hex(16), created_at=now, created_by=actor, sent=head
        )
        told = {"host": urlsplit(url).hostname, "actions": chosen}
        audit.record(actor=actor, action="webhook.make", obj=row, now=now, new=told, reason=reason, line=line)
    return row, secret(row)


def stop(hook: Webhook, *, actor: User, now: datetime, reason: str = "") -> None:
    """Tell it no more. A new one for the same address has a new secret."""
    with audit.attempt(actor=actor, action="webhook.stop", obj=hook, line=hook.line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, hook.line, now)
        if Webhook.objects.filter(pk=hook.pk, is_active=True).update(is_active=False) != 1:
            raise Conflict("hook_stopped", "The address is told no longer.")
        audit.record(actor=actor, action="webhook.stop", obj=hook, now=now, reason=reason, line=hook.line)


def try_again(hook: Webhook, *, actor: User, now: datetime) -> None:
    """At once instead of after its wait."""
    with audit.attempt(actor=actor, action="webhook.try_again", obj=hook, line=hook.line, now=now):
        require(actor, Right.CONFIGURE, hook.line, now)
        if Webhook.objects.filter(pk=hook.pk, is_active=True, next_at__isnull=False).update(next_at=now) != 1:
            raise Conflict("hook_does_not_wait", "It does not wait for another try.")
        audit.record(actor=actor, action="webhook.try_again", obj=hook, now=now, line=hook.line)


def secret(hook: Webhook) -> str:
    """Made anew from the installation's own secret each time it is needed."""
    return hmac.new(
        settings.SECRET_KEY.encode(), f"webhook:{hook.pk}:{hook.nonce}".encode(), hashlib.sha256
    ).hexdigest()


def signature(key: str, at_s: int, body: bytes) -> str:
    """What goes into APC-Signature: ``t`` is when it was signed, ``v1`` HMAC-SHA256 over ``<t>.<body>``."""
    told = hmac.new(key.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={told}"


def send_due(clock: Callable[[], datetime], send: Post = post) -> int:
    """Tell every address what it has not been told yet; returns how many rows were taken."""
    due = Webhook.objects.filter(Q(next_at=None) | Q(next_at__lte=clock()), is_active=True)
    return sum(_send(pk, clock, send) for pk in due.values_list("pk", flat=True))


def _send(pk: int, clock: Callable[[], datetime], send: Post) -> int:
    """The next rows for one address, as long as they are taken and the others need not wait for long."""
    told, until = 0, clock() + A_ROUND
    while clock() < until and _next(pk, clock, send):
        told += 1
    return told


def _next(pk: int, clock: Callable[[], datetime], send: Post) -> bool:
    """Tell the next row and note it; False where there is none, it was not taken, or another worker is at it."""
    with audit.atomic():
        hook = Webhook.objects.select_for_update(skip_locked=True, no_key=True, of=("self",)).filter(pk=pk).first()
        if hook is None or not hook.is_active or (hook.next_at and hook.next_at > clock()):
            return False
        head = AuditHead.objects.values_list("number", flat=True).get()  # numbers are given in the order of commits
        row = _waiting(hook).filter(number__lte=head).first()
        taken = row is not None and _told(hook, row, clock, send)
        if row is None:
            hook.sent = max(hook.sent, head)
        hook.save()
        return taken


def _waiting(hook: Webhook) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.filter(line_id=hook.line_id, number__gt=hook.sent, action__in=hook.actions)
    return rows.order_by("number")


def _told(hook: Webhook, row: AuditEntry, clock: Callable[[], datetime], send: Post) -> bool:
    try:
        _post(hook, row, clock(), send)
    except NotTold as error:
        _wait(hook, str(error), clock())
        return False
    hook.sent, hook.told_at = row.number, clock()
    hook.attempts, hook.next_at, hook.failing_since, hook.last_error = 0, None, None, ""
    return True


def _post(hook: Webhook, row: AuditEntry, now: datetime, send: Post) -> None:
    if not allowed(hook.url):
        raise NotTold("host_not_allowed")
    body = json.dumps(message(hook, row), ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "APC-Event": str(row.number),
        "APC-Signature": signature(secret(hook), int(now.timestamp()), body),
    }
    send(hook.url, body, headers)


def message(hook: Webhook, row: AuditEntry) -> dict[str, object]:
    """What an address is told of a row of the audit. Equal numbers are the same event, told again."""
    return {
        "event": row.number, "at": row.at.astimezone(UTC).isoformat(), "action": row.action, "line": hook.line.key,
        "object": row.object_type, "id": row.object_id, "actor": row.actor_name, "old": row.old, "new": row.new,
        "reason": row.reason,
    }  # fmt: skip


def _wait(hook: Webhook, why: str, now: datetime) -> None:
    """Twice as long after each try that failed; after a day it is told no more."""
    wait_s = min(FIRST_WAIT_S * 2 ** min(hook.attempts, 20), LONGEST_WAIT_S)
    hook.attempts, hook.last_error, hook.next_at = hook.attempts + 1, why[:64], now + timedelta(seconds=wait_s)
    hook.failing_since = hook.failing_since or now
    if now - hook.failing_since >= GIVEN_UP_AFTER:
        hook.is_active = False
        told = {"error": hook.last_error, "sent": hook.sent}
        audit.record(actor=SYSTEM, action="webhook.give_up", obj=hook, now=now, new=told, line=hook.line)


def hosts() -> list[str]:
    """The hosts that the installation names."""
    return list(settings.APC_WEBHOOK_HOSTS)


def allowed(url: str) -> bool:
    """Only hosts that the installation names, over TLS unless it is this machine, without name or password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    plain = parts.scheme == "http" and host in LOCAL
    named = host in settings.APC_WEBHOOK_HOSTS
    return named and (plain or parts.scheme == "https") and "@" not in parts.netloc and not parts.fragment


def _must_be_allowed(url: str) -> None:
    printable = url.isascii() and url.isprintable() and " " not in url and len(url) <= 300
    if not printable or not allowed(url):
        raise Invalid("host_not_allowed", "The address must be https, at a host that the installation names.")
