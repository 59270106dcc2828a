"""`manage.py import_model EQUIPMENT FILE.onnx DECLARATION.toml`: let an outside model predict some streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from control.actions import audit, estimators, outside_models
from control.actions.errors import Refused
from control.core.vm.onnx import MOST_BYTES
from control.management.asking import add_by, asking
from control.management.commands.train import hours
from control.models import Equipment


class Command(BaseCommand):
    help = "Check an ONNX model, find reference, interval and bias for it from past measurements, put it in force."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("equipment", help="LINE/EQUIPMENT, such as cathode-1/coater")
        parser.add_argument("model", type=Path, help="the model: one ONNX file")
        parser.add_argument("declaration", type=Path, help="TOML: streams, predicts, output, inputs (docs/models.md)")
        parser.add_argument(
            "--hours", type=hours, default="24", help="of measurements, best newer than the model (default 24)"
        )
        parser.add_argument("--reason", default="an outside model from the command line", help="kept in the audit")
        add_by(parser)

    def handle(self, *, equipment: str, model: Path, declaration: Path, **options: Any) -> None:
        line, _, key = equipment.partition("/")
        machine = Equipment.objects.filter(line__key=line, key=key).first()
        if machine is None:
            raise CommandError(f"there is no equipment {equipment!r}")
        now, reason = timezone.now(), options["reason"]
        actor = asking(machine.line, options["by"], "model.import", now=now, reason=reason)
        asked = {"actor": actor, "now": now, "reason": reason}
        try:
            found = outside_models.checked(machine, self.read(model), declaration.read_bytes())
            with audit.atomic():
                outside_models.record(machine, found, **asked)
            trained = estimators.train(
                machine,
                since=now - options["hours"],
                until=now,
                **asked,
                kinds=estimators.Kinds(outside=found.models),
            )
        except (OSError, ValueError, Refused) as error:
            raise CommandError(f"{model.name} is not taken: {error}") from None
        for stream in found.models:
            why = trained.refused.get(stream)
            figures = trained.metrics.get(stream, {})
            told = f"not in force: {why}" if why else "MAE {mae:.4g}, coverage {coverage:.1%}".format(**figures)
            self.stdout.write(f"  {stream}: {told}")
        for loop, why in trained.gates.items():
            self.stdout.write(f"  loop {loop}: {why or 'the gain gate passes'}")

    def read(self, path: Path) -> bytes:
        """At most one byte more than may be: the check says what is wrong with it."""
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
