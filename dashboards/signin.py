"""Signing in goes through the same door as a signature: the same count of wrong passwords, the same locks."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from control.actions import signing
from control.actions.errors import NoPermission
from dashboards import hands, permissions, wording


class Guarded(ModelBackend):
    """The only way to become somebody: pages, the administration and commands that ask for a password."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **told: Any
    ) -> User:
        where = hands.address(request) if request else ""
        try:
            return signing.prove(username or "", password or "", address=where, now=permissions.now())
        except NoPermission as refusal:
            if request and refusal.code == "locked_out":
                request.locked = wording.refused_signature(refusal.code, refusal.difference)  # the page says it
            raise PermissionDenied from refusal
