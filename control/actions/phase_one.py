"""What limits a choice of window, method, charts and rules would give, and what they would say. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from control.core import together
from control.core.spc import cusum, diagnostics, ewma, false_alarms, hotelling, individuals
from control.core.spc import limits as core
from control.core.spc.diagnostics import Autocorrelation, Normality
from control.core.spc.limits import METHODS, Method
from control.core.spc.rules import LENGTHS, SETS, RuleSet
from control.core.types import BoolArray, FloatArray, IntArray, Rule
from control.models import Limits, Stream
from control.queries import limits as queries

AUTOCORRELATED = 0.3  # lag-1 correlation above which moving ranges understate sigma and runs mean little
SEED = 20261121  # the same draft foretells the same number, whoever asks
GROUP = 5  # neighbours taken together by the methods that need groups
Chart = Limits.Chart
MOVING_RANGE = "moving_range"
PARAMETERS: dict[str, dict[str, float]] = {  # run lengths in control of about 500 and 465
    Chart.EWMA: {"weight": 0.2, "width": 2.962},
    Chart.CUSUM: {"k": 0.5, "h": 5.0, "head_start": 0.0},
}
MORE_CHARTS = (MOVING_RANGE, *PARAMETERS, Chart.RESIDUAL, Chart.T2)  # beside single values, which are always charted
BITS: dict[str, Rule] = {Chart.EWMA: Rule.EWMA, Chart.CUSUM: Rule.CUSUM, Chart.T2: Rule.MULTIVARIATE}
ALONE = (Chart.INDIVIDUALS, *PARAMETERS)  # charts of nothing but the stream's own values
Judge = Callable[[FloatArray], IntArray]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Values of foil made from ``since`` to ``until`` (both included) that are left out, and why."""

    since: datetime
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What limits are to be drawn from, how, and what is to be judged by them.

    ``lengths`` are runs of one's own (points) where those of the set are not wanted.
    """

    since: datetime
    until: datetime
    method: Method = "moving_range"
    charts: tuple[str, ...] = ()
    rule_set: str = "western_electric"
    excluded: tuple[Exclusion, ...] = ()
    lengths: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A choice that cannot be meant is a ValueError, whatever sent it."""
        if self.since >= self.until:
            raise ValueError("the window must begin before it ends")
        if self.method not in METHODS or self.rule_set not in SETS or not set(self.charts) <= set(MORE_CHARTS):
            raise ValueError("no such method, rule set or chart")
        if any(one.until < one.since or not one.reason.strip() for one in self.excluded):
            raise ValueError("what is left out has a beginning, an end and a reason")
        if not set(self.lengths) <= set(lengths(self.rule_set)):
            raise ValueError("the set has no rule of that length")
        self.rules  # noqa: B018 - a rule set refuses lengths that cannot be

    @property
    def rules(self) -> RuleSet:
        told = SETS[self.rule_set]
        return RuleSet.of(told.rules, {**told.parameters, **self.lengths})


def lengths(rule_set: str) -> dict[str, int]:
    """How many points the run rules of a set look at."""
    told = SETS[rule_set]
    return {name: getattr(told, name) for name, rule in LENGTHS.items() if rule in told.rules}


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """The limits of a choice and everything by which they can be judged beforehand.

    ``kept`` (n,) marks the values used; ``suspect`` (n,) those of the used that lie beyond the lines or are wild.
    ``sigmas`` says what the other methods would have found. ``rows`` are not stored; each has the false alarms it
    foretells. ``counted`` is how many signals the rules would have raised in the window itself.
    """

    window: queries.Window
    kept: BoolArray
    suspect: BoolArray
    limits: core.Limits
    sigmas: Mapping[Method, float]
    autocorrelation: Autocorrelation
    normality: Normality
    rows: Sequence[Limits]
    sample_s: float
    counted: Mapping[Rule, int]


def usual(stream: Stream, since: datetime, until: datetime) -> Choice:
    """What to begin with: where neighbours are alike, sigma of all values and only single points far out."""
    values = queries.window(stream, since, until).value
    alike = len(values) > 2 and values.std() > 0 and diagnostics.autocorrelation(values, 1).lag_1 > AUTOCORRELATED
    if alike:
        return Choice(since, until, "standard_deviation", (), "beyond_3_sigma")
    return Choice(since, until, "moving_range", (Chart.EWMA,), "western_electric")


def weigh(stream: Stream, choice: Choice) -> Weighed:
    """Raises ValueError where no limits can be drawn: too few values, or values that do not vary."""
    window = queries.window(stream, choice.since, choice.until)
    kept = _kept(window, choice)
    limits = _drawn(window, window.value, kept, choice.method)
    line = core.staged(np.where(kept, window.value, np.nan), window.stage)
    rows = [_row(stream, choice, limits, chart) for chart in _charts(choice) if chart in ALONE]
    sample_s = false_alarms.sampled_every(window.at_s)
    foretell(rows, line, sample_s)
    counted = _counted(rows, window, window.value, kept)
    if Chart.RESIDUAL in choice.charts:
        row = _residual(stream, choice, window, kept, sample_s)
        rows.append(row)
        counted |= _counted([row], window, window.error, kept & np.isfinite(window.error))
    if Chart.T2 in choice.charts:
        row, signals = _lanes(stream, choice, limits, window, kept)
        rows.append(row)
        counted |= signals
    return Weighed(
        window=window,
        kept=kept,
        suspect=kept & (core.wild(window.value) | (np.abs(window.value - limits.mean) > 3 * limits.sigma)),
        limits=limits,
        sigmas=_sigmas(line),
        autocorrelation=diagnostics.autocorrelation(line),
        normality=diagnostics.normality(line),
        rows=rows,
        sample_s=sample_s,
        counted=counted,
    )


def _kept(window: queries.Window, choice: Choice) -> BoolArray:
    kept = np.ones(len(window.at_s), np.bool_)
    for one in choice.excluded:
        kept &= (window.at_s < one.since.timestamp()) | (window.at_s > one.until.timestamp())
    return kept


def _drawn(window: queries.Window, values: FloatArray, kept: BoolArray, method: Method) -> core.Limits:
    return core.phase_one(values, window.at_s, method=method, excluded=~kept, stage=window.stage, group=GROUP)


def _charts(choice: Choice) -> list[str]:
    return [Chart.INDIVIDUALS, *(chart for chart in choice.charts if chart != MOVING_RANGE)]


def _row(stream: Stream, choice: Choice, limits: core.Limits, chart: str) -> Limits:
    """One chart of the version, not stored."""
    rules, parameters = _judged_by(choice, chart)
    return Limits(
        stream=stream,
        chart=chart,
        mean=limits.mean,
        sigma=limits.sigma,
        n=limits.n,
        method=limits.method,
        window_from=datetime.fromtimestamp(limits.from_s, UTC),
        window_to=datetime.fromtimestamp(limits.to_s, UTC),
        rules=int(rules),
        parameters={**parameters, "lag_1": round(limits.lag_1, 3)},
    )


def _judged_by(choice: Choice, chart: str) -> tuple[Rule, dict[str, Any]]:
    if chart in BITS:
        return BITS[chart], dict(PARAMETERS.get(chart, {}))
    told = choice.rules
    more = Rule.MOVING_RANGE if chart == Chart.INDIVIDUALS and MOVING_RANGE in choice.charts else Rule.NONE
    return told.rules | more, {**told.parameters, "rule_set": choice.rule_set}


def _sigmas(line: FloatArray) -> dict[Method, float]:
    found = {}
    for method in METHODS:
        try:
            found[method] = core.sigma_of(line, method, GROUP)
        except ValueError:
            continue
    return found


def foretell(rows: Sequence[Limits], line: FloatArray, sample_s: float, points: int = false_alarms.POINTS) -> None:
    """Tell each of these charts its false alarms in a shift of a stream that stays as it was.

    ``line`` are values in time order, NaN where one is missing or a stage ends; ``points`` are simulated. Wild
    readings are no part of the process: one alone would make it seem much wider than it is.
    """
    process = diagnostics.fit_autoregression(np.where(core.wild(line), np.nan, line))
    found = false_alarms.expected(process, _judge(rows), sample_s, np.random.default_rng(SEED), points)
    for row in rows:
        own = Rule.RESIDUAL if row.chart == Chart.RESIDUAL else Rule(row.rules)
        by_rule = {str(int(rule)): number for rule, number in found.by_rule.items() if rule & own}
        row.expected = {"per_shift": sum(by_rule.values()), "by_rule": by_rule}


def _residual(stream: Stream, choice: Choice, window: queries.Window, kept: BoolArray, sample_s: float) -> Limits:
    """The chart of the prediction's errors has a mean and a sigma of its own, of the same window."""
    predicted = kept & np.isfinite(window.error)
    row = _row(stream, choice, _drawn(window, window.error, predicted, choice.method), Chart.RESIDUAL)
    foretell([row], core.staged(np.where(predicted, window.error, np.nan), window.stage), sample_s)
    return row


def _lanes(
    stream: Stream, choice: Choice, limits: core.Limits, window: queries.Window, kept: BoolArray
) -> tuple[Limits, dict[Rule, int]]:
    """How the lane usually moves with the others, and the signals that T2 would have raised in the window.

    The false alarms foretold are an upper bound: a share alpha of the values, if each were a signal of its own.
    """
    lanes = queries.beside(stream)
    others = [queries.window(lane, choice.since, choice.until) for lane in lanes]
    own = together.Line(window.at_s[kept], window.value[kept])
    seen = together.observations(own, [together.Line(one.at_s, one.value) for one in others])
    usual = seen[~np.column_stack([core.wild(column) for column in seen.T]).any(axis=1)]
    complete = int(np.isfinite(usual).all(axis=1).sum())
    if not lanes or complete < max(core.FEWEST_VALUES, 2 * len(seen.T)):
        raise ValueError("the other lanes tell too little: they have no limits, or were not measured beside this one")
    reference = hotelling.Reference.found(usual)
    row = _row(stream, choice, limits, Chart.T2)
    row.parameters |= {
        "others": [lane.key for lane in lanes],
        "mean": reference.mean.tolist(),
        "covariance": reference.covariance.tolist(),
        "m": reference.m,
        "alpha": hotelling.ALPHA,
    }
    most = hotelling.ALPHA * false_alarms.SHIFT_S / false_alarms.sampled_every(window.at_s)
    row.expected = {"per_shift": most, "by_rule": {str(int(Rule.MULTIVARIATE)): most}}
    beyond = hotelling.judge(seen, reference).beyond * np.int64(Rule.MULTIVARIATE)
    return row, false_alarms.count(beyond)


def _judge(rows: Sequence[Limits]) -> Judge:
    """All these charts over a line of values that begins afresh."""

    def judge(values: FloatArray) -> IntArray:
        bits = np.zeros(len(values), np.int64)
        for row in rows:
            bits |= _CHARTS[row.chart](row, values)
        return bits

    return judge


def _singles(row: Limits, values: FloatArray) -> IntArray:
    return individuals.judge(values, row.mean, row.sigma, RuleSet.of(row.rules, row.parameters))[0]


def _smoothed(row: Limits, values: FloatArray) -> IntArray:
    own = row.parameters
    found = ewma.judge((values - row.mean) / row.sigma, own["weight"], own["width"])
    return found.beyond * np.int64(Rule.EWMA)


def _summed(row: Limits, values: FloatArray) -> IntArray:
    design = cusum.Design(row.parameters["k"], row.parameters["h"], row.parameters["head_start"])
    return cusum.judge((values - row.mean) / row.sigma, design).beyond * np.int64(Rule.CUSUM)


def _errors(row: Limits, values: FloatArray) -> IntArray:
    """People are told that the errors broke a rule, whichever it was."""
    return np.where(_singles(row, values) != 0, int(Rule.RESIDUAL), 0)


_CHARTS: dict[str, Callable[[Limits, FloatArray], IntArray]] = {
    Chart.INDIVIDUALS: _singles,
    Chart.EWMA: _smoothed,
    Chart.CUSUM: _summed,
    Chart.RESIDUAL: _errors,
}


def _counted(rows: Sequence[Limits], window: queries.Window, values: FloatArray, kept: BoolArray) -> dict[Rule, int]:
    """Signals in the window itself, each stage begun afresh and without what was left out."""
    judge, total = _judge(rows), dict[Rule, int]()
    for stage in np.unique(window.stage):
        found = false_alarms.count(judge(values[kept & (window.stage == stage)]))
        total = {rule: total.get(rule, 0) + found.get(rule, 0) for rule in (*total, *found)}
    return total
