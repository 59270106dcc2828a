"""Twin lines for tests: as in the demo's files, or the same without any noise."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from control.core.exchange import MeasuredPiece, Scan
from control.core.twin.line import Line
from control.core.twin.parameters import CoaterParameters, LineParameters, PressParameters, line_parameters
from control.core.twin.scenario import Scenario

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
START = 1_790_000_000.0
LINES = {"cathode-1": "cathode", "anode-1": "anode"}


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((FIXTURES / name).read_text(encoding="utf-8"))


def parameters(key: str = "cathode-1") -> LineParameters:
    return line_parameters(table(f"plants/{LINES[key]}.toml"), table(f"twins/{key}.toml"))


def without_noise(line: LineParameters) -> LineParameters:
    return replace(line, coater=_still(line.coater), press=_still(line.press))


def _still(machine: CoaterParameters | PressParameters) -> Any:
    silent = {name: 0.0 for name in machine.__dataclass_fields__ if "_noise_" in name and not name.endswith("_s")}
    gauge = replace(machine.gauge, noise_rel=0.0, bias_rel=0.0, wild_share=0.0, missing_share=0.0)
    return replace(machine, noise={}, gauge=gauge, lab=replace(machine.lab, noise_rel=0.0), **silent)


def still_line(key: str = "cathode-1", scenario: Scenario | None = None, **changes: Any) -> Line:
    return Line(replace(without_noise(parameters(key)), **changes), scenario or Scenario(), seed=1)


def noisy_line(scenario: Scenario | None = None, seed: int = 1, key: str = "cathode-1") -> Line:
    return Line(parameters(key), scenario or Scenario(), seed=seed)


def run(line: Line, seconds: int) -> list[Scan]:
    """Step second by second; all scans in order."""
    begin = line.now_s
    return [scan for i in range(1, seconds + 1) for scan in line.step(1.0, START + begin + i)]


def pieces(scans: list[Scan], stream: str) -> list[MeasuredPiece]:
    return [piece for scan in scans for piece in scan.measurements if piece.stream == stream]


def last(scans: list[Scan], stream: str) -> float:
    value = pieces(scans, stream)[-1].value
    assert value is not None
    return value
