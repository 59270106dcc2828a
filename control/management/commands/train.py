"""Train a line's prediction models and draw its control limits from what it has measured.

So a line is set up: the first of each are in force at once, later ones once somebody else has reviewed them.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from control.actions import estimators, limits
from control.actions.errors import Conflict
from control.management.asking import add_by, asking
from control.models import Equipment, Line


def hours(text: str) -> timedelta:
    try:
        span = timedelta(hours=float(text))
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is not a number of hours") from None
    if not timedelta(0) < span <= timedelta(days=400):
        raise ArgumentTypeError("must be more than 0 and at most 9600 hours")
    return span


class Command(BaseCommand):
    help = "Trains estimators and draws control limits from a line's last hours of real measurements."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("line", help="the line's key")
        parser.add_argument("--hours", type=hours, default=timedelta(hours=24), help="how far back (default 24)")
        parser.add_argument("--main", choices=("ridge", "pls", "boosting"), help="instead of the plant file's choice")
        parser.add_argument("--reference", choices=("ridge", "pls"), help="instead of the plant file's choice")
        parser.add_argument("--reason", default="trained from the command line", help="kept in the audit")
        add_by(parser)

    def handle(self, *, line: str, hours: timedelta, reason: str, **options: Any) -> None:
        kinds = estimators.Kinds(options["main"], options["reference"])
        found = Line.objects.filter(key=line).first()
        if found is None:
            raise CommandError(f"there is no line {line!r}")
        now = timezone.now()
        actor = asking(found, options["by"], "estimator.train", now=now, reason=reason)
        span = {"since": now - hours, "until": now, "now": now, "actor": actor, "reason": reason}
        kept = [why for machine in found.equipment.all() if (why := self.train(machine, span, kinds))]
        if kept:
            raise CommandError("; ".join(kept))

    def train(self, machine: Equipment, span: dict[str, Any], kinds: estimators.Kinds) -> str:
        """Models and limits of one machine; returns why its models stay as they are, if they do."""
        kept, trained = "", estimators.Training({}, {}, {})
        try:
            trained = estimators.train(machine, **span, kinds=kinds)
        except Conflict as refusal:
            kept = f"{machine.key}: {refusal.detail}"
        except ValueError as error:
            raise CommandError(f"{machine.key}: {error}") from None
        drawn = limits.draw(machine, **span)
        self.stdout.write(f"{machine.key}: {len(trained.metrics)} models, limits of {len(drawn.streams)} streams")
        if drawn.waiting:
            self.stdout.write(f"  limits of {len(drawn.waiting)} streams wait for a review")
        closed = {f"loop {loop}": f"stays silent: {why}" for loop, why in trained.gates.items() if why}
        for key, why in {**drawn.refused, **trained.refused, **closed}.items():
            self.stdout.write(f"  {key}: {why}")
        return kept
