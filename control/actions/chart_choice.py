"""What an engineer chooses limits to be drawn from and what is to judge by them; what cannot be meant is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from control.core.spc import counts, group_chart
from control.core.spc.limits import METHODS, Method
from control.core.spc.rules import LENGTHS, SETS, ZONES, RuleSet
from control.core.types import Rule
from control.models import Limits

Chart = Limits.Chart
MOVING_RANGE = "moving_range"
PARAMETERS: dict[str, dict[str, float]] = {  # run lengths in control of about 500 and 465
    Chart.EWMA: {"weight": 0.2, "width": 2.962},
    Chart.CUSUM: {"k": 0.5, "h": 5.0, "head_start": 0.0},
}
LANES = (Chart.T2, Chart.MEWMA)
FIGURES: dict[str, tuple[float, float]] = {  # least and most, in sigma but for the weight of the newest value
    "beyond": (1.5, 6.0),
    "two_of_three": (0.5, 4.0),
    "four_of_five": (0.25, 3.0),
    "inner": (0.25, 3.0),
    "weight": (0.05, 1.0),
    "width": (1.0, 6.0),
    "k": (0.1, 3.0),
    "h": (1.0, 20.0),
    "head_start": (0.0, 10.0),
}
ZONED = {  # which rules a zone belongs to
    "beyond": Rule.BEYOND_3_SIGMA,
    "two_of_three": Rule.TWO_OF_THREE,
    "four_of_five": Rule.FOUR_OF_FIVE,
    "inner": Rule.STRATIFIED | Rule.MIXTURE,
}
MORE_CHARTS = (MOVING_RANGE, *PARAMETERS, Chart.RESIDUAL, *LANES)
GROUPS = (Chart.MEAN_RANGE, Chart.MEAN_DEVIATION, Chart.THREE_WAY)
DEVIATION, STANDARDISED = "deviation", "standardised"  # from the recipe's target, with one sigma or each recipe's own
SHORT_RUN = (DEVIATION, STANDARDISED)
COUNTS = Limits.COUNTS
BASES = (Chart.INDIVIDUALS, *GROUPS, *SHORT_RUN, *COUNTS)  # what the rules look at
GROUP = 5  # values of a group, where nobody says otherwise


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Values of foil made from ``since`` to ``until`` (both included) that are left out, and why."""

    since: datetime
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What limits are to be drawn from, how, and what is to be judged by them.

    ``lengths`` are runs of one's own (points) where those of the set are not wanted, ``figures`` zones, an EWMA or a
    CUSUM of one's own, ``off`` rules of the set that are not to hold, by name. The rules look at ``basis``: at single
    values, at the means of ``group`` values in turn, at how far values are from the recipe's target, or, of what is
    counted, at the rates of samples.
    """

    since: datetime
    until: datetime
    method: Method = "moving_range"
    charts: tuple[str, ...] = ()
    rule_set: str = "western_electric"
    excluded: tuple[Exclusion, ...] = ()
    lengths: Mapping[str, int] = field(default_factory=dict)
    basis: str = Chart.INDIVIDUALS
    group: int = GROUP
    figures: Mapping[str, float] = field(default_factory=dict)
    off: tuple[str, ...] = ()

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
        if self.basis not in BASES or not group_chart.SMALLEST <= self.group <= group_chart.LARGEST:
            raise ValueError("the rules cannot look at that")
        if self.basis in SHORT_RUN and set(self.charts) & set(LANES):
            raise ValueError("lanes are held together by their values, not by how far they are from a target")
        self._check_figures()
        if self.basis in COUNTS and (self.charts or self.figures or not counts.fits(self.rules.rules)):
            raise ValueError("counts have one chart, with three sigma, and rules that presume no normal values")
        self.rules  # noqa: B018 - a rule set refuses lengths that cannot be

    def _check_figures(self) -> None:
        for name, value in self.figures.items():
            least, most = FIGURES.get(name, (1.0, 0.0))
            if isinstance(value, bool) or not least <= value <= most:
                raise ValueError(f"{name} is from {least:g} to {most:g}" if name in FIGURES else "no such figure")
        own = self.parameters(Chart.CUSUM)
        if not own["head_start"] < own["h"]:
            raise ValueError("a head start lies below h")
        if not set(self.off) < set(names(self.rule_set)):
            raise ValueError("some rule of the set has to hold, and only its own can be switched off")

    @property
    def rules(self) -> RuleSet:
        told = SETS[self.rule_set]
        zones = {name: self.figures[name] for name in ZONES if name in self.figures}
        held = told.rules & ~sum((Rule[name.upper()] for name in self.off), Rule.NONE)
        return RuleSet.of(held, {**told.parameters, **self.lengths, **zones})

    def parameters(self, chart: str) -> dict[str, float]:
        """The chart's own: as usual, or as chosen."""
        return {name: self.figures.get(name, usual) for name, usual in PARAMETERS.get(chart, {}).items()}


def lengths(rule_set: str) -> dict[str, int]:
    """How many points the run rules of a set look at."""
    told = SETS[rule_set]
    return {name: getattr(told, name) for name, rule in LENGTHS.items() if rule in told.rules}


def names(rule_set: str) -> list[str]:
    """The rules of a set."""
    return [rule.name.lower() for rule in SETS[rule_set].rules if rule.name]


def zones(rule_set: str) -> dict[str, float]:
    """In sigma, of the rules of a set that have one."""
    told = SETS[rule_set]
    return {name: getattr(told, name) for name, rules in ZONED.items() if told.rules & rules}
