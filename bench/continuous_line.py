"""A real factory line replayed as if it were live: every measured stream beside its mean and its last value.

The first 60 % in time train, the rest is predicted second by second. The data lie beside the project and are not part
of it (Liveline Technologies, multi-stage continuous-flow process). Run: python -m bench.continuous_line
"""

from __future__ import annotations

import numpy as np

from bench.scratch import ROOT, installation, table

FEWEST = 30  # values of a stream, under which it says nothing
FILE = ROOT.parent / "shared" / "data" / "continuous_line" / "continuous_factory_process_4500.csv.gz"
PLANT = ROOT / "fixtures" / "plants" / "continuous_line.toml"


def main() -> None:
    if not FILE.exists():
        print("no data beside the project (shared/data/continuous_line): nothing measured")
        return
    with installation():
        from django.core.management import call_command

        from control.models import Line
        from control.queries import vm

        call_command("replay", FILE, plant=PLANT, train=0.6, speed=0.0, inline=True)
        found = vm.errors(Line.objects.get())
    rows = [
        [one.stream, one.n, *(f"{figure:.4f}" for figure in (one.mae, one.mae_of_mean, one.mae_of_last)),
         f"{one.coverage:.0%}"]
        for one in found
    ]  # fmt: skip
    table("Continuous line: mean absolute error, mm", ["stream", "n", "ours", "mean", "last value", "in 90 %"], rows)
    of_mean, of_last, inside = zip(
        *((one.mae < one.mae_of_mean, one.mae < one.mae_of_last, one.coverage) for one in found if one.n >= FEWEST),
        strict=True,
    )
    told = [
        [f"better than the mean, of {len(inside)} streams", sum(of_mean), "all"],
        [f"better than the last value, of {len(inside)} streams", sum(of_last), "-"],
        ["streams at 87 to 93 % in it, share", f"{np.mean([0.87 <= one <= 0.93 for one in inside]):.2f}", "1"],
        ["in the 90 % interval, lowest and highest stream", f"{min(inside):.0%} .. {max(inside):.0%}", "87 .. 93 %"],
    ]
    table("Continuous line, together", ["figure", "ours", "to hold"], told)


if __name__ == "__main__":
    main()
