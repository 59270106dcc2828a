"""Tokens of people: made with the password, shown once, and worth no more than what their person may at the moment."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare

from control.actions import audit
from control.actions.errors import Conflict, Invalid, NoPermission
from control.actions.signing import Hand, sign
from control.models import ApiToken

MAKE = "make_token"
LONGEST = timedelta(days=365)
USED_EVERY = timedelta(minutes=5)  # how exactly it is known when a token was last used


def make(name: str, *, days: int, acts: bool, by: Hand, now: datetime) -> tuple[ApiToken, str]:
    """A new token and its secret, which is told this once. Without ``acts`` it only reads."""
    with audit.attempt(actor=by.user, action="token.make", obj=by.user, now=now):
        if by.screen_of is not None:
            raise NoPermission("own_token", "A token is made by who is signed in.")
        if not name.strip():
            raise Invalid("name_needed", "Give the token a name.")
        if not 1 <= days <= LONGEST.days:
            raise Invalid("token_too_long", "Not for that long.", {"low": 1, "high": LONGEST.days})
        secret = f"apc_{secrets.token_urlsafe(32)}"
        row = ApiToken.objects.create(
            user=by.user, name=name.strip()[:80], token_sha256=_digest(secret), of_password=_of_password(by.user),
            acts=acts, created_at=now, expires_at=now + timedelta(days=days),
        )  # fmt: skip
        told = {"name": row.name, "acts": acts, "expires_at": row.expires_at}
        content = {**told, "token": row.pk, "expires_at": row.expires_at.isoformat()}
        sign(row, by=by, meaning=MAKE, content=content, now=now)
        audit.record(actor=by.user, action="token.make", obj=row, now=now, new=told)
    return row, secret


def revoke(token_id: int, *, actor: User, now: datetime) -> None:
    """Worth nothing from the next request on."""
    with audit.attempt(actor=actor, action="token.revoke", obj=("apitoken", token_id), now=now):
        if of(actor).filter(pk=token_id, revoked_at__isnull=True).update(revoked_at=now) != 1:
            raise Conflict("token_revoked", "This token is worth nothing any more.")
        audit.record(actor=actor, action="token.revoke", obj=("apitoken", token_id), now=now)


def of(person: User) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(user=person)


def known(secret: str, now: datetime) -> ApiToken | None:
    """The token of that secret, if it still stands for its person."""
    row = ApiToken.objects.select_related("user").filter(
        token_sha256=_digest(secret), revoked_at__isnull=True, expires_at__gt=now, user__is_active=True
    ).first()  # fmt: skip
    if row is None or not constant_time_compare(row.of_password, _of_password(row.user)):
        return None
    if row.used_at is None or row.used_at < now - USED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(used_at=now)
    return row


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _of_password(person: User) -> str:
    """What changes with the password, and tells nothing of it."""
    return hashlib.sha256(person.get_session_auth_hash().encode()).hexdigest()
