"""Whether the person behind a socket may still look, read from the database each time it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.utils.crypto import constant_time_compare

from control.actions import authority
from control.actions.authority import RIGHTS, Right


@dataclass(frozen=True, slots=True)
class Standing:
    """A signed-in user, and the roles he has now by the line they reach."""

    user_id: int
    roles: frozenset[tuple[int, str]]

    @property
    def line_ids(self) -> frozenset[int]:
        """The lines he may look at."""
        return frozenset(line for line, role in self.roles if Right.VIEW in RIGHTS[role])


def standing(session_key: str | None, now: datetime) -> Standing | None:
    """None when the session has ended: signed out, expired, password changed, account disabled."""
    if not session_key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None or not constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    return Standing(user.pk, authority.held(user, now))
