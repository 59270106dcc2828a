"""What limits are called for people: methods, sets of rules, charts, what a review compares, and why there are none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy

from control.actions.chart_choice import (
    COUNTS,
    DEVIATION,
    GROUPS,
    MOVING_RANGE,
    PARAMETERS,
    STANDARDISED,
    lengths,
    zones,
)
from control.actions.several_rows import FEWEST_GROUPS
from control.core.spc.limits import FEWEST_VALUES
from control.core.spc.rules import SETS, ZONES
from control.core.types import Rule
from control.models import Limits
from dashboards import wording

METHODS = {
    "moving_range": gettext_lazy("Mean moving range / d2"),
    "median_moving_range": gettext_lazy("Median moving range"),
    "standard_deviation": gettext_lazy("Standard deviation of all values"),
    "range": gettext_lazy("Mean range of groups of five / d2"),
    "standard_deviations": gettext_lazy("Mean standard deviation of groups of five / c4"),
    "pooled": gettext_lazy("Pooled standard deviation of groups of five"),
}
CHANCE = gettext_lazy("What chance explains")
RULE_SETS = {
    "beyond_3_sigma": gettext_lazy("Only points beyond 3 sigma"),
    "western_electric": gettext_lazy("Western Electric: four rules"),
    "nelson_1_2_3": gettext_lazy("Nelson 1, 2, 3"),
    "nelson_1_2_5": gettext_lazy("Nelson 1, 2, 5"),
    "nelson": gettext_lazy("Nelson: all eight"),
    "aiag": gettext_lazy("AIAG: all eight"),
}
LENGTHS = {
    "run": gettext_lazy("Run on one side, points"),
    "trend": gettext_lazy("Trend, points"),
    "alternating": gettext_lazy("Alternating, points"),
    "stratified": gettext_lazy("All close to the centre line, points"),
    "mixture": gettext_lazy("None close to the centre line, points"),
}
FIGURES = {
    "beyond": gettext_lazy("Control limits at, sigma"),
    "two_of_three": gettext_lazy("Two of three beyond, sigma"),
    "four_of_five": gettext_lazy("Four of five beyond, sigma"),
    "inner": gettext_lazy("Close to the centre line within, sigma"),
    "weight": gettext_lazy("EWMA: weight of the newest value (λ)"),
    "width": gettext_lazy("EWMA: width of its limits (L), sigma"),
    "k": gettext_lazy("CUSUM: allowance (k), sigma"),
    "h": gettext_lazy("CUSUM: decision interval (h), sigma"),
    "head_start": gettext_lazy("CUSUM: head start (FIR), sigma"),
}
MORE_CHARTS = {
    MOVING_RANGE: gettext_lazy("Moving range"),
    Limits.Chart.EWMA.value: Limits.Chart.EWMA.label,
    Limits.Chart.CUSUM.value: Limits.Chart.CUSUM.label,
    Limits.Chart.RESIDUAL.value: Limits.Chart.RESIDUAL.label,
    Limits.Chart.T2.value: gettext_lazy("This lane and the others together (T²)"),
    Limits.Chart.MEWMA.value: gettext_lazy("This lane and the others together, averaged (MEWMA)"),
}
BASES = {
    Limits.Chart.INDIVIDUALS.value: gettext_lazy("Single values"),
    **{kind.value: kind.label for kind in GROUPS},
    DEVIATION: gettext_lazy("Deviation from the recipe's target (short-run)"),
    STANDARDISED: gettext_lazy("The same, each recipe with a sigma of its own (short-run, Z)"),
    **{kind.value: kind.label for kind in COUNTS},
}
TOLD = {  # what a review compares of a chart; other parameters keep their names
    "mean": gettext_lazy("mean"),
    "sigma": gettext_lazy("sigma"),
    "lower": gettext_lazy("lower limit"),
    "upper": gettext_lazy("upper limit"),
    "n": gettext_lazy("values"),
    "method": gettext_lazy("sigma by"),
    "window_from": gettext_lazy("window from"),
    "window_to": gettext_lazy("window to"),
    "rules": gettext_lazy("judges by"),
    "rule_set": gettext_lazy("set of rules"),
    "per_shift": gettext_lazy("false alarms a shift"),
    "lag_1": gettext_lazy("autocorrelation"),
    "nominal": gettext_lazy("target it is drawn for"),
    "sample": gettext_lazy("usual sample"),
    "sigma_z": gettext_lazy("times as wide as chance"),
    "size": gettext_lazy("values a group"),
    "within": gettext_lazy("sigma within groups"),
    "between": gettext_lazy("sigma between groups"),
    "spread": gettext_lazy("spread by"),
    "others": gettext_lazy("other lanes"),
    "weight": gettext_lazy("weight"),
    "width": gettext_lazy("width, sigmas"),
    "head_start": gettext_lazy("head start"),
    **{name: FIGURES[name] for name in ZONES},
    **LENGTHS,
    **dict.fromkeys(("k", "h", "m", "alpha")),
}
SPECIFICATION = gettext_lazy("the specification alone")
OFF = gettext_lazy("Rules switched off")
LEFT_OUT = gettext_lazy("Values left out")
NO_LIMITS = {
    "limits need at least": gettext_lazy("Limits need at least %(n)d good values; there are fewer in this window."),
    "limits of groups need": gettext_lazy("Limits of groups need at least %(n)d whole groups; there are fewer."),
    "the recipes have no target": gettext_lazy("The recipes have no target for this stream: nothing to deviate from."),
    "the values do not vary": gettext_lazy("The values do not vary: no limits can be drawn from them."),
    "the other lanes": gettext_lazy(
        "The other lanes tell too little: they have no limits, or were not measured beside this one."
    ),
    "two of the values": gettext_lazy("Two lanes always move together: nothing tells them apart."),
    "the samples are not": gettext_lazy("The samples are not of one size: take the chart of their rates."),
    "the stream does not": gettext_lazy("This stream does not count that: choose another chart."),
    "no two values": gettext_lazy("No two values follow each other: take another method or window."),
}


def no_limits(why: str) -> str:
    """The core's own sentence in the reader's language."""
    for begins, words in NO_LIMITS.items():
        if why.startswith(begins):
            least = FEWEST_GROUPS if "groups" in begins else FEWEST_VALUES
            return str(words) % {"n": least} if "%(n)d" in str(words) else str(words)
    return why


def paths() -> dict[str, str]:
    """Words for everything that a review may show, by its path."""
    of_charts = {
        f"{chart}.{name}": f"{chart.label} · {words or name}" for chart in Limits.Chart for name, words in TOLD.items()
    }
    return {**of_charts, "excluded": str(LEFT_OUT)}


def value(path: str, told: Any, zone: str) -> str:
    """A value of a review; instants in plant time of ``zone``."""
    name = path.rpartition(".")[2]
    if name in ("window_from", "window_to"):
        return datetime.fromisoformat(told).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
    if name in WORDED:
        return WORDED[name](told)
    return f"{told:.6g}" if isinstance(told, int | float) else str(told)


def method(name: str) -> str:
    return str(CHANCE if name == "chance" else METHODS.get(name, name))


def rule_set(name: str) -> str:
    return str(RULE_SETS.get(name, name))


def length(name: str) -> str:
    return str(LENGTHS[name])


def figure(name: str) -> str:
    return str(FIGURES[name])


def own(row: Limits) -> list[str]:
    """What of a chart as it is stored is one's own: of its rules, or of what it smooths or sums by."""
    told, found = row.parameters, list[str]()
    if "rule_set" in told:
        usual = {**lengths(told["rule_set"]), **zones(told["rule_set"])}
        found = [f"{TOLD[name]}: {told[name]:g}" for name, value in usual.items() if told[name] != value]
        if off := SETS[told["rule_set"]].rules & ~Rule(row.rules):
            found.append(f"{OFF}: {', '.join(wording.rule(int(rule)) for rule in off)}")
    usual = PARAMETERS.get(row.chart, {})
    return found + [f"{figure(name)}: {told[name]:g}" for name, value in usual.items() if told.get(name) != value]


def _rules(names: str) -> str:
    return wording.rule(sum(Rule[name.upper()] for name in names.split(", "))) if names else str(SPECIFICATION)


WORDED: dict[str, Callable[[Any], str]] = {"method": method, "rule_set": rule_set, "rules": _rules}
