"""What a load balancer and a person on call ask first. No sign-in: only ages and yes or no are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F, Max, Min
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from control.models import Cursor, Intake, Measurement, Snapshot

STUCK_S = 10.0  # how long data may lie unread before the workers count as stopped
QUIET_S = 60.0  # how long a plant may say nothing before its silence is told


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether requests can be served. 503 when the database, Redis or the workers are away.

    A plant that says nothing is told (`ingest.ok` false) but is no reason to turn visitors away.
    """
    now = timezone.now()
    found: dict[str, dict[str, Any]] = {"database": {"ok": False}, "redis": {"ok": redis_answers()}}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found |= {"database": {"ok": True}, "worker": worker(now), "ingest": ingest(now)}
    except DatabaseError:
        found |= {"worker": {"ok": False, "age_s": None}, "ingest": {"ok": False, "age_s": None}}
    ready = all(found[name]["ok"] for name in ("database", "redis", "worker"))
    return JsonResponse({"ready": ready, **found}, status=200 if ready else 503)


def redis_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def worker(now: datetime) -> dict[str, Any]:
    """The age of the last pass, and whether data has been waiting for one."""
    cursors = Cursor.objects.filter(equipment__intake__arrived__gt=F("processed"))
    waiting_s = [age_s(now, oldest) for cursor in cursors if (oldest := first_unread(cursor)) is not None]
    last = Cursor.objects.aggregate(last=Max("advanced_at"))["last"]
    return {"ok": max(waiting_s, default=0.0) <= STUCK_S, "age_s": None if last is None else age_s(now, last)}


def first_unread(cursor: Cursor) -> datetime | None:
    """When the oldest row that no pass has read was received."""
    unread = [
        kind.objects.filter(equipment=cursor.equipment_id, arrival__gt=cursor.processed).aggregate(
            at=Min("received_at")
        )
        for kind in (Snapshot, Measurement)
    ]
    return min((row["at"] for row in unread if row["at"] is not None), default=None)


def ingest(now: datetime) -> dict[str, Any]:
    """The age of the last data received; null before the first."""
    last = Intake.objects.aggregate(last=Max("last_received_at"))["last"]
    age = None if last is None else age_s(now, last)
    return {"ok": age is not None and age <= QUIET_S, "age_s": age}


def age_s(now: datetime, instant: datetime) -> float:
    return round((now - instant).total_seconds(), 1)
