"""Bring a plant file into the database, or change what it describes; says every mistake before touching anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from control.actions.plant import PlantFileError, read, store
from control.management.asking import add_by, asking, show_in_demo
from control.models import Line


class Command(BaseCommand):
    help = "Loads a plant file (TOML, one line of a plant a file). Loading again changes what has changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--reason", default="loaded from the command line", help="kept in the audit")
        add_by(parser)

    def handle(self, *, file: Path, reason: str, **options: Any) -> None:
        try:
            plant = read(file)
        except PlantFileError as error:
            raise CommandError("\n  ".join([f"{file} was not loaded:", *error.errors])) from error
        now, line = timezone.now(), Line.objects.filter(key=plant.line.key).first()
        actor = asking(line, options["by"], "plant.store", now=now, reason=reason)
        stored = store(plant, actor=actor, reason=reason, now=now)
        show_in_demo(stored.line, now=now)
        self.stdout.write(f"{stored.line.key}: {len(stored.added)} added, {len(stored.changed)} changed")
        for label in stored.changed:
            self.stdout.write(f"  changed: {label}")
