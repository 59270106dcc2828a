"""Work that ends, done by Celery: each loads, calls one action and returns. A message carries an id, never a fact."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db import connection
from django.utils import timezone

from control.actions import (
    attention,
    carrying,
    drifting,
    ingest,
    pipeline,
    retraining,
    rollvalues,
    roots,
    shifts,
    stability,
    tending,
    trainingrun,
    versions,
    webhooks,
)

PASSES = 50  # of one task; the pulse rings again for the rest
LONGEST_TRAINING_S = 1800
TO_SAY_SO_S = 60  # that it took too long


@shared_task(name="control.advance")
def advance(equipment_id: int) -> None:
    """Process what arrived at an equipment."""
    for _ in range(PASSES):
        if not pipeline.advance(equipment_id, now=timezone.now()).more:
            return


@shared_task(name="control.tend_changes")
def tend_changes() -> None:
    """Do with changes, versions and calls what is due."""
    now = timezone.now()
    tending.tend(now)
    versions.activate_due(now)
    attention.call_waiting(now)


@shared_task(name="control.watch_recipes")
def watch_recipes() -> None:
    """Tell of machines that stand elsewhere than their recipes say."""
    drifting.watch(timezone.now())


@shared_task(name="control.hand_over")
def hand_over() -> None:
    """End the shifts that are over; no automatic mode where one was not accepted in time."""
    now = timezone.now()
    shifts.make_due(now)
    shifts.watch(now)


@shared_task(name="control.send_webhooks")
def send_webhooks() -> None:
    """Tell addresses outside of what happened to changes."""
    webhooks.send_due(timezone.now)


@shared_task(name="control.carry_events")
def carry_events() -> None:
    """Tell the next machine of a line of what changed the foil it now gets."""
    carrying.carry(timezone.now(), actor=pipeline.ACTOR)


@shared_task(name="control.tend_training")
def tend_training() -> None:
    """Have the runs carried out that people or plans ask for, one after the other."""
    run_id = retraining.due(timezone.now())
    if run_id is not None:
        retrain.apply_async([run_id], expires=60, retry=False)


@shared_task(
    name="control.retrain",
    acks_late=False,
    soft_time_limit=LONGEST_TRAINING_S,
    time_limit=LONGEST_TRAINING_S + TO_SAY_SO_S,
)
def retrain(run_id: int) -> None:
    """Carry out one run, unless another worker has it or another run."""
    trainingrun.carry_out(run_id, clock=timezone.now)


@shared_task(name="control.value_rolls")
def value_rolls() -> None:
    """Both values of the rolls that have news."""
    rollvalues.value_all(timezone.now())


@shared_task(name="control.value_loops")
def value_loops() -> None:
    """What the newest measured values tell of every loop."""
    stability.value_all(timezone.now())


@shared_task(name="control.checkpoint_audit")
def checkpoint_audit() -> None:
    """Sign where the audit's chain ends, and keep that outside the database."""
    roots.checkpoint(timezone.now())


@shared_task(name="control.make_days")
def make_days() -> None:
    """Have tomorrow's partitions before its first row."""
    now = timezone.now()
    with connection.cursor():
        ingest.make_days(ingest.raw(), {(now + timedelta(days=ahead)).date() for ahead in (0, 1, 2)}, now)
