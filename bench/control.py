"""Six lanes under control: the recipe left alone, an operator, and the loop of the product, on the same seeds.

60 m from die to gauge at 60 m/min; batches, wear, clogging, drifting dies and noise as in scenarios/six_lanes.toml.
What is judged is the foil that truly left the dies, lane by lane and second by second, not what a gauge or a model
says of it.

**By hand.** Every ten minutes the operator looks at what the gauge showed in the last two: foil that was coated one to
three minutes before. A side whose mean is off by a quarter of a percent or more gets its pump turned by as much, to a
tenth of an rpm. Every half hour the lane furthest from that mean, if by half a percent or more, gets three quarters of
it taken out with its own bolt, to the micrometre. That is a good operator who never looks away.

**The loop**, once as the demo has it (a person approves: deadband 0.1 mg/cm2, a move a dead time) and once for
automatic writing: a deadband of one sigma of a gauge value, and no waiting for the gauge: the prediction is made
at the die.

A step is gone when less than a third of it is left in the foil at the die, for good. A sample is one crossing of the
gauge there and back, 9.3 s; they are counted from when the first foil made after the step reaches the gauge.
Run: python -m bench.control
"""

from __future__ import annotations

import numpy as np

from bench import six_lanes as line
from bench.scratch import table
from bench.seeds import over_seeds, spread
from control.core.r2r.harris import index
from control.core.twin.scenario import Event

SECONDS = 2100
BLOCK_S = 20  # one value of the Harris index; the dead time is three of them
DEMO = {"deadband": 0.1, "dead_time_m": line.DEAD_TIME_M, "ewma_weight": 0.1}
AUTOMATIC = {"deadband": 0.03, "dead_time_m": 1.0, "ewma_weight": 0.2}
LOOKS_S, SEEN_S, BOLTS_S = 600, 120, 1800
STEP_AT_S, STEP_S, SAMPLE_S, GONE = 240, 600, 9.33, 1 / 3
STEPS = {
    "batch: solids - 0.7 %, shown by a tag": (Event("solids_step", size=-0.007), slice(0, 12)),
    "die: a lane + 0.8 %, shown by the gauge alone": (Event("die_drift", side="top", lane=3, size=0.008), slice(2, 3)),
}


def by_hand(done: line.Run) -> dict[str, float]:
    """What the operator sets now, from what the gauge showed."""
    if done.n % LOOKS_S:
        return {}
    recent = [piece for piece in done.pieces if piece[0] > line.START + done.n - SEEN_S and np.isfinite(piece[4])]
    seen = np.array([np.mean([value for *_, k, value, _q, _by in recent if k == i]) for i in range(2 * line.LANES)])
    setting, wanted = done.line.coater_station.actuators.set_points, {}
    for side, lanes in zip(line.SIDES, (seen / line.TARGET - 1).reshape(2, line.LANES), strict=True):
        pump, mean = f"pump_{side}", float(lanes.mean())
        if abs(mean) >= 0.0025:
            wanted[pump] = round(setting[pump] * (1 - mean), 1)
        worst = int(np.abs(lanes - mean).argmax())
        if done.n % BOLTS_S == 0 and abs(lanes[worst] - mean) >= 0.005:
            bolt = f"bolt_{side}_{worst + 1}"
            own = line.loops()[0].gains[worst][1 + worst] / line.TARGET
            wanted[bolt] = round(setting[bolt] - 0.75 * (lanes[worst] - mean) / own)
    return wanted


def of_seed(seed: int) -> dict[str, tuple[float, float, float, int]]:
    """Of every way: mean square off target, Cpk of the worst lane, Harris index, changes."""
    fixed = line.left_alone(line.line_of(seed), SECONDS)
    hand = line.left_alone(line.line_of(seed), SECONDS, by_hand)
    found = {"recipe left alone": (fixed, 0), "by hand": (hand, 0)}
    for name, settings in (("loop as in the demo", DEMO), ("automatic loop", AUTOMATIC)):
        found[name] = line.controlled(line.line_of(seed), SECONDS, line.machine(seed, **settings))
    return {name: (run.variance, run.cpk, harris(run), changes) for name, (run, changes) in found.items()}


def harris(run: line.Run) -> float:
    """Of the means of blocks, over all lanes."""
    whole = len(run.settled) // BLOCK_S * BLOCK_S
    blocks = run.settled[:whole].reshape(-1, BLOCK_S, run.settled.shape[1]).mean(axis=1)
    return index(blocks - line.TARGET, delay=round(line.DEAD_TIME_M / BLOCK_S))


def rejected(seed: int) -> dict[str, float]:
    """Samples after the dead time until each step was gone; as many as there were if it was not."""
    found = {}
    for name, (event, lanes) in STEPS.items():
        quiet, on = line.line_of(seed, "quiet"), line.machine(seed, **AUTOMATIC)
        run, _ = line.controlled(quiet, STEP_S, on, every_s=5, happens={STEP_AT_S: event})
        off = run.made[:, lanes].mean(axis=1)
        off = off - off[STEP_AT_S - 60 : STEP_AT_S].mean()
        kept = np.convolve(off, np.ones(10) / 10, "valid")[STEP_AT_S:]  # of ten seconds: each lane twice
        there = np.flatnonzero(np.abs(kept) > GONE * abs(event.size) * line.TARGET)
        last = int(there[-1]) + 1 if len(there) else 0
        found[name] = max(last - line.DEAD_TIME_M, 0.0) / SAMPLE_S
    return found


def main() -> None:
    for seed in line.TRAINING_SEEDS:
        line.estimators(seed)  # before the processes of the pool part
    found, steps = over_seeds(of_seed), over_seeds(rejected)
    told = {name: np.array([one[name] for one in found]).T for name in found[0]}
    hand, fixed = told["by hand"][0], told["recipe left alone"][1]
    table(
        f"Six lanes a side, {SECONDS // 60} min, {len(found)} seeds: median (quarters)",
        ["way", "mean square, (mg/cm2)²", "cut, % of by hand", "Cpk, worst lane", "Cpk gain, %", "Harris", "moves"],
        [
            [
                name, spread(square), spread(100 * (1 - square / hand)), spread(cpk), spread(100 * (cpk / fixed - 1)),
                spread(index_of), spread(changes),
            ]
            for name, (square, cpk, index_of, changes) in told.items()
        ],
    )  # fmt: skip
    table(
        f"A step, automatic loop, {len(steps)} seeds: samples of {SAMPLE_S} s after the dead time until it is gone",
        ["step", "to beat", "samples"],
        [[name, "2", spread([one[name] for one in steps])] for name in STEPS],
    )


if __name__ == "__main__":
    main()
