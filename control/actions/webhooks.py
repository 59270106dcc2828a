"""Addresses outside are told of what happens to changes: in order, signed, again until it is taken.

The audit is the outbox: what was committed is told, what was not is not, and a death at any moment loses nothing. The
last row that was told is told again if nobody could note that it was; its number says so to whoever is told.
One worker tells at a time, and for seconds only: a slow address keeps no line waiting, and no transaction open.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F, Q, QuerySet

from control.actions import audit
from control.actions._lock import lock
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.connectors.post import NotTold, post
from control.core.lifecycle import Verb
from control.models import AuditEntry, AuditHead, Line, Webhook

SYSTEM = "webhooks"
ACTIONS = ("change.propose", *(f"change.{verb}" for verb in Verb))
A_TURN = 20  # rows for one address, so that none keeps the others waiting
A_ROUND = timedelta(seconds=10)  # for all of them; the next one begins with those that were told longest ago
MOST_BYTES = 65_536
TAKE, GIVE = (f"SELECT pg_{verb}(hashtext('control_webhooks'))" for verb in ("try_advisory_lock", "advisory_unlock"))
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
        require(actor, Right.CONFIGURE, lock(line.pk), now)
        _must_be_allowed(url)
        if not chosen or set(chosen) - set(ACTIONS):
            raise Invalid("unknown_choice", "Choose what it is told of from the list.", {"actions": list(ACTIONS)})
        if Webhook.objects.filter(line=line, url=url, is_active=True).exists():
            raise Conflict("hook_is_there", "The address is told already.")
        row = Webhook.objects.create(
            line=line, url=url, actions=chosen, nonce=secrets.token_hex(16), created_at=now, created_by=actor,
            sent=_head(),
        )  # fmt: skip
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
    with _alone() as alone:
        until = clock() + A_ROUND
        due = Webhook.objects.filter(Q(next_at=None) | Q(next_at__lte=clock()), is_active=True)
        order = due.order_by(F("told_at").asc(nulls_first=True), "pk") if alone else due.none()
        return sum(_send(hook, until, clock, send) for hook in order.select_related("line"))


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether nobody else is telling; the turn ends with the connection, also when the process dies."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE)
        taken = bool(cursor.fetchone()[0])
        try:
            yield taken
        finally:
            if taken:
                cursor.execute(GIVE)


def _send(hook: Webhook, until: datetime, clock: Callable[[], datetime], send: Post) -> int:
    """The next rows for one address, as long as they are taken and the others need not wait for long."""
    head, told = _head(), 0
    for row in _waiting(hook, head)[:A_TURN]:
        if clock() >= until or not _told(hook, row, clock, send):
            return told
        told += 1
    if told < A_TURN:
        _note(hook, sent=head)
    return told


def _head() -> int:
    """The number of the last row: numbers are given in the order of commits."""
    return AuditHead.objects.values_list("number", flat=True).get()


def _waiting(hook: Webhook, head: int) -> QuerySet[AuditEntry]:
    told = {"line_id": hook.line_id, "action__in": hook.actions}
    return AuditEntry.objects.filter(number__gt=hook.sent, number__lte=head, **told).order_by("number")


def _told(hook: Webhook, row: AuditEntry, clock: Callable[[], datetime], send: Post) -> bool:
    try:
        _post(hook, row, clock(), send)
    except NotTold as error:
        _wait(hook, str(error), clock())
        return False
    taken = {"attempts": 0, "next_at": None, "failing_since": None, "last_error": ""}
    return _note(hook, sent=row.number, told_at=clock(), **taken)


def _note(hook: Webhook, **told: Any) -> bool:
    """Whether it could be noted: not if somebody has stopped it meanwhile."""
    for name, value in told.items():
        setattr(hook, name, value)
    return Webhook.objects.filter(pk=hook.pk, is_active=True).update(**told) == 1


def _post(hook: Webhook, row: AuditEntry, now: datetime, send: Post) -> None:
    if not allowed(hook.url):
        raise NotTold("host_not_allowed")
    body = _body(hook, row)
    headers = {
        "Content-Type": "application/json",
        "APC-Event": str(row.number),
        "APC-Signature": signature(secret(hook), int(now.timestamp()), body),
    }
    send(hook.url, body, headers)


def _body(hook: Webhook, row: AuditEntry) -> bytes:
    """The message, without the values where it were too long: they can be asked for."""
    told = message(hook, row)
    whole = _json(told)
    return whole if len(whole) <= MOST_BYTES else _json(told | {"old": None, "new": None})


def _json(told: Mapping[str, object]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


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
    since, error = hook.failing_since or now, why[:64]
    told = {"attempts": hook.attempts + 1, "last_error": error, "failing_since": since}
    with audit.atomic():
        goes_on = now - since < GIVEN_UP_AFTER
        noted = _note(hook, next_at=now + timedelta(seconds=wait_s), is_active=goes_on, **told)
        if noted and not goes_on:
            given_up = {"error": error, "sent": hook.sent}
            audit.record(actor=SYSTEM, action="webhook.give_up", obj=hook, now=now, new=given_up, line=hook.line)


def hosts() -> list[str]:
    """The hosts that the installation names, each with its port unless that is the usual one."""
    return list(settings.APC_WEBHOOK_HOSTS)


def allowed(url: str) -> bool:
    """Only hosts that the installation names, at the port it names, over TLS unless it is this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = parts.scheme == "http" and parts.hostname in LOCAL
    named = "@" not in parts.netloc and parts.netloc in settings.APC_WEBHOOK_HOSTS
    return named and (plain or parts.scheme == "https") and not parts.fragment


def _must_be_allowed(url: str) -> None:
    printable = url.isascii() and url.isprintable() and " " not in url and len(url) <= 300
    if not printable or not allowed(url):
        raise Invalid("host_not_allowed", "The address must be https, at a host that the installation names.")
