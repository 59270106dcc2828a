"""`manage.py replay FILE --plant MAP`: a historian file through the same door as a machine, at any speed."""

from __future__ import annotations

import signal
import time
from argparse import ArgumentTypeError
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from control import history
from control.actions import estimators, ingest, limits, pipeline, plant
from control.actions.errors import Refused
from control.actions.replaying import Replay
from control.management.asking import add_by, asking, show_in_demo
from control.models import Estimator, Line

STEP_S = 0.2  # of real time between two bodies
MOST_ROWS = 500  # of a body; fewer where more is measured, see bodies()
CATCH_UP_S = 300.0  # how long the running pipeline is waited for before training


def share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ArgumentTypeError("must be above 0 and below 1")
    return value


def not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError("must be 0 or more")
    return value


class Command(BaseCommand):
    help = "Feed a historian file (CSV, CSV.gz, Parquet) as its map says. Stop it and start it again: it goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--plant", type=Path, required=True, metavar="MAP", help="plant file with a [columns] part")
        parser.add_argument(
            "--speed", type=not_negative, default=1.0, help="seconds of the file in a second; 0: as fast as it goes"
        )
        parser.add_argument(
            "--train",
            type=share,
            metavar="SHARE",
            help="store this first share at once and train on it before going on",
        )
        add_by(parser)
        parser.add_argument(
            "--inline", action="store_true", help="advance the pipeline here too, when no pulse and worker are running"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        described, table = self.checked(options["plant"], options["file"])
        now, reason = timezone.now(), f"replay of {options['file'].name}"
        known = Line.objects.filter(key=described.line.key).first()
        self.actor = asking(known, options["by"], "plant.store", now=now, reason=reason)
        stored = plant.store(described, actor=self.actor, reason=reason, now=now)
        show_in_demo(stored.line, now=now)
        replay = Replay(ingest.known(ingest.raw(), stored.source.pk), table.at_us, table.feeds)
        self.line, self.inline, self.stopped = stored.line, options["inline"], False
        self.most_rows = bodies(table)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self.stop)
        begin = replay.fed(ingest.raw())
        if begin:
            self.stdout.write(f"{begin} of {len(replay)} rows are stored already; going on from there")
        if options["train"]:
            begin = self.train(replay, begin, int(options["train"] * len(replay)))
        self.feed(replay, begin, len(replay), options["speed"], "replay")
        self.stdout.write(f"{replay.fed(ingest.raw())} of {len(replay)} rows are stored")

    def checked(self, path: Path, file: Path) -> tuple[plant.Plant, history.Table]:
        """The map and the table, or every mismatch between them."""
        try:
            described = plant.read(path)
            table = history.load(file, described)
        except (plant.PlantFileError, history.MismatchError) as error:
            problems = error.errors if isinstance(error, plant.PlantFileError) else error.problems
            listed = "\n".join(f"  {problem}" for problem in problems)
            raise CommandError(f"{path.name} and {file.name} do not fit together:\n{listed}") from error
        if not len(table):
            raise CommandError(f"{file.name} has no rows.")
        first, last = (
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(at)) for at in table.at_us[[0, -1]]
        )
        tags, measured = (sum(part.shape[1] for part in parts) for parts in zip(*_shapes(table), strict=True))
        self.stdout.write(f"{file.name}: {len(table)} rows, {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC,")
        self.stdout.write(f"  {tags} tags and {measured} measured streams of line {described.line.key}")
        return described, table

    def stop(self, *_: object) -> None:
        self.stopped = True

    def train(self, replay: Replay, begin: int, upto: int) -> int:
        """Store the first rows, put estimators and first limits found from them in force; returns where to go on."""
        self.feed(replay, begin, upto, 0.0, "history")
        if self.stopped:
            return len(replay)
        self.catch_up()
        since, until = (datetime.fromtimestamp(replay.at_us[i] / 1e6, UTC) for i in (0, upto))
        for machine in self.line.equipment.all():
            if Estimator.objects.filter(stream__lane__equipment=machine, trained_to__lt=until).exists():
                continue
            span = {"since": since, "until": until, "actor": self.actor, "now": timezone.now()}
            try:
                trained, drawn = estimators.train(machine, **span), limits.draw(machine, **span)
            except Refused as refusal:
                raise CommandError(f"{machine.key}: {refusal.detail}") from None
            self.say(machine.key, "estimators", list(trained.metrics), trained.refused)
            self.say(machine.key, "limits", drawn.streams, drawn.refused)
            if drawn.waiting:
                self.say(machine.key, "limits that wait for a review,", drawn.waiting, {})
        return max(begin, upto)

    def say(self, where: str, what: str, done: Iterable[str], refused: Any) -> None:
        self.stdout.write(f"{where}: {what} of {len(list(done))} streams")
        for key, why in refused.items():
            self.stdout.write(f"  none for {key}: {why}")

    def catch_up(self) -> None:
        """Let the running pipeline reach what was stored, so that the history is judged as it was then."""
        machines = list(self.line.equipment.values_list("pk", flat=True))
        deadline = time.monotonic() + CATCH_UP_S
        while any(pipeline.behind(pk) for pk in machines):
            if self.inline:
                pipeline.settle(machines, now=timezone.now())
            elif time.monotonic() > deadline:
                raise CommandError("Nothing advances the pipeline: start pulse and a worker, or say --inline.")
            else:
                time.sleep(0.2)

    def feed(self, replay: Replay, begin: int, end: int, speed: float, what: str) -> None:
        started, at = time.monotonic(), begin
        machines = list(Line.objects.get(pk=self.line.pk).equipment.values_list("pk", flat=True))
        with tqdm(total=end, initial=min(begin, end), desc=what, unit="row", disable=None) as bar:
            for upto, when_s in replay.due(begin, end, speed, STEP_S, self.most_rows):
                while not self.stopped and (left := started + when_s - time.monotonic()) > 0:
                    time.sleep(min(left, STEP_S))
                if self.stopped:
                    self.stdout.write(f"stopped at row {at} of {len(replay)}; the same command goes on from there")
                    return
                replay.feed(ingest.raw(), at, upto, now=timezone.now())
                if self.inline:
                    pipeline.settle(machines, now=timezone.now())
                bar.update(upto - at)
                at = upto


def bodies(table: history.Table) -> int:
    """Rows of a body that one pass takes whole: else its later rows are predicted without what was measured before."""
    of_a_row = sum(1 + feed.measured.shape[1] for feed in table.feeds)
    return max(min(MOST_ROWS, pipeline.BATCHES[0] // of_a_row), 1)


def _shapes(table: history.Table) -> list[tuple[Any, Any]]:
    return [(feed.inputs, feed.measured) for feed in table.feeds]
