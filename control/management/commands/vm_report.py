"""`manage.py vm_report [LINE]`: how good the predictions were, beside the two guesses anybody could make."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control.models import Line
from control.queries import vm


class Command(BaseCommand):
    help = "Error of every stream's predictions after training, against its mean and its last value."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("line", nargs="?", help="key of the line; all lines if not given")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = Line.objects.filter(key=options["line"]) if options["line"] else Line.objects.all()
        if not lines:
            raise CommandError(f"There is no line {options['line']}." if options["line"] else "There is no line.")
        for line in lines:
            self.report(line)

    def report(self, line: Line) -> None:
        rows = vm.errors(line)
        self.stdout.write(f"{line.key}: {len(rows)} streams measured after training")
        if not rows:
            return
        names = ("MAE", "RMSE", "MAE of mean", "of last value", "RMSE of mean", "of last", "coverage", "stood by")
        self.stdout.write(f"  {'stream':<24}{'model':<10}{'n':>7}" + "".join(f"{name:>15}" for name in names))
        for row in rows:
            figures = (row.mae, row.rmse, row.mae_of_mean, row.mae_of_last, row.rmse_of_mean, row.rmse_of_last)
            told = "".join(f"{figure:>15.4g}" for figure in figures)
            self.stdout.write(
                f"  {row.stream:<24}{row.kind:<10}{row.n:>7}{told}{row.coverage:>15.1%}{row.vouched:>15.1%}"
            )
        for loop, why in sorted({item for row in rows for item in row.closed.items()}):
            self.stdout.write(f"  loop {loop} stays silent: {why}")
        better = sum(row.mae < min(row.mae_of_mean, row.mae_of_last) for row in rows)
        self.stdout.write(f"  better than both guesses in {better} of {len(rows)}")
