"""The rows of a version that look at single values, not stored, and the false alarms that any row foretells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from control.actions.chart_choice import GROUPS, LANES, MOVING_RANGE, Choice
from control.core.spc import cusum, diagnostics, ewma, false_alarms, group_chart, individuals
from control.core.spc import limits as core
from control.core.spc.rules import RuleSet
from control.core.types import BoolArray, FloatArray, IntArray, Rule
from control.models import Limits, Stream
from control.queries import limits as queries

SEED = 20261121  # the same draft foretells the same number, whoever asks
Chart = Limits.Chart
Judge = Callable[[FloatArray], IntArray]
BITS: dict[str, Rule] = {Chart.EWMA: Rule.EWMA, Chart.CUSUM: Rule.CUSUM, **dict.fromkeys(LANES, Rule.MULTIVARIATE)}


def row(stream: Stream, choice: Choice, limits: core.Limits, chart: str) -> Limits:
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
        return BITS[chart], choice.parameters(chart)
    if chart == Chart.INDIVIDUALS and choice.basis in GROUPS:  # the rules look at the means instead
        return Rule.NONE, {}
    told = choice.rules
    return told.rules | _beside(choice, chart), {**told.parameters, "rule_set": choice.rule_set}


def _beside(choice: Choice, chart: str) -> Rule:
    """What the chart has of its own beside the rules of the set."""
    if chart == Chart.INDIVIDUALS:
        return Rule.MOVING_RANGE if MOVING_RANGE in choice.charts else Rule.NONE
    if chart not in GROUPS:
        return Rule.NONE
    return Rule.SPREAD | Rule.MOVING_RANGE if chart == Chart.THREE_WAY else Rule.SPREAD


def foretell(rows: Sequence[Limits], line: FloatArray, sample_s: float, points: int = false_alarms.POINTS) -> None:
    """Tell each of these charts its false alarms in a shift of a stream that stays as it was.

    ``line`` are values in time order, NaN where one is missing or a stage ends; ``points`` are simulated. Wild
    readings are no part of the process: one alone would make it seem much wider than it is.
    """
    foretell_of(rows, diagnostics.fit_autoregression(np.where(core.wild(line), np.nan, line)), sample_s, points)


def foretell_of(
    rows: Sequence[Limits], process: false_alarms.Process, sample_s: float, points: int = false_alarms.POINTS
) -> None:
    """The same of a process that is known."""
    found = false_alarms.expected(process, judge(rows), sample_s, np.random.default_rng(SEED), points)
    for one in rows:
        own = Rule.RESIDUAL if one.chart == Chart.RESIDUAL else Rule(one.rules)
        by_rule = {str(int(rule)): number for rule, number in found.by_rule.items() if rule & own}
        one.expected = {"per_shift": sum(by_rule.values()), "by_rule": by_rule}


def judge(rows: Sequence[Limits]) -> Judge:
    """All these charts over a line of values that begins afresh; of a chart of groups alone, a verdict a group."""

    def judged(values: FloatArray) -> IntArray:
        return np.asarray(np.bitwise_or.reduce([_CHARTS[one.chart](one, values) for one in rows]))

    return judged


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


def _groups(row: Limits, values: FloatArray) -> IntArray:
    """A verdict a group."""
    chart = grouped(row)
    return group_chart.judge(group_chart.cut(values, chart.size), chart)[0]


def grouped(row: Limits) -> group_chart.Chart:
    """The chart that a row of groups describes."""
    told, rules = row.parameters, RuleSet.of(row.rules, row.parameters)
    between = None if told["between"] is None else float(told["between"])
    return group_chart.Chart(told["size"], row.mean, float(told["within"]), rules, told["spread"], between)


_CHARTS: dict[str, Callable[[Limits, FloatArray], IntArray]] = {
    **dict.fromkeys(Limits.SINGLE, _singles),
    Chart.EWMA: _smoothed,
    Chart.CUSUM: _summed,
    Chart.RESIDUAL: _errors,
    **dict.fromkeys(GROUPS, _groups),
}


def counted(rows: Sequence[Limits], window: queries.Window, values: FloatArray, kept: BoolArray) -> dict[Rule, int]:
    """Signals in the window itself, each stage begun afresh and without what was left out."""
    told, total = judge(rows), dict[Rule, int]()
    for stage in np.unique(window.stage):
        total = summed(total, false_alarms.count(told(values[kept & (window.stage == stage)])))
    return total


def summed(one: Mapping[Rule, int], other: Mapping[Rule, int]) -> dict[Rule, int]:
    return {rule: one.get(rule, 0) + other.get(rule, 0) for rule in (*one, *other)}
