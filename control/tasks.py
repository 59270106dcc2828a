"""Work that ends, done by Celery: each loads, calls one action and returns. A message carries an id, never a fact."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db import connection
from django.utils import timezone

from control.actions import ingest, pipeline, tending

PASSES = 50  # of one task; the pulse rings again for the rest


@shared_task(name="control.advance")
def advance(equipment_id: int) -> None:
    """Process what arrived at an equipment."""
    for _ in range(PASSES):
        if not pipeline.advance(equipment_id, now=timezone.now()).more:
            return


@shared_task(name="control.tend_changes")
def tend_changes() -> None:
    """Expire, escalate and verify the changes that are due."""
    tending.tend(timezone.now())


@shared_task(name="control.make_days")
def make_days() -> None:
    """Have tomorrow's partitions before its first row."""
    now = timezone.now()
    with connection.cursor():
        ingest.make_days(ingest.raw(), {(now + timedelta(days=ahead)).date() for ahead in (0, 1, 2)}, now)
