"""Run rules on standardised values: Western Electric's four, Nelson's eight, AIAG's, and sets of one's own.

A rule set is data: which rules, with their lengths (points) and zones (sigma). Conventions: the flagged point is the
last of its window; for two of three and four of five it lies beyond the zone itself; a point on a line belongs to the
inner zone; runs go on from what came before (``recent``); a missing value (NaN) ends every run.

Western Electric, Statistical Quality Control Handbook (1956) 25-28; L. S. Nelson, J. Quality Technology 16 (1984)
237-239; AIAG, Statistical Process Control reference manual, 2nd edition (2005) chapter II section B.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from control.core.types import BoolArray, FloatArray, IntArray, Rule

SHORTEST, LONGEST = 3, 21  # points a run may have, its own included
ON_LINE = 1e-9  # sigma from a line within which a point lies on it: 20.3 is 3 * 0.1 above 20, whatever floats say
Recent = tuple[float | None, ...]  # standardised values, oldest first; None where one was missing
Bits = NDArray[np.int16]  # as they are stored


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Which ``rules`` hold, with the zones (sigma) and lengths (points) of those that have one.

    ``inner`` is the zone that stratified points keep inside (Nelson 7) and a mixture leaves empty (Nelson 8).
    """

    rules: Rule
    beyond: float = 3.0
    two_of_three: float = 2.0
    four_of_five: float = 1.0
    inner: float = 1.0
    run: int = 8
    trend: int = 6
    alternating: int = 14
    stratified: int = 15
    mixture: int = 8
    context: int = field(init=False, repr=False, compare=False)  # earlier points a verdict can depend on

    def __post_init__(self) -> None:
        for name in ZONES:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: a zone is a positive number of sigma")
        for name in LENGTHS:
            length = getattr(self, name)
            if not (isinstance(length, int) and SHORTEST <= length <= LONGEST):
                raise ValueError(f"{name}: a rule looks at {SHORTEST} to {LONGEST} points")
        looks = [points - 1 for rule, points in _WINDOWS.items() if rule in self.rules]
        looks += [getattr(self, name) - 1 for name, rule in LENGTHS.items() if rule in self.rules]
        object.__setattr__(self, "context", max([1, *looks]))  # at least the one a moving range needs

    @classmethod
    def of(cls, rules: int, parameters: Mapping[str, Any]) -> RuleSet:
        """From bits and ``parameters`` that name zones and lengths; what else is in there belongs to others."""
        return cls(Rule(rules), **{name: parameters[name] for name in (*ZONES, *LENGTHS) if name in parameters})

    @property
    def parameters(self) -> dict[str, float | int]:
        """The zones and lengths, for JSON; with the bits all that :meth:`of` needs."""
        return {name: getattr(self, name) for name in (*ZONES, *LENGTHS)}


ZONES = ("beyond", "two_of_three", "four_of_five", "inner")
LENGTHS = {  # of which rule
    "run": Rule.RUN_ONE_SIDE,
    "trend": Rule.TREND,
    "alternating": Rule.ALTERNATING,
    "stratified": Rule.STRATIFIED,
    "mixture": Rule.MIXTURE,
}
_WINDOWS = {Rule.TWO_OF_THREE: 3, Rule.FOUR_OF_FIVE: 5}

_FOUR = Rule.BEYOND_3_SIGMA | Rule.TWO_OF_THREE | Rule.FOUR_OF_FIVE | Rule.RUN_ONE_SIDE
_EIGHT = _FOUR | Rule.TREND | Rule.ALTERNATING | Rule.STRATIFIED | Rule.MIXTURE
BEYOND = RuleSet(Rule.BEYOND_3_SIGMA)
WESTERN_ELECTRIC = RuleSet(_FOUR)
NELSON = RuleSet(_EIGHT, run=9)
AIAG = RuleSet(_EIGHT, run=7)
SETS: dict[str, RuleSet] = {
    "beyond_3_sigma": BEYOND,
    "western_electric": WESTERN_ELECTRIC,
    "nelson": NELSON,
    "nelson_1_2_3": RuleSet(Rule.BEYOND_3_SIGMA | Rule.RUN_ONE_SIDE | Rule.TREND, run=9),
    "nelson_1_2_5": RuleSet(Rule.BEYOND_3_SIGMA | Rule.RUN_ONE_SIDE | Rule.TWO_OF_THREE, run=9),
    "aiag": AIAG,
}


def judge(z: FloatArray, rules: RuleSet, recent: Recent = ()) -> tuple[IntArray, Recent]:
    """Bits of the rules each point of ``z`` (k,) breaks, and the context of the next call.

    One point at a time or the whole history at once: the verdicts are the same.
    """
    line = np.concatenate([np.asarray(recent, np.float64), z])
    return broken(line, rules)[len(recent) :].astype(np.int64), remembered(line, rules)


def remembered(line: FloatArray, rules: RuleSet) -> Recent:
    """What of a line (n,) the next call has to know."""
    return tuple(None if z != z else z for z in line[-rules.context :].tolist())


def restandardised(
    recent: Recent, before: tuple[float, float], now: tuple[float, float], sizes: Sequence[float] = ()
) -> Recent:
    """The values behind ``recent``, standardised by mean and sigma ``before``, as they are by those of ``now``.

    Of rates of samples of ``sizes``, both sigmas are those of a sample of one unit.
    """
    roots = [sqrt(n) for n in sizes] or [1.0] * len(recent)
    return tuple(
        (before[0] + before[1] * z / root - now[0]) / now[1] * root
        for z, root in zip(recent, roots, strict=True)
        if z is not None
    )


def broken(line: FloatArray, rules: RuleSet) -> Bits:
    """Bits of the rules broken at each point of ``line`` (..., n): every row is a line of its own."""
    bits, sides = np.zeros(line.shape, np.int16), np.stack([line, -line])
    with np.errstate(invalid="ignore"):
        for bit, find in _asked(rules.rules):
            bits |= find(sides, rules) * bit
    return bits


@cache
def _asked(rules: Rule) -> tuple[tuple[np.int16, Callable[[FloatArray, RuleSet], BoolArray]], ...]:
    return tuple((np.int16(rule), find) for rule, find in _FINDERS.items() if rule in rules)


# Each takes the line as seen from above and from below, (2, ..., n), and says where its rule is broken (..., n).


def _beyond(sides: FloatArray, rules: RuleSet) -> BoolArray:
    return _either(sides > rules.beyond + ON_LINE)


def _two_of_three(sides: FloatArray, rules: RuleSet) -> BoolArray:
    return _either(_some(sides > rules.two_of_three + ON_LINE, 2, 3))


def _four_of_five(sides: FloatArray, rules: RuleSet) -> BoolArray:
    return _either(_some(sides > rules.four_of_five + ON_LINE, 4, 5))


def _run(sides: FloatArray, rules: RuleSet) -> BoolArray:
    return _either(_unbroken(sides > ON_LINE, rules.run))


def _trend(sides: FloatArray, rules: RuleSet) -> BoolArray:
    return _either(_unbroken(_rising(sides), rules.trend - 1))


def _alternating(sides: FloatArray, rules: RuleSet) -> BoolArray:
    rising, falling = _rising(sides)
    turned = np.zeros(rising.shape, np.bool_)
    turned[..., 1:] = (rising[..., 1:] & falling[..., :-1]) | (falling[..., 1:] & rising[..., :-1])
    return _unbroken(turned, rules.alternating - 2)


def _stratified(sides: FloatArray, rules: RuleSet) -> BoolArray:
    return _unbroken(np.abs(sides[0]) <= rules.inner + ON_LINE, rules.stratified)


def _mixture(sides: FloatArray, rules: RuleSet) -> BoolArray:
    out = sides > rules.inner + ON_LINE
    return _unbroken(_either(out), rules.mixture) & ~_either(_unbroken(out, rules.mixture))


_FINDERS: dict[Rule, Callable[[FloatArray, RuleSet], BoolArray]] = {
    Rule.BEYOND_3_SIGMA: _beyond,
    Rule.RUN_ONE_SIDE: _run,
    Rule.TWO_OF_THREE: _two_of_three,
    Rule.FOUR_OF_FIVE: _four_of_five,
    Rule.TREND: _trend,
    Rule.ALTERNATING: _alternating,
    Rule.STRATIFIED: _stratified,
    Rule.MIXTURE: _mixture,
}


def _either(sides: BoolArray) -> BoolArray:
    return np.asarray(sides[0] | sides[1])


def _rising(sides: FloatArray) -> BoolArray:
    """Where each side rose from the point before."""
    rising = np.zeros(sides.shape, np.bool_)
    np.greater(sides[..., 1:], sides[..., :-1], out=rising[..., 1:])
    return rising


def _some(beyond: BoolArray, least: int, window: int) -> BoolArray:
    """Where a point is beyond and, with it, at least so many of the last ``window``."""
    seen = beyond.view(np.uint8)
    count = seen.copy()
    for back in range(1, window):
        count[..., back:] += seen[..., :-back]
    return beyond & (count >= least)


def _unbroken(on: BoolArray, length: int) -> BoolArray:
    """Where ``on`` holds for the last ``length`` points: each step doubles how far back is known."""
    held, reach = on, 1
    while reach < length:
        step = min(reach, length - reach)
        longer = np.zeros(held.shape, np.bool_)
        np.logical_and(held[..., step:], held[..., :-step], out=longer[..., step:])
        held, reach = longer, reach + step
    return held
