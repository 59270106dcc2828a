"""Every measurement, one after another on servers of its own, then the figures to hold beside ours. Run: make bench"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.scratch import COLLECTED, ROOT, table

MODULES = tuple(
    f"bench.{name}"
    for name in (
        *("ingest", "pipeline", "fanout", "audit", "spc", "control_pass"),
        *("stability", "deadband", "factory_wide", "control"),
        *("vm_data", "continuous_line", "verdict", "coverage", "start"),
    )
)


@dataclass(frozen=True)
class Figure:
    """A cell of a table: the row that begins with ``row``, and what its number should be."""

    what: str
    column: str
    row: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def told(self, tables: list[list[dict[str, str]]]) -> list[str]:
        found = [line[self.column] for rows in tables for line in rows if self.column in line and self._is(line)]
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return [self.what, bound, found[0] if found else "-", "yes" if found and self._held(found[0]) else "no"]

    def _is(self, line: dict[str, str]) -> bool:
        return next(iter(line.values())).startswith(self.row)

    def _held(self, cell: str) -> bool:
        number = float(cell.split(maxsplit=1)[0].rstrip("%"))
        return number >= self.at_least if self.at_least is not None else number <= self.at_most


FIGURES = (
    Figure("connector path / bare COPY, 1000 rows a body", "connector / bare", "1000", at_least=0.5),
    Figure("s of process / s of processor, a pass a second, the 2 x 8 lane-sides asked for", "process s / processor s",
           "a pass a second, the coaters", at_least=50),
    Figure("the same with both presses too, twice the streams asked for", "process s / processor s",
           "a pass a second, all", at_least=50),
    Figure("s of process / s of processor, 4 machines, catching up", "process s / processor s",
           "backlog of 3600 s, all", at_least=50),
    Figure("prediction step / numpy, 1 row", "ours / numpy", "1 rows", at_most=3),
    Figure("prediction step / numpy, 1000 rows", "ours / numpy", "1000 rows", at_most=3),
    Figure("limits and rules over a million points, s", "ours", "limits and", at_most=0.5),
    Figure("limits and rules over a million points / numpy", "ours / numpy", "limits and", at_most=1.5),
    Figure("proposing for 2 lines, 16 lane-sides, ms", "ms a pass", "proposing", at_most=5),
    Figure("mean square cut by the automatic loop, % of by hand", "cut, % of by hand", "automatic", at_least=80),
    Figure("Cpk gained by the automatic loop over the recipe, %", "Cpk gain, %", "automatic", at_least=30),
    Figure("Harris index of the automatic loop", "Harris", "automatic", at_least=0.9),
    Figure("samples after the dead time until a batch step is gone", "samples", "batch", at_most=2),
    Figure("the same for a lane that steps, shown by the gauge alone", "samples", "die", at_most=2),
    Figure("factory-wide control, MSE y1 with a VM", "MSE y1", "VM, 7", at_most=0.78),
    Figure("factory-wide control, MSE y2 with a VM", "MSE y2", "VM, 7", at_most=0.57),
    Figure("samples spared by the verdict, share", "ours", "samples spared", at_least=0.7),
    Figure("of them out of specification", "ours", "escaped", at_most=0),
    Figure("graphite coating, ridge, mg", "ours", "ridge, leave one recipe", at_most=1.91),
    Figure("graphite coating, boosting, mg", "ours", "boosting, leave one recipe", at_most=1.72),
    Figure("graphite coating, share of the other campaign refused", "ours", "earlier campaign", at_least=1),
    Figure("NMC calendering, physics and its bias, um", "ours", "physics and its bias, leave one trial", at_most=0.71),
    Figure("NMC calendering, ridge without physics, um", "ours", "ridge without physics, leave one", at_most=1.18),
    Figure("the same, penalties down to .001", "ours", "ridge without physics, small penalties", at_most=1.18),
    Figure("real line, share of streams 87 .. 93 % of whose values lie in the 90 % interval", "ours", "streams at 87",
           at_least=1),
    Figure("90 % interval, hours within 3 % of it", "hours within 90 +- 3 %", "rolling width", at_least=95),
    Figure("deliveries, hub / bare broadcast, 200 sockets", "hub / bare", at_least=0.6),
    Figure("from POST to the last of 200 sockets, p99 in ms", "p99", "200", at_most=1000),
    Figure("audit rows, chained / plain inserts, 16 writers", "chained / plain", "bare statements, 1", at_least=0.3),
    Figure("the same with four rows a transaction", "chained / plain", "bare statements, 4", at_least=0.3),
    Figure("audit rows a second, 16 writers, four a transaction", "chained", "through audit.record, 4", at_least=1000),
    Figure("cold start: seeding a past shift, s", "seconds", "seeded", at_most=60),
)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        collected = Path(folder) / "tables.jsonl"
        failed = measured(MODULES, collected)
        tables = [json.loads(line) for line in collected.read_text().splitlines()]
    table("Figures to hold", ["figure", "to hold", "ours", "held"], [figure.told(tables) for figure in FIGURES])
    if failed:
        raise SystemExit(f"failed, what it would have told is missing above: {', '.join(failed)}")


def measured(modules: Sequence[str], collected: Path) -> list[str]:
    """Run every module, its tables added to a file; the names of those that failed."""
    collected.touch()
    env, failed = os.environ | {COLLECTED: str(collected)}, []
    for module in modules:
        print(f"\n== {module}", flush=True)
        if subprocess.run([sys.executable, "-m", module], check=False, cwd=ROOT, env=env).returncode:
            failed.append(module)
            print(f"{module} failed", flush=True)
    return failed


if __name__ == "__main__":
    main()
