"""What the charts of a stream drew in the past: each statistic with its lines, by the functions that judged it.

The values are gone through in the order in which they were judged, cut where other limits or another stage began.
Every stretch goes on from where :mod:`control.core.charting` left the one before, so that what is drawn is what the
verdicts of then were given on: for a day at once, and the same as point by point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from control.core import charting, together
from control.core.charting import Family
from control.core.machine import Averaged, ChartConfig
from control.core.spc import cusum, ewma, group_chart, hotelling, individuals, mewma
from control.core.spc.constants import d2
from control.core.spc.subgroups import spread_lines
from control.core.state import ChartState
from control.core.together import Line
from control.core.types import BoolArray, FloatArray, IntArray, Rule


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Values of one stream that entered its charts, in the order in which they were judged, all (n,).

    ``chart`` is the place in ``charts`` of what judged each; None there where there were no limits. ``stage`` counts
    stages. ``error`` is measured minus predicted, ``rules`` the bits that were stored. ``before`` values of the first
    stage are left out before the first one here.
    """

    at_s: FloatArray
    value: FloatArray
    error: FloatArray
    rules: IntArray
    chart: IntArray
    stage: IntArray
    charts: tuple[ChartConfig | None, ...]
    before: int = 0

    def __len__(self) -> int:
        return len(self.at_s)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A statistic with its lines, point by point (n,); NaN where there is none. ``rules``: those of this chart alone.

    ``key`` names what is drawn; in the unit of the values but for T2. ``stage`` counts stages.
    """

    key: str
    at_s: FloatArray
    value: FloatArray
    lower: FloatArray
    centre: FloatArray
    upper: FloatArray
    rules: IntArray
    stage: IntArray

    def since(self, at_s: float) -> Series:
        """Without what was made before."""
        return self.at(np.flatnonzero(self.at_s >= at_s))

    def at(self, kept: IntArray) -> Series:
        """Of the points at these places alone."""
        lines = self.lower[kept], self.centre[kept], self.upper[kept]
        return Series(self.key, self.at_s[kept], self.value[kept], *lines, self.rules[kept], stage=self.stage[kept])


def thinned(drawn: Series, most: int) -> Series:
    """At most about ``most`` points more than there are violations and changes of a line: none of those is left out.

    Of each bucket of neighbours the lowest and the highest stay.
    """
    n, width = len(drawn.at_s), -(-2 * len(drawn.at_s) // most)
    if n <= most:
        return drawn
    kept = (drawn.rules != 0) | _stepping(drawn)
    padded = np.concatenate([drawn.value, np.full(-n % width, drawn.value[-1])]).reshape(-1, width)
    first = width * np.arange(len(padded))
    for place in (padded.argmin(axis=1), padded.argmax(axis=1)):
        kept[np.minimum(first + place, n - 1)] = True
    kept[[0, -1]] = True
    return drawn.at(np.flatnonzero(kept))


def _stepping(drawn: Series) -> BoolArray:
    """Where a line is another than at the point before, or at the one after."""
    kept = np.zeros(len(drawn.at_s), np.bool_)
    for line in (drawn.lower, drawn.centre, drawn.upper, drawn.stage):
        scale = np.nanmax(np.abs(line), initial=1e-12)
        other = np.abs(np.diff(np.nan_to_num(line))) > 1e-4 * scale
        kept[1:] |= other
        kept[:-1] |= other
    return kept


def averages(past: Past) -> list[Series]:
    """EWMA, with the limits of then: narrow after a beginning, wider until they have settled."""
    told = _empty(past)
    for part, design, state in _stood(past):
        if design.ewma is None:
            continue
        z = (past.value[part] - state.mean) / state.sigma
        found = ewma.judge(z, design.ewma.weight, design.ewma.width, state.ewma, state.count)
        reach = state.sigma * found.limit
        told.fill(part, state.mean + state.sigma * found.value, state.mean - reach, state.mean, state.mean + reach)
    return told.series(past, "ewma", Rule.EWMA)


def sums(past: Past) -> list[Series]:
    """C+ upwards and C- downwards, in the unit of the values. A verdict stands at the sum that is beyond."""
    up, down = _empty(past), _empty(past)
    for part, design, state in _stood(past):
        if design.cusum is None:
            continue
        head = (design.cusum.head_start, design.cusum.head_start)
        z = (past.value[part] - state.mean) / state.sigma
        found = cusum.judge(z, design.cusum, state.cusum or head)
        lower, upper = cusum.lines(state.sigma, design.cusum)
        up.fill(part, state.sigma * found.high, np.nan, 0.0, upper)
        down.fill(part, -state.sigma * found.low, lower, 0.0, np.nan)
    high = up.series(past, "cusum_high", Rule.CUSUM, exceeding=True)
    return high + down.series(past, "cusum_low", Rule.CUSUM, exceeding=True)


def moving_ranges(past: Past) -> list[Series]:
    """From one value to the next, or from one group's mean to the next where those have a chart of moving ranges."""
    told = _empty(past)
    for part, design, state in _stood(past):
        if Rule.MOVING_RANGE not in design.rules.rules:
            continue
        before = state.recent[-1:] or (None,)
        line = np.concatenate([np.array(before, np.float64), (past.value[part] - state.mean) / state.sigma])
        moved, reach = np.abs(np.diff(line)) * state.sigma, individuals.range_limit() * state.sigma
        told.fill(part, moved, np.nan, d2(2) * state.sigma, reach)
    return told.series(past, "moving_range", Rule.MOVING_RANGE) + _ranges_of_means(past)


def _ranges_of_means(past: Past) -> list[Series]:
    told, last = _empty(past), np.nan
    for at, groups, chart, anew in _groups(past):
        means = groups.mean(axis=1)
        line = np.concatenate([[np.nan if anew else last], means])
        last = float(line[-1])
        if Rule.MOVING_RANGE in chart.rules.rules:
            told.fill(at, np.abs(np.diff(line)), np.nan, d2(2) * chart.sigma, individuals.range_limit() * chart.sigma)
    return told.series(past, "moving_range_of_means", Rule.MOVING_RANGE)


def means(past: Past) -> list[Series]:
    """Of groups, each at the last of its values."""
    told, rules = _empty(past), Rule.NONE
    for at, groups, chart, _ in _groups(past):
        reach = chart.rules.beyond * chart.sigma
        told.fill(at, groups.mean(axis=1), chart.mean - reach, chart.mean, chart.mean + reach)
        rules |= chart.rules.rules
    return told.series(past, "mean", rules & ~(Rule.SPREAD | Rule.MOVING_RANGE))


def spreads(past: Past) -> list[Series]:
    """Range or standard deviation within each group, at the last of its values."""
    told = {"range": _empty(past), "deviation": _empty(past)}
    for at, groups, chart, _ in _groups(past):
        found = group_chart.spread_within(groups, chart.spread)
        lines = spread_lines(chart.within, np.array([chart.size]), chart.spread)
        told[chart.spread].fill(at, found, *(float(line[0]) for line in (lines.lower, lines.centre, lines.upper)))
    return [one for key, drawn in told.items() for one in drawn.series(past, key, Rule.SPREAD)]


def errors(past: Past) -> list[Series]:
    """What predictions were off."""
    told = _empty(past)
    for part, index, _ in _stretches(past):
        chart = past.charts[index]
        if chart is None or chart.residual is None:
            continue
        own = chart.residual
        reach = own.rules.beyond * own.sigma
        told.fill(part, past.error[part], own.mean - reach, own.mean, own.mean + reach)
    return told.series(past, "error", Rule.RESIDUAL)


def distances(past: Past, others: Mapping[str, Line]) -> list[Series]:
    """T2 of a lane and the ``others`` (stream key -> values that entered its charts) beside which it is held."""
    told = _empty(past)
    for part, index, _ in _stretches(past):
        chart = past.charts[index]
        if chart is None or chart.together is None:
            continue
        own = chart.together
        found = hotelling.judge(_seen(past, part, own.others, others), own.reference, own.alpha)
        p = len(own.reference.mean)
        told.fill(part, found.value, np.nan, np.nan, hotelling.upper_line(p, own.reference.m, own.alpha))
    return told.series(past, "t2", Rule.MULTIVARIATE, exceeding=True)


def distances_of_averages(past: Past, others: Mapping[str, Line]) -> list[Series]:
    """T2 of the average of the lanes, the MEWMA's statistic."""
    told = _empty(past)
    held: mewma.Standing | None = None
    before: tuple[float, float, str] | None = None
    for part, index, anew in _stretches(past):
        chart = past.charts[index]
        own = chart.averaged if chart else None
        stands = _design(chart)
        if own is not None:
            seen = _seen(past, part, own.others, others)
            complete = np.isfinite(seen).all(axis=1)
            goes_on = held if not anew and stands == before else None
            found = mewma.judge(seen[complete], own.reference, own.weight, own.h, goes_on)
            held = found.standing
            told.fill(np.arange(part.start, part.stop)[complete], found.value, np.nan, np.nan, own.h)
        before = stands
    return told.series(past, "mewma", Rule.MULTIVARIATE, exceeding=True)


def _design(chart: ChartConfig | None) -> tuple[float, float, str] | None:
    """What an average of the lanes goes on with."""
    own: Averaged | None = chart.averaged if chart else None
    return (chart.mean, chart.sigma, own.design) if chart and own else None


def _seen(past: Past, part: slice, keys: tuple[str, ...], others: Mapping[str, Line]) -> FloatArray:
    nothing = Line(np.empty(0), np.empty(0))
    own = Line(past.at_s[part], past.value[part])
    return together.observations(own, [others.get(key, nothing) for key in keys])


PANELS: dict[str, Callable[[Past, Mapping[str, Line]], list[Series]]] = {
    "mr": lambda past, _: moving_ranges(past),
    "ewma": lambda past, _: averages(past),
    "cusum": lambda past, _: sums(past),
    "mean": lambda past, _: means(past),
    "spread": lambda past, _: spreads(past),
    "error": lambda past, _: errors(past),
    "t2": distances,
    "mewma": distances_of_averages,
}


def _stretches(past: Past) -> Iterator[tuple[slice, int, bool]]:
    """Values under the same limits in one stage: where they are, whose they are, and whether a stage begins there."""
    if not len(past):
        return
    cut = np.flatnonzero((past.chart[1:] != past.chart[:-1]) | (past.stage[1:] != past.stage[:-1])) + 1
    for begin, end in pairwise([0, *cut.tolist(), len(past)]):
        anew = begin > 0 and past.stage[begin] != past.stage[begin - 1]
        yield slice(begin, end), int(past.chart[begin]), bool(anew)


def _stood(past: Past) -> Iterator[tuple[slice, charting.Design, ChartState]]:
    """Of each stretch where the charts of single values stood when it began."""
    family, held = Family.of(map(charting.of_values, past.charts)), None
    for part, index, anew in _stretches(past):
        begun = family.standing(index, None if anew else held)
        if part.start == 0:
            begun = ChartState(begun.mean, begun.sigma, count=past.before, short_run=begun.short_run)
        design = family.designs[family.kind[index] or 0]
        yield part, design, begun
        z = (past.value[part] - begun.mean) / begun.sigma
        _, (held,) = charting.continued(design, [begun], z[None], [float(past.at_s[part][-1])])


def _groups(past: Past) -> Iterator[tuple[IntArray, FloatArray, group_chart.Chart, bool]]:
    """Whole groups (k, size) of each stretch, where their last values are, and whether their chart began anew."""
    waiting, size = np.empty(0, np.int64), 0
    for part, index, anew in _stretches(past):
        config = past.charts[index]
        chart = config.groups if config else None
        if chart is None:
            size = 0
            continue
        begins = anew or chart.size != size
        own = np.arange(part.start, part.stop)
        if part.start == 0:
            own = own[-past.before % chart.size :]  # the group that was waiting is not known
        line = own if begins else np.concatenate([waiting, own])
        whole = len(line) // chart.size * chart.size
        places, waiting, size = line[:whole].reshape(-1, chart.size), line[whole:], chart.size
        yield np.asarray(places[:, -1]), past.value[places], chart, begins


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """Columns that are filled stretch by stretch, all (n,)."""

    value: FloatArray
    lower: FloatArray
    centre: FloatArray
    upper: FloatArray
    stage: IntArray

    def fill(
        self,
        part: slice | IntArray,
        value: FloatArray,
        lower: float | FloatArray,
        centre: float | FloatArray,
        upper: float | FloatArray,
    ) -> None:
        self.value[part], self.lower[part], self.centre[part], self.upper[part] = value, lower, centre, upper

    def series(self, past: Past, key: str, rules: Rule, *, exceeding: bool = False) -> list[Series]:
        """What was filled in; nothing where nothing was. ``exceeding``: others break the same rule, too."""
        own = past.rules & int(rules)
        if exceeding:
            with np.errstate(invalid="ignore"):
                own = np.where((self.value > self.upper) | (self.value < self.lower), own, 0)
        whole = Series(key, past.at_s, self.value, self.lower, self.centre, self.upper, own, self.stage)
        kept = np.flatnonzero(np.isfinite(self.value))
        return [whole.at(kept)] if len(kept) else []


def _empty(past: Past) -> _Drawn:
    value, lower, centre, upper = np.full((4, len(past)), np.nan)
    return _Drawn(value, lower, centre, upper, past.stage)
