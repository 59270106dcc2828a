"""A write that was refused before any action heard of it is recorded, too: unknown address, no permission, bad form.

What an action itself refuses it records itself. Nobody can fill the record: a person has a row a minute for one address
and status, those not signed in have one for each of their machines, and either no more than ``MOST`` a minute.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from control.actions import audit
from dashboards import permissions

READING = ("GET", "HEAD", "OPTIONS", "TRACE")
REFUSED = (400, 401, 403, 404, 409, 413, 422)
NOBODY = "nobody"
MOST = 60  # rows a minute, of one person and of all strangers together
LONGEST = 200  # characters of an address that are kept
log = logging.getLogger(__name__)


class Heard:
    """What has had its row in the present minute, by whose it is."""

    def __init__(self) -> None:
        self.minute: datetime | None = None
        self.rows: defaultdict[int | None, set[Hashable]] = defaultdict(set)

    def first_time(self, who: int | None, what: Hashable, now: datetime) -> bool:
        """``who`` is None for all who are not signed in."""
        minute = now.replace(second=0, microsecond=0)
        if minute != self.minute:
            self.minute, self.rows = minute, defaultdict(set)
        heard = self.rows[who]
        if what in heard or len(heard) >= MOST:
            return False
        heard.add(what)
        return True


class RefusedRequests:
    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer, self.heard = answer, Heard()

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
        path, known = request.path[:LONGEST], request.user.is_authenticated
        if not self.heard.first_time(request.user.pk, (path, status) if known else address, now):
            return
        told = {"path": path, "status": status, "code": _code(response), "address": address}
        try:
            with audit.atomic():
                audit.record(
                    actor=permissions.person(request) if known else NOBODY,
                    action="request.refused", obj=("request", request.method), now=now, new=told,
                )  # fmt: skip
        except DatabaseError:  # nothing was done, and the answer says so
            log.exception("a refused request could not be recorded: %s", told)


def _refused(response: HttpResponseBase) -> int | None:
    """The status of a refusal; being sent to sign in, and from there back, is one. Who signs out is not sent back."""
    doors = tuple(f"{door}?next=" for door in (settings.LOGIN_URL, reverse("admin:login")))
    if response.status_code == 302 and response.get("Location", "").startswith(doors):
        return 401
    return response.status_code if response.status_code in REFUSED else None


def _code(response: HttpResponseBase) -> str:
    """The code that the API gave for it."""
    if not isinstance(response, HttpResponse) or not response.get("Content-Type", "").startswith("application/json"):
        return ""
    said: Any = json.loads(response.content)
    return str(said.get("code", "")) if isinstance(said, dict) else ""
