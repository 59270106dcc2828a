"""What limits a choice of window, method, charts and rules would give, and what they would say. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from control.actions import chart_rows, count_rows, several_rows, short_run_rows
from control.actions.chart_choice import COUNTS, GROUP, GROUPS, LANES, PARAMETERS, SHORT_RUN, Choice
from control.actions.count_rows import Counted
from control.actions.several_rows import Groups
from control.core.spc import diagnostics, false_alarms
from control.core.spc import limits as core
from control.core.spc.diagnostics import Autocorrelation, Normality
from control.core.spc.limits import METHODS, Method
from control.core.types import BoolArray, FloatArray, Rule
from control.models import Limits, Stream
from control.queries import limits as queries

AUTOCORRELATED = 0.3  # lag-1 correlation above which moving ranges understate sigma and runs mean little
Chart = Limits.Chart
ALONE = (Chart.INDIVIDUALS, *PARAMETERS)  # charts of nothing but the stream's own values, one by one


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """The limits of a choice and everything by which they can be judged beforehand.

    ``kept`` (n,) marks the values used; ``suspect`` (n,) those of the used that lie beyond the lines or are wild.
    ``sigmas`` says what the other methods would have found. ``rows`` are not stored; each has the false alarms it
    foretells. ``counted`` is how many signals the rules would have raised in the window itself.
    ``groups`` are those that the rules look at instead of single values; ``counted_as`` what counts were found to be.
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
    groups: Groups | None = None
    counted_as: Counted | None = None


def usual(stream: Stream, since: datetime, until: datetime) -> Choice:
    """What to begin with: where neighbours are alike, sigma of all values and only single points far out."""
    if stream.characteristic.counted:
        return count_rows.usual(stream, since, until)
    values = queries.window(stream, since, until).value
    alike = len(values) > 2 and values.std() > 0 and diagnostics.autocorrelation(values, 1).lag_1 > AUTOCORRELATED
    if alike:
        return Choice(since, until, "standard_deviation", (), "beyond_3_sigma")
    return Choice(since, until, "moving_range", (Chart.EWMA,), "western_electric")


def weigh(stream: Stream, choice: Choice) -> Weighed:
    """Raises ValueError where no limits can be drawn: too few values, or values that do not vary."""
    window = queries.window(stream, choice.since, choice.until)
    kept = _kept(window, choice)
    if stream.characteristic.counted or choice.basis in COUNTS:
        return _weigh_counts(stream, choice, window, kept)
    run = None
    if choice.basis in SHORT_RUN:
        run = short_run_rows.of(stream, choice, window, kept)
        window = replace(window, value=run.value)
    limits = _drawn(window, window.value, kept, choice.method)
    line = core.staged(np.where(kept, window.value, np.nan), window.stage)
    sample_s = false_alarms.sampled_every(window.at_s)
    rows, counted, groups = _rows(stream, choice, limits, window, kept, sample_s)
    if run is not None:
        rows[0].parameters |= run.parameters
    return Weighed(
        window=window,
        kept=kept,
        suspect=kept & (core.wild(window.value) | (np.abs(window.value - limits.mean) > rows[0].reach * limits.sigma)),
        limits=limits,
        sigmas=_sigmas(line),
        autocorrelation=diagnostics.autocorrelation(line),
        normality=diagnostics.normality(line),
        rows=rows,
        sample_s=sample_s,
        counted=counted,
        groups=groups,
    )


def _weigh_counts(stream: Stream, choice: Choice, window: queries.Window, kept: BoolArray) -> Weighed:
    """Counts have one chart, which knows what chance does to them."""
    if choice.basis not in COUNTS:
        raise ValueError("the stream does not count that")
    told = count_rows.of(stream, choice, window, kept)
    window, limits = replace(window, value=told.value), told.limits
    line = core.staged(np.where(kept, window.value, np.nan), window.stage)
    row = chart_rows.row(stream, choice, limits, choice.basis)
    row.parameters |= told.parameters
    sample_s = false_alarms.sampled_every(window.at_s)
    chart_rows.foretell_of([row], count_rows.process(row), sample_s)
    return Weighed(
        window=window,
        kept=kept,
        suspect=kept & (np.abs(window.value - limits.mean) > 3 * limits.sigma),
        limits=limits,
        sigmas={},
        autocorrelation=diagnostics.autocorrelation(line),
        normality=diagnostics.normality(line),
        rows=[row],
        sample_s=sample_s,
        counted=chart_rows.counted([row], window, window.value, kept),
        counted_as=told,
    )


def _rows(
    stream: Stream, choice: Choice, limits: core.Limits, window: queries.Window, kept: BoolArray, sample_s: float
) -> tuple[list[Limits], dict[Rule, int], Groups | None]:
    """Every chart of the choice with the false alarms it foretells, the signals of the window, and its groups."""
    rows = [
        chart_rows.row(stream, choice, limits, chart) for chart in (Chart.INDIVIDUALS, *choice.charts) if chart in ALONE
    ]
    chart_rows.foretell(rows, core.staged(np.where(kept, window.value, np.nan), window.stage), sample_s)
    counted, groups = chart_rows.counted(rows, window, window.value, kept), None
    if choice.basis in GROUPS:
        row, groups = several_rows.of_groups(stream, choice, limits, window, kept, sample_s)
        rows.append(row)
        counted = chart_rows.summed(counted, chart_rows.counted([row], window, window.value, kept))
    if Chart.RESIDUAL in choice.charts:
        row = _residual(stream, choice, window, kept, sample_s)
        rows.append(row)
        predicted = kept & np.isfinite(window.error)
        counted = chart_rows.summed(counted, chart_rows.counted([row], window, window.error, predicted))
    if lanes := [chart for chart in LANES if chart in choice.charts]:
        more, signals = several_rows.of_lanes(stream, choice, limits, window, kept, lanes)
        rows += more
        counted = chart_rows.summed(counted, signals)
    return rows, counted, groups


def _kept(window: queries.Window, choice: Choice) -> BoolArray:
    kept = np.ones(len(window.at_s), np.bool_)
    for one in choice.excluded:
        kept &= (window.at_s < one.since.timestamp()) | (window.at_s > one.until.timestamp())
    return kept


def _drawn(window: queries.Window, values: FloatArray, kept: BoolArray, method: Method) -> core.Limits:
    return core.phase_one(values, window.at_s, method=method, excluded=~kept, stage=window.stage, group=GROUP)


def _sigmas(line: FloatArray) -> dict[Method, float]:
    found = {}
    for method in METHODS:
        try:
            found[method] = core.sigma_of(line, method, GROUP)
        except ValueError:
            continue
    return found


def _residual(stream: Stream, choice: Choice, window: queries.Window, kept: BoolArray, sample_s: float) -> Limits:
    """The chart of the prediction's errors has a mean and a sigma of its own, of the same window."""
    predicted = kept & np.isfinite(window.error)
    row = chart_rows.row(stream, choice, _drawn(window, window.error, predicted, choice.method), Chart.RESIDUAL)
    chart_rows.foretell([row], core.staged(np.where(predicted, window.error, np.nan), window.stage), sample_s)
    return row
