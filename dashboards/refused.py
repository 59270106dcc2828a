"""A write that was refused before any action heard of it is recorded, too: unknown address, no permission, bad form.

What an action itself refuses it records itself. Whoever is not signed in can fill the record with no more than a row a
minute from one address, and with ``STRANGERS`` a minute from all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from control.actions import audit
from dashboards import permissions

READING = ("GET", "HEAD", "OPTIONS", "TRACE")
REFUSED = (401, 403, 404, 409, 422)
NOBODY = "nobody"
STRANGERS = 60
LONGEST = 200  # characters of an address that are kept
log = logging.getLogger(__name__)


class Strangers:
    """Who of those not signed in has had his row in the present minute."""

    def __init__(self) -> None:
        self.minute: datetime | None = None
        self.heard: set[str] = set()

    def first_time(self, address: str, now: datetime) -> bool:
        minute = now.replace(second=0, microsecond=0)
        if minute != self.minute:
            self.minute, self.heard = minute, set()
        if address in self.heard or len(self.heard) >= STRANGERS:
            return False
        self.heard.add(address)
        return True


class RefusedRequests:
    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer, self.strangers = answer, Strangers()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in READING:
            return self.answer(request)
        with audit.telling() as told:
            response = self.answer(request)
        if not told and (status := _refused(response)):
            self._record(request, response, status)
        return response

    def _record(self, request: HttpRequest, response: HttpResponseBase, status: int) -> None:
        now, address = permissions.now(), request.META.get("REMOTE_ADDR", "")
        known = request.user.is_authenticated
        if not known and not self.strangers.first_time(address, now):
            return
        told = {"path": request.path[:LONGEST], "status": status, "code": _code(response), "address": address}
        try:
            with audit.atomic():
                audit.record(
                    actor=permissions.person(request) if known else NOBODY,
                    action="request.refused", obj=("request", request.method), now=now, new=told,
                )  # fmt: skip
        except DatabaseError:  # nothing was done, and the answer says so
            log.exception("a refused request could not be recorded: %s", told)


def _refused(response: HttpResponseBase) -> int | None:
    """The status of a refusal; being sent to sign in is one."""
    if response.status_code == 302 and response.get("Location", "").startswith(settings.LOGIN_URL):
        return 401
    return response.status_code if response.status_code in REFUSED else None


def _code(response: HttpResponseBase) -> str:
    """The code that the API gave for it."""
    if not isinstance(response, HttpResponse) or not response.get("Content-Type", "").startswith("application/json"):
        return ""
    said: Any = json.loads(response.content)
    return str(said.get("code", "")) if isinstance(said, dict) else ""
