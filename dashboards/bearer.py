"""A token as sign-in to the API: whoever sends one is its person, for this request, and no page is opened by it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer, SessionAuth

from control.actions import tokens
from control.actions.errors import NoPermission
from control.models import ApiToken
from dashboards import permissions

READING = ("GET", "HEAD")


class PersonalToken(HttpBearer):
    """Asked before the session is: a token that is worth nothing is no reason to look for another sign-in."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        found = tokens.known(token.strip(), permissions.now())
        if found is None:
            raise AuthenticationError
        request.user, request.api_token = found.user, found  # type: ignore[attr-defined]
        if not found.acts and request.method not in READING:
            raise NoPermission("token_reads", "This token only reads.")
        return found


class InASession(SessionAuth):
    """For what no token does: to make or revoke one."""

    def __call__(self, request: HttpRequest) -> Any:
        if PersonalToken()(request):
            raise NoPermission("session_needed", "Tokens are made and revoked by who is signed in.")
        return super().__call__(request)
