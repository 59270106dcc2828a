"""The rows of a version that look at several values: at groups of a stream's own, at the lanes together. Not stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from control.actions import chart_rows as rows
from control.actions.chart_choice import Choice
from control.core import together
from control.core.spc import false_alarms, group_chart, hotelling, mewma, three_way
from control.core.spc import limits as core
from control.core.spc.subgroups import Spread
from control.core.types import BoolArray, FloatArray, IntArray, Rule
from control.models import Limits, Stream
from control.queries import limits as queries

Chart = Limits.Chart
FEWEST_GROUPS = 20
MEWMA_WEIGHT, RUN_LENGTH = 0.1, 1.0 / hotelling.ALPHA  # as seldom wrong as T2


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Whole groups of a window in time order: when each was full, its mean and stage (k,), and the chart they give."""

    at_s: FloatArray
    mean: FloatArray
    stage: IntArray
    chart: group_chart.Chart


def of_groups(
    stream: Stream, choice: Choice, limits: core.Limits, window: queries.Window, kept: BoolArray, sample_s: float
) -> tuple[Limits, Groups]:
    """The chart of the means of groups, none of which reaches over the end of a stage or what was left out."""
    told = [
        core.grouped(core.staged(np.where(kept, one, np.nan), window.stage), choice.group)
        for one in (window.value, window.at_s, window.stage)
    ]
    groups, at_s, stage = told[0], told[1][:, -1], told[2][:, 0].astype(np.int64)
    if len(groups) < FEWEST_GROUPS:
        raise ValueError(f"limits of groups need at least {FEWEST_GROUPS} of them, there are {len(groups)}")
    chart = _chart(choice, groups, stage)
    row = rows.row(stream, choice, replace(limits, mean=chart.mean, n=groups.size), choice.basis)
    row.sigma, row.method = chart.sigma, _method(chart)
    row.parameters |= {
        "size": chart.size,
        "spread": chart.spread,
        "within": chart.within,
        "between": chart.between,
    }
    line = core.staged(np.where(kept, window.value, np.nan), window.stage)
    rows.foretell([row], line, sample_s)
    return row, Groups(at_s, groups.mean(axis=1), stage, chart)


def _chart(choice: Choice, groups: FloatArray, stage: IntArray) -> group_chart.Chart:
    mean, spread, between = float(groups.mean()), _spread(choice), None
    if choice.basis == Chart.THREE_WAY:
        found = three_way.sigmas(groups, spread, stage)
        within, between = found.within, found.between
    else:
        within = core.sigma_within(groups, "range" if spread == "range" else "standard_deviations")
    if not (within > 0 and (between is None or between > 0)):
        raise ValueError("the values do not vary: no limits can be drawn from them")
    return group_chart.Chart(choice.group, mean, within, choice.rules, spread, between)


def _spread(choice: Choice) -> Spread:
    """The three-way chart takes the range as long as that is as good."""
    if choice.basis == Chart.THREE_WAY:
        return "range" if choice.group <= group_chart.LARGEST_OF_RANGE else "deviation"
    return "range" if choice.basis == Chart.MEAN_RANGE else "deviation"


def _method(chart: group_chart.Chart) -> str:
    """How the sigma of the means was found."""
    if chart.between is not None:
        return "moving_range"
    return "range" if chart.spread == "range" else "standard_deviations"


def of_lanes(
    stream: Stream,
    choice: Choice,
    limits: core.Limits,
    window: queries.Window,
    kept: BoolArray,
    charts: Sequence[str],
) -> tuple[list[Limits], dict[Rule, int]]:
    """How the lane usually moves with the others, by ``charts``, and the signals they would have raised in the window.

    The false alarms foretold are an upper bound: as often as each chart is wrong on values that know nothing of each
    other, if each were a signal of its own.
    """
    lanes = queries.beside(stream)
    seen = _observations(lanes, choice, window, kept)
    usual = seen[~np.column_stack([core.wild(column) for column in seen.T]).any(axis=1)]
    complete = int(np.isfinite(usual).all(axis=1).sum())
    if not lanes or complete < max(core.FEWEST_VALUES, 2 * len(seen.T)):
        raise ValueError("the other lanes tell too little: they have no limits, or were not measured beside this one")
    reference = hotelling.Reference.found(usual)
    told = {
        "others": [lane.key for lane in lanes],
        "mean": reference.mean.tolist(),
        "covariance": reference.covariance.tolist(),
        "m": reference.m,
    }
    most = hotelling.ALPHA * false_alarms.SHIFT_S / false_alarms.sampled_every(window.at_s)
    found, counted = [], dict[Rule, int]()
    for chart in charts:
        row = rows.row(stream, choice, limits, chart)
        own, beyond = _judged(chart, seen, reference)
        row.parameters |= told | own
        row.expected = {"per_shift": most, "by_rule": {str(int(Rule.MULTIVARIATE)): most}}
        found.append(row)
        counted = rows.summed(counted, false_alarms.count(beyond * np.int64(Rule.MULTIVARIATE)))
    return found, counted


def _observations(lanes: Sequence[Stream], choice: Choice, window: queries.Window, kept: BoolArray) -> FloatArray:
    others = [queries.window(lane, choice.since, choice.until) for lane in lanes]
    own = together.Line(window.at_s[kept], window.value[kept])
    return together.observations(own, [together.Line(one.at_s, one.value) for one in others])


def _judged(chart: str, seen: FloatArray, reference: hotelling.Reference) -> tuple[dict[str, float], BoolArray]:
    """The chart's own parameters, and where it would have been beyond."""
    if chart == Chart.T2:
        return {"alpha": hotelling.ALPHA}, hotelling.judge(seen, reference).beyond
    h = mewma.upper_line(len(reference.mean), MEWMA_WEIGHT, RUN_LENGTH)
    complete = seen[np.isfinite(seen).all(axis=1)]
    return {"weight": MEWMA_WEIGHT, "h": h}, mewma.judge(complete, reference, MEWMA_WEIGHT, h).beyond
