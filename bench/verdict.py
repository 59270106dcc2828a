"""Samples the verdict spares, and what slips through; and how near the prediction comes to the truth.

The demo's coater, recipe left alone, with a new batch every ten minutes, drifting dies, wear, clogging and changing
temperature, all drawn by the seed. The model has learned from eight such hours, filters and pumps made new between
them; the scanning gauge, which sees each lane for a fraction of a second every few metres, corrects it as in use. Of
each lane a sample is to be cut every minute. Where the verdict on its metre is *in* or *out* it is not cut; where it is
*measure* it is. One that was spared on *in* though its metre was out of specification has escaped; how far out it was
is told in sigma of one gauge reading. Run: python -m bench.verdict
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bench.scratch import table
from bench.seeds import SEEDS, over_seeds, spread
from control.core.loop import State, run
from control.core.machine import Machine
from control.core.twin.scenario import Event, Scenario
from control.core.types import FloatArray, Verdict
from tests.core import twin_loop
from tests.core.twins import noisy_line

SECONDS = 3600
DUE_S = 60
STRETCHES = 8
TRAINING_SEED = 1_000
BATCH_S = 600
SETTLED_S = 600


@dataclass(frozen=True, slots=True)
class Counted:
    """Of one seed: samples due, spared, escaped, truly out; the farthest of the escaped beyond its limit and the RMS of
    predicted minus made, both in sigma of the gauge.
    """

    due: int
    spared: int
    escaped: int
    out: int
    farthest: float
    error: float


def main() -> None:
    found = over_seeds(partial(counted, _learned()))
    due, spared, escaped, out = (
        sum(getattr(one, name) for one in found) for name in ("due", "spared", "escaped", "out")
    )
    rows = [
        ["samples spared, share of those due", spread([one.spared / one.due for one in found]), "at least 0.7"],
        [f"escaped, of {out} out of specification among {due} due", escaped, "0"],
        [
            "farthest of them beyond its limit / noise of one gauge reading",
            f"{max(one.farthest for one in found):.2f}",
            "-",
        ],
        ["error of the prediction / noise of one gauge reading", spread([one.error for one in found]), "-"],
    ]
    table(
        f"Verdict: {SEEDS} seeds of {SECONDS // 60} min, {spared} samples spared", ["figure", "ours", "to hold"], rows
    )


def _learned() -> Machine:
    """A machine with a model from stretches like those it will see, on which people moved the pumps now and then."""
    rng = np.random.default_rng(TRAINING_SEED)
    events = tuple(
        replace(event, at_s=event.at_s + stretch * SECONDS)
        for stretch in range(STRETCHES)
        for event in (*_made_new(), *_disturbances(rng))
    )
    record = twin_loop.Record(noisy_line(Scenario(events), seed=TRAINING_SEED))
    twin_loop.by_hand(record, STRETCHES * SECONDS, rng)
    return replace(twin_loop.machine(twin_loop.learned(record)), loops=())


def counted(machine: Machine, seed: int) -> Counted:
    """One shift watched minute by minute."""
    disturbances = _disturbances(np.random.default_rng(seed))
    record, state = twin_loop.Record(noisy_line(Scenario(disturbances), seed=seed)), State()
    due = spared = escaped = out = 0
    farthest = 0.0
    errors: list[FloatArray] = []
    for second in range(DUE_S, SECONDS + 1, DUE_S):
        for _ in range(DUE_S):
            record.step()
        trace = record.trace(last=4 * DUE_S)
        new = trace.at_s > trace.at_s[-1] - DUE_S
        found = run(machine, state, trace, new, twin_loop.measured(record.scans[-DUE_S:]))
        state, told = found.state, found.predictions
        if second <= SETTLED_S:
            continue
        errors.append(told.value[::10] - np.array(record.made[-DUE_S::10]))
        made, verdict = record.made[-1], told.verdict[-1]
        beyond = np.maximum(twin_loop.LOADING["lower"] - made, made - twin_loop.LOADING["upper"])
        slipped = (beyond > 0) & (verdict == int(Verdict.IN))
        due, out = due + len(made), out + int((beyond > 0).sum())
        spared += int((verdict != int(Verdict.MEASURE)).sum())
        escaped += int(slipped.sum())
        farthest = max(farthest, float(beyond[slipped].max(initial=0.0)))
    sigma = float(twin_loop.LOADING["gauge_sigma"])
    rms = float(np.sqrt(np.nanmean(np.concatenate(errors) ** 2)))
    return Counted(due, spared, escaped, out, farthest / sigma, rms / sigma)


def _made_new() -> list[Event]:
    return [Event(kind, side=side) for kind in ("filter_change", "pump_service") for side in ("top", "bottom")]


def _disturbances(rng: np.random.Generator) -> tuple[Event, ...]:
    """What comes over the line, in order of time."""
    batches = [Event("solids_step", at_s, float(rng.normal(0.0, 0.005))) for at_s in np.arange(300.0, SECONDS, BATCH_S)]
    slow = [
        Event("die_drift", float(rng.uniform(0, SECONDS)), float(rng.normal(0.0, 0.006)), 900.0, side, int(lane))
        for side in ("top", "bottom")
        for lane in rng.integers(1, 5, 2)
    ]
    slow += [
        Event(kind, float(rng.uniform(0, SECONDS)), float(rng.uniform(0.0, 0.008)), 1800.0, side)
        for kind in ("pump_wear", "filter_clog")
        for side in ("top", "bottom")
    ]
    slow.append(Event("temperature_drift", float(rng.uniform(0, SECONDS)), float(rng.normal(0.0, 0.5)), 1200.0))
    return tuple(sorted((*batches, *slow), key=lambda event: event.at_s))


if __name__ == "__main__":
    main()
