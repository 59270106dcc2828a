"""The charts of an equipment: what its streams measured, held against their limits, many lanes in one go.

A value that is doubted, comes late or was made in an earlier stage is held against the outer lines by itself and
enters no run. What a stream measures before it has limits is remembered as it is, so that its first limits go on with
the runs it is in. Lanes that are charted alike and have as many new values are judged as the rows of one array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from control.core import several, together
from control.core.machine import ChartConfig, Machine
from control.core.spc import cusum, ewma, individuals
from control.core.spc.rules import LONGEST, ON_LINE, RuleSet, broken, restandardised
from control.core.state import ChartState, StreamState
from control.core.types import BoolArray, FloatArray, IntArray, Measured, Quality, Rule

OUT_OF_SPEC, OUTER, ERROR = np.int64(Rule.OUT_OF_SPEC), np.int64(Rule.BEYOND_3_SIGMA), np.int64(Rule.RESIDUAL)
JUMP, AVERAGE, SUM = np.int64(Rule.MOVING_RANGE), np.int64(Rule.EWMA), np.int64(Rule.CUSUM)
Charts = tuple[ChartState | None, ChartState | None]  # of the values, and of the errors of their predictions


@dataclass(frozen=True, slots=True)
class Design:
    """How a line is judged; streams of one design are judged together.

    ``remembers`` is how many earlier points are kept, if the rules need fewer. ``short_run``: the version of a chart
    whose standardised values go on as they are when mean and sigma change with the recipe; 0 of any other.
    ``counted``: the values are rates of samples, each with a sigma by its size.
    """

    rules: RuleSet
    ewma: ewma.Design | None = None
    cusum: cusum.Design | None = None
    remembers: int = 0
    short_run: int = 0
    counted: bool = False


UNJUDGED = Design(RuleSet(Rule.NONE), remembers=LONGEST - 1)
NO_LIMITS = (0.0, 1.0, UNJUDGED)  # values as they are, for whatever rules come


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One chart of every stream: ``mean`` and ``sigma`` (streams,), NaN and None where there is none.

    ``kind`` says which of ``designs`` each stream has.
    """

    mean: FloatArray
    sigma: FloatArray
    kind: tuple[int | None, ...]
    designs: tuple[Design, ...]

    @classmethod
    def of(cls, charts: Iterable[tuple[float, float, Design] | None]) -> Family:
        told = [chart or (np.nan, np.nan, None) for chart in charts]
        at: dict[Design, int] = {}
        kind = tuple(None if design is None else at.setdefault(design, len(at)) for _, _, design in told)
        mean, sigma = (np.array([one[i] for one in told], np.float64) for i in (0, 1))
        return cls(mean, sigma, kind, tuple(at))

    def standing(self, index: int, held: ChartState | None) -> ChartState:
        """Where a stream's chart goes on from. New limits continue its runs; its average and sums begin anew.

        Within a version of a short run other ones are those of another recipe, and all goes on.
        """
        mean, sigma, kind = float(self.mean[index]), float(self.sigma[index]), self.kind[index]
        version = 0 if kind is None else self.designs[kind].short_run
        if held is None:
            return ChartState(mean, sigma, short_run=version)
        if bool(held.sizes) != (kind is not None and self.designs[kind].counted):  # values of another sort
            return ChartState(mean, sigma, last_at_s=held.last_at_s, short_run=version)
        if (held.mean, held.sigma, held.short_run) == (mean, sigma, version):
            return held
        if (held.mean, held.sigma) == (mean, sigma) or held.short_run == version != 0:
            return replace(held, mean=mean, sigma=sigma, short_run=version)
        recent = restandardised(held.recent, (held.mean, held.sigma), (mean, sigma), held.sizes)
        return ChartState(mean, sigma, recent, last_at_s=held.last_at_s, short_run=version, sizes=held.sizes)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What the values of a machine are held against, all (streams,); ``beyond`` (sigma) is inf where nobody asks.

    ``several``: some stream has a chart that looks at several values.
    """

    lower: FloatArray
    upper: FloatArray
    feedback: IntArray
    beyond: FloatArray
    values: Family
    errors: Family
    several: bool


@lru_cache(maxsize=64)
def frame_of(machine: Machine) -> Frame:
    """Built once for a machine, which is compared by identity."""
    streams = machine.streams
    return Frame(
        lower=np.array([stream.lower for stream in streams]),
        upper=np.array([stream.upper for stream in streams]),
        feedback=np.array([int(stream.feedback) for stream in streams], np.int64),
        beyond=np.array([_outermost(stream.chart) for stream in streams]),
        values=Family.of(of_values(stream.chart, counted=stream.counted) for stream in streams),
        errors=Family.of(_of_errors(stream.chart) for stream in streams),
        several=any(stream.chart and (stream.chart.groups or stream.chart.averaged) for stream in streams),
    )


def _outermost(chart: ChartConfig | None) -> float:
    return chart.rules.beyond if chart and Rule.BEYOND_3_SIGMA in chart.rules.rules else np.inf


def of_values(chart: ChartConfig | None, *, counted: bool = False) -> tuple[float, float, Design]:
    if chart is None:
        return (*NO_LIMITS[:2], replace(UNJUDGED, counted=True)) if counted else NO_LIMITS
    design = Design(chart.rules, chart.ewma, chart.cusum, short_run=chart.short_run, counted=counted)
    return chart.mean, chart.sigma, design


def _of_errors(chart: ChartConfig | None) -> tuple[float, float, Design] | None:
    told = chart.residual if chart else None
    return None if told is None else (told.mean, told.sigma, Design(told.rules))


def judge(
    machine: Machine,
    states: Mapping[int, StreamState],
    measured: Measured,
    quality: IntArray,
    error: FloatArray,
    stage: IntArray,
) -> tuple[IntArray, dict[int, Charts]]:
    """Rules broken by each measurement (k,), and where the charts of each stream with new values stand afterwards.

    ``error`` (k,) is measured minus predicted. ``stage`` (k,): -1 made before the stage the charts stand in, 0 in it,
    r > 0 in the r-th that began since: there the charts begin afresh.
    """
    if not len(measured):
        return np.zeros(0, np.int64), {}
    frame, stream, value = frame_of(machine), measured.stream, measured.value
    usable = np.isfinite(value) & (quality < Quality.BAD)
    with np.errstate(invalid="ignore"):
        out = usable & (quality < Quality.DOUBTFUL) & ((value < frame.lower[stream]) | (value > frame.upper[stream]))
        z, charted = (value - frame.values.mean[stream]) / frame.values.sigma[stream], frame.feedback[stream]
        if measured.n is not None:
            counted = np.isfinite(measured.n)
            z = np.where(counted, z * np.sqrt(measured.n), z)
            charted = np.where(counted, measured.by, charted)
        own = usable & (measured.by == charted) & np.isfinite(z)
        outside = own & (np.abs(z) > frame.beyond[stream] + ON_LINE)
    order, told = np.lexsort((measured.at_s, stream)), _Told(stream, stage, measured.at_s, measured.n)
    present = {index: states[index] for index in set(stream.tolist())}
    runs = _in_turn(frame.values, present, told, own & (quality == Quality.GOOD), order)
    rules = out * OUT_OF_SPEC | (outside & ~runs) * OUTER
    held = {index: state.chart for index, state in present.items()}
    bits, charts = _continued(frame.values, held, z, order[runs[order]], told)
    z = (error - frame.errors.mean[stream]) / frame.errors.sigma[stream]
    foreseen = runs & np.isfinite(z)
    held = {index: state.residual for index, state in present.items()}
    unforeseen, residuals = _continued(frame.errors, held, z, order[foreseen[order]], told)
    rules |= bits | (unforeseen != 0) * ERROR
    rules |= together.judge(machine, states, measured, runs)
    if frame.several and runs.any():
        stretches = _stretches(order[runs[order]], told)
        more, charts = several.judge(machine, states, measured, runs, stage, stretches, charts)
        rules |= more
    behind = _left_behind(order[runs[order]], order[foreseen[order]], told) if stage.any() else set()
    return rules, {
        index: (chart, None if index in behind else residuals.get(index, held[index]))
        for index, chart in charts.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What is known of each value, all (k,); ``n`` None where nothing was counted."""

    stream: IntArray
    stage: IntArray
    at_s: FloatArray
    n: FloatArray | None = None


def _in_turn(
    family: Family, states: Mapping[int, StreamState], told: _Told, good: BoolArray, order: IntArray
) -> BoolArray:
    """The good values that enter runs: newer than what their chart has seen, and of its stage or a later one."""
    after = np.full(len(family.mean), -np.inf)
    for index, state in states.items():
        if state.chart is not None and state.chart.last_at_s is not None:
            after[index] = state.chart.last_at_s
    turn = good & (told.at_s > after[told.stream]) & (told.stage >= 0)
    if told.stage.any():
        for index in states:
            own = order[(told.stream[order] == index) & turn[order]]
            turn[own] = told.stage[own] == np.maximum.accumulate(told.stage[own])
    return turn


def _left_behind(taken: IntArray, foreseen: IntArray, told: _Told) -> set[int]:
    """Streams whose values have come to a stage that no error of a prediction has come to."""
    newest, known = (
        dict(zip(told.stream[these].tolist(), told.stage[these].tolist(), strict=True)) for these in (taken, foreseen)
    )
    return {index for index, stage in newest.items() if known.get(index, 0) < stage}


def _continued(
    family: Family, held: Mapping[int, ChartState | None], z: FloatArray, taken: IntArray, told: _Told
) -> tuple[IntArray, dict[int, ChartState]]:
    """Bits (k,) of the values ``taken`` (positions, stream by stream in time), and where the charts stand."""
    bits, states = np.zeros(len(z), np.int64), dict[int, ChartState]()
    if not (family.designs and len(taken)):
        return bits, states
    alike: dict[tuple[int, int, int], list[list[int]]] = {}
    for own in _stretches(taken, told):
        kind = family.kind[told.stream[own[0]]]
        if kind is not None:
            alike.setdefault((int(told.stage[own[0]]), kind, len(own)), []).append(own)
    for (stage, kind, _), rows in sorted(alike.items()):
        positions = np.array(rows)
        streams = told.stream[positions[:, 0]].tolist()
        begun = [states.get(index) or family.standing(index, held[index]) for index in streams]
        if stage > 0:
            begun = [ChartState(state.mean, state.sigma, short_run=state.short_run) for state in begun]
        last = told.at_s[positions[:, -1]].tolist()
        bits[positions], stand = continued(family.designs[kind], begun, z[positions], last)
        if family.designs[kind].counted and told.n is not None:
            stand = _sized(begun, stand, told.n[positions])
        states.update(zip(streams, stand, strict=True))
    return bits, states


def _stretches(taken: IntArray, told: _Told) -> list[list[int]]:
    """Positions cut where another stream or stage begins."""
    stream, stage, positions = told.stream[taken], told.stage[taken], taken.tolist()
    cut = np.flatnonzero((stream[1:] != stream[:-1]) | (stage[1:] != stage[:-1])) + 1
    ends = [0, *cut.tolist(), len(positions)]
    return [positions[begin:end] for begin, end in pairwise(ends)]


def continued(
    design: Design, begun: list[ChartState], z: FloatArray, last_at_s: list[float]
) -> tuple[IntArray, list[ChartState]]:
    """Go on with the charts of some streams over their values ``z`` (streams, n)."""
    context, n = max(design.rules.context, design.remembers), z.shape[1]
    recent = [([np.nan] * context + list(state.recent))[-context:] for state in begun]
    line = np.concatenate([np.array(recent, np.float64), z], axis=1)
    bits = broken(line, design.rules)[:, context:].astype(np.int64)
    if Rule.MOVING_RANGE in design.rules.rules:
        bits |= individuals.jumps(line)[:, context:] * JUMP
    average, sums = [state.ewma for state in begun], [state.cusum for state in begun]
    if design.ewma is not None:
        average = _averaged(design.ewma, begun, z, bits)
    if design.cusum is not None:
        sums = _summed(design.cusum, begun, z, bits)
    known, last = [min(len(state.recent) + n, context) for state in begun], line[:, -context:].tolist()
    return bits, [
        ChartState(
            mean=state.mean,
            sigma=state.sigma,
            recent=tuple(last[i][context - known[i] :]),
            ewma=average[i],
            count=state.count + n,
            last_at_s=last_at_s[i],
            cusum=sums[i],
            short_run=state.short_run,
        )
        for i, state in enumerate(begun)
    ]


def _sized(begun: list[ChartState], stand: list[ChartState], n: FloatArray) -> list[ChartState]:
    """Where the charts stand, with the sizes (streams, n) of the samples they remember."""
    return [
        replace(after, sizes=(*before.sizes, *new)[-len(after.recent) :])
        for before, after, new in zip(begun, stand, n.tolist(), strict=True)
    ]


def _averaged(design: ewma.Design, begun: list[ChartState], z: FloatArray, bits: IntArray) -> list[float]:
    """Where each EWMA stands afterwards; what is beyond is added to ``bits``."""
    start, count = np.array([state.ewma for state in begun]), np.array([state.count for state in begun])
    found = ewma.judge(z, design.weight, design.width, start, count)
    bits |= found.beyond * AVERAGE
    return list(found.value[:, -1].tolist())


def _summed(
    design: cusum.Design, begun: list[ChartState], z: FloatArray, bits: IntArray
) -> list[tuple[float, float] | None]:
    """Where both sums of each CUSUM stand afterwards; what is beyond is added to ``bits``."""
    head = (design.head_start, design.head_start)
    start = np.array([state.cusum or head for state in begun])
    found = cusum.judge(z, design, (start[:, 0], start[:, 1]))
    bits |= found.beyond * SUM
    return list(zip(*(one.tolist() for one in found.last), strict=True))
