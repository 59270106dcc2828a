"""`manage.py twin`: the demo's machines. It runs the lines of the plant files whose connector is the twin."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from control.connectors import TWIN_SOCKET
from control.connectors.memory import RetentiveMemory
from control.connectors.plc import Hosted, Plc
from control.core.twin.line import Line
from control.core.twin.parameters import LineParameters, ParameterError, line_parameters
from control.core.twin.scenario import Scenario, ScenarioError

FIXTURES = settings.BASE_DIR / "fixtures"
FASTEST = 1000.0


class Command(BaseCommand):
    help = "Run the digital twin of every line whose plant file names it, at a Unix socket, until SIGTERM."
    requires_system_checks = ()  # a machine does not care whether the pages are in order

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--speed", type=float, default=1.0, help="seconds of process in a second (default 1)")
        parser.add_argument(
            "--scenario",
            type=Path,
            default=FIXTURES / "scenarios" / "demo.toml",
            metavar="FILE",
            help="what happens to the lines (default: the demo)",
        )
        parser.add_argument("--seed", type=int, default=20, help="of a line that has no saved state (default 20)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["speed"] <= FASTEST:
            raise CommandError(f"--speed must be above 0 and at most {FASTEST:g}.")
        folder = settings.APC_VAR_DIR / "twin"
        folder.mkdir(parents=True, exist_ok=True)
        settings.APC_RUN_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            try:
                asyncio.run(self.run(folder, options))
            except (ParameterError, ScenarioError, OSError) as error:
                raise CommandError(str(error)) from error

    async def run(self, folder: Path, options: dict[str, Any]) -> None:
        scenario = Scenario.from_dict(_toml(options["scenario"]))
        lines = [Line(parameters, scenario, _seed(options["seed"], parameters.key)) for parameters in twin_lines()]
        hosted = [Hosted(line, RetentiveMemory(folder, line.parameters.key)) for line in lines]
        plc = Plc(hosted, settings.APC_RUN_DIR / TWIN_SOCKET, options["speed"])
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, plc.stop)
        self.stdout.write(f"twin: {', '.join(plc.lines)} at {plc.socket_path}")
        self.stdout.flush()
        await plc.run()


def twin_lines() -> list[LineParameters]:
    """The lines of the plant files in which an equipment's connector is the twin."""
    plants = [_toml(path) for path in sorted((FIXTURES / "plants").glob("*.toml"))]
    ours = [plant for plant in plants if any(_is_twin(equipment) for equipment in plant.get("equipment", ()))]
    return [line_parameters(plant, _toml(FIXTURES / "twins" / f"{plant['line']['key']}.toml")) for plant in ours]


def _is_twin(equipment: dict[str, Any]) -> bool:
    return bool(equipment.get("connector", {}).get("kind") == "twin")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{path}: {error}") from error


def _seed(seed: int, line: str) -> int:
    return seed ^ crc32(line.encode())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one twin on one folder: a second would take the first one's socket away."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"another twin runs on {path.parent}.") from None
        yield
