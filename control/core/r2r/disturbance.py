"""What a loop believes of the disturbance of each stream it holds, and what an event does to that belief.

    a = y - G u,   D the level of a, K how far it runs on until the next value, P how unsure D is, in R of one value

An estimator carries a :class:`Belief` over what was :class:`Seen`, each value paired with the setting that made it, so
that a move cancels out of a. All of them are one recursion, D += w (a - D); they differ in where w comes from and in
whether there is a K. A value that is missing (NaN) changes nothing. The first one counts in full.

An event acts on the stored state: :func:`raise_uncertainty`, :func:`forget` and :func:`forget_drift`. To freeze a
stream is to show NaN. While P is raised, D jumps to its new place and K holds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from control.core.state import LoopState
from control.core.types import BoolArray, FloatArray

SLOW_SHARE = 0.5  # of the weight: what the level is compared with to tell whether it still moves


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Values in the order of their foil.

    ``value`` (n, cvs) is y - G u in CV units, NaN where nothing may be learned; ``metres`` (n,) the new web since the
    row before; ``noise`` (n, cvs) the variance of a value in R, the variance of one that is wholly relied on.
    """

    value: FloatArray
    metres: FloatArray
    noise: FloatArray

    @property
    def known(self) -> BoolArray:
        return np.isfinite(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Per stream (cvs,), in CV units: ``level`` D and ``slow``, a slower one beside it (NaN: not yet seen), and
    ``drift`` K a value; ``uncertainty`` P in R.
    """

    level: FloatArray
    slow: FloatArray
    drift: FloatArray
    uncertainty: FloatArray

    @property
    def ahead(self) -> FloatArray:
        """What is foretold of the next value (cvs,)."""
        return self.level + self.drift


class Estimator(Protocol):
    """One member of the family; ``weight`` is that of a value once everything has settled (a value a metre)."""

    @property
    def weight(self) -> float: ...

    @property
    def largest_gain_ratio(self) -> float:
        """True over assumed gain under which a loop that acts on every value is stable."""
        ...

    def every(self, metres: float) -> Estimator:
        """What it comes to where a value comes every so many metres: of that, the two above are true."""
        ...

    def after(self, belief: Belief, seen: Seen) -> Belief:
        """The belief after some values (n may be 0)."""
        ...


def belief(held: LoopState) -> Belief:
    streams = len(held.cvs)
    return Belief(
        level=_numbers(held.disturbance, streams, np.nan),
        slow=_numbers(held.trend, streams, np.nan),
        drift=_numbers(held.drift, streams, 0.0),
        uncertainty=_numbers(held.uncertainty, streams, 0.0),
    )


def stored(held: LoopState, found: Belief) -> LoopState:
    """What survives JSON: None for what is not known, nothing at all where every number is 0."""
    return replace(
        held,
        disturbance=_known(found.level),
        trend=_known(found.slow),
        drift=tuple(found.drift.tolist()) if found.drift.any() else (),
        uncertainty=tuple(found.uncertainty.tolist()) if found.uncertainty.any() else (),
    )


def raise_uncertainty(held: LoopState, streams: Collection[str], to: float) -> LoopState:
    """P of some streams is at least ``to`` R: the next value known counts to / (1 + to). Endless forgets the level."""
    if to == np.inf:
        return forget(held, streams)
    now = belief(held)
    raised = np.where(_among(held, streams), np.maximum(now.uncertainty, to), now.uncertainty)
    return stored(held, replace(now, uncertainty=raised))


def forget(held: LoopState, streams: Collection[str]) -> LoopState:
    """The level of some streams is not known any more; their drift is."""
    now, gone = belief(held), _among(held, streams)
    return stored(
        held,
        replace(
            now,
            level=np.where(gone, np.nan, now.level),
            slow=np.where(gone, np.nan, now.slow),
            uncertainty=np.where(gone, 0.0, now.uncertainty),
        ),
    )


def forget_drift(held: LoopState, streams: Collection[str]) -> LoopState:
    """The drift of some streams is 0."""
    now = belief(held)
    return stored(held, replace(now, drift=np.where(_among(held, streams), 0.0, now.drift)))


def carried(start: FloatArray, value: FloatArray, weight: FloatArray) -> FloatArray:
    """D (cvs,) after D += w (a - D) over ``value`` (n, cvs), with w = ``weight`` (n, cvs), 0 where nothing is known.

    In closed form: every value counts its weight times all (1 - w) after it. NaN in ``start`` needs a first w of 1.
    """
    if len(value) == 1:
        return stepped(start, value[0], weight[0])
    left = np.cumprod(1.0 - weight[::-1], axis=0)[::-1]
    share = weight.copy()
    share[:-1] *= left[1:]
    found = np.where(np.isnan(start), 0.0, start) * left[0] + (share * np.where(weight > 0, value, 0.0)).sum(axis=0)
    return np.where(np.isnan(start) & ~(weight > 0).any(axis=0), np.nan, found)


def stepped(start: FloatArray, value: FloatArray, weight: FloatArray) -> FloatArray:
    """One step of it, all (cvs,)."""
    moved = np.where(weight == 1.0, value, start + weight * (value - start))
    return np.where(weight > 0.0, moved, start)


def first(start: FloatArray, known: BoolArray) -> BoolArray:
    """(n, cvs): the first known value of a stream of which nothing was known before."""
    new = np.isnan(start)
    if not new.any():
        return np.zeros(known.shape, np.bool_)
    return np.asarray(known & (known.cumsum(axis=0) == 1) & new)


def slower(start: FloatArray, value: FloatArray, weight: FloatArray, new: BoolArray) -> FloatArray:
    """The slow level (cvs,) beside one that was carried with ``weight``; ``new`` (n, cvs) are first values."""
    return carried(start, value, np.where(new, 1.0, SLOW_SHARE * weight))


def _among(held: LoopState, streams: Collection[str]) -> BoolArray:
    return np.array([cv in streams for cv in held.cvs])


def _numbers(held: tuple[float | None, ...], streams: int, unknown: float) -> FloatArray:
    return np.array([unknown if a is None else a for a in held] if held else [unknown] * streams)


def _known(numbers: FloatArray) -> tuple[float | None, ...]:
    return tuple(a if a == a else None for a in numbers.tolist())
