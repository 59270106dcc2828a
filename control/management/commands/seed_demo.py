"""`manage.py seed_demo`: the demo's plant, people and a past shift, so that the first page has something to show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from apcweb.places import ServerError
from apcweb.servers import locked
from control.demo import plants, seeding

LEAST_HOURS, MOST_HOURS = 0.25, 24.0
BAR = "{desc}: {percentage:3.0f} % of {total:.0f} min, {remaining} left"


class Command(BaseCommand):
    help = (
        "Fill an empty demo with two lines, its accounts and a past shift. A second run changes nothing, "
        "unless the plant files are those of another version: then the plant follows them."
    )

    requires_system_checks = ()  # they load every page, for which this has no use

    def add_arguments(self, parser: CommandParser) -> None:
        default = settings.APC_DEMO_HOURS
        parser.add_argument("--hours", type=float, default=default, help=f"length of the shift (default {default:g})")

    def handle(self, *args: Any, hours: float, **options: Any) -> None:
        if not settings.APC_DEMO:
            raise CommandError("seed_demo makes accounts with a known password: only for the demo (APC_DEMO=1).")
        if not LEAST_HOURS <= hours <= MOST_HOURS:
            raise CommandError(f"--hours must be from {LEAST_HOURS:g} to {MOST_HOURS:g}.")
        folder = settings.APC_VAR_DIR / "twin"
        folder.mkdir(parents=True, exist_ok=True)
        out, quiet = options.get("stdout") or sys.stdout, not options["verbosity"]
        try:
            with locked(folder / "lock", "the demo's machines are running; stop them first."), bar(out, quiet) as shown:
                done = seeding.seed(hours, password=settings.APC_DEMO_PASSWORD, memory=folder, progress=shown)
                renewed = seeding.renew(timezone.now()) if plants.outdated() else None
        except (seeding.NotEmpty, ServerError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"seed_demo: {said(done, renewed)}")


def said(done: seeding.Seeded | None, renewed: list[str] | None) -> str:
    """What became of the demo."""
    if done is not None:
        span = f"{done.since:%H:%M} to {done.until:%H:%M} {settings.TIME_ZONE}"
        return f"{done.lines} lines, a past shift from {span}"
    if renewed is not None:
        return f"the plant follows the files of this version; {len(renewed)} parts of it are new or changed"
    return "the demo is there already; nothing was changed"


@contextmanager
def bar(out: TextIO, quiet: bool) -> Iterator[seeding.Progress]:
    """Minutes of the shift made, with the time left."""
    looks = {"bar_format": BAR, "mininterval": 1.0, "delay": 1.0}
    with tqdm(desc="seed_demo", total=0, file=out, disable=quiet, **looks) as shown:

        def progress(done_s: float, total_s: float) -> None:
            shown.total = max(total_s, done_s) / 60
            shown.update(done_s / 60 - shown.n)

        yield progress
