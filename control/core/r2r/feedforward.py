"""What is measured of a disturbance is acted on at once; feedback keeps only what that does not explain.

    y = D + f(u) + K v      v the measured signals (solids, slurry density, what the foil weighs as it comes in)

A prediction moves with v already: the model has v among its inputs, or sees its work on others. So K v is not added to
the prediction. It is taken out of it, over the very window the prediction was made from, before D is estimated; and it
is put back as it is now, when moves are solved:

    D follows y - f(u) - K v(window),      the loop stands at D + f(u_now) + K v(now)

Whatever the model sees of v is in there once: with the right K, D does not notice a step of v, and the loop knows it in
full while the window is still filling. With a wrong K, D takes up the rest, as it would have taken up all of it. Of a v
the model is blind to, D unlearns the fed part with its own weight, until the gauge tells it: a push that fades, never
one that is counted twice.

v counts by its changes, g, the sum of them since the loop's last move: so what is fed forward is told as what came
since. A change across a gap is left to feedback, which has seen it. Fed by other signals or another K from now on, or
no more at all, the loop stands where it stood: K g, as it was until then, goes over into D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from control.core.r2r.disturbance import belief, forget, stored
from control.core.state import LoopState
from control.core.types import FloatArray

PRESENT_S = 5.0  # over which a signal's present value is averaged


@dataclass(frozen=True, slots=True)
class FeedForward:
    """A measured disturbance. ``gains`` is K, cvs x tags, CV unit per unit of the tag; 0 where a lane has no part."""

    name: str
    tags: tuple[str, ...]
    gains: tuple[tuple[float, ...], ...]

    def check(self, loop: str, streams: int) -> None:
        if [len(row) for row in self.gains] != [len(self.tags)] * streams:
            raise ValueError(f"loop {loop}: {self.name} needs gains of {streams} streams x {len(self.tags)} tags")


@lru_cache(maxsize=128)
def together(signals: tuple[FeedForward, ...], streams: int) -> FloatArray:
    """K of all of them side by side (streams, d); not to be written to."""
    return np.hstack([np.empty((streams, 0)), *(np.array(one.gains) for one in signals)])


@lru_cache(maxsize=128)
def named(signals: tuple[FeedForward, ...], streams: int) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...]]:
    """The tags (d,) and K (streams x d) of all of them as a state keeps them."""
    tags = tuple(tag for one in signals for tag in one.tags)
    return tags, tuple(map(tuple, together(signals, streams).tolist())) if tags else ()


def fed_by(held: LoopState, signals: tuple[FeedForward, ...]) -> LoopState:
    """The loop fed by ``signals``; if by others or another K until now, what was fed belongs to D.

    A state that does not tell its K has to learn D anew.
    """
    tags, gains = named(signals, len(held.cvs))
    if (held.fed_tags, held.fed_gains) == (tags, gains) and len(held.fed) == len(tags):
        return held
    left = forget(held, held.cvs) if any(held.fed) and not held.fed_gains else _left_to_feedback(held)
    return replace(left, fed=(0.0,) * len(tags), fed_last=(), fed_tags=tags, fed_gains=gains)


def anew(held: LoopState, since: float | None) -> LoopState:
    """After a move (``since``), what was fed forward until then belongs to D."""
    if held.fed_since_s == since:
        return held
    return replace(_left_to_feedback(held), fed=(0.0,) * len(held.fed), fed_since_s=since)


def _left_to_feedback(held: LoopState) -> LoopState:
    """D with K g in it."""
    if not any(held.fed):
        return held
    known, part = belief(held), np.array(held.fed_gains) @ np.array(held.fed)
    return stored(held, replace(known, level=known.level + part, slow=known.slow + part))


def changes(held: LoopState, signals: FloatArray) -> FloatArray:
    """g (n, d) at each of the rows of ``signals`` (n, d), from where ``held`` left off."""
    before = [np.nan if v is None else v for v in held.fed_last or (None,) * signals.shape[1]]
    steps = np.diff(signals, axis=0, prepend=np.array([before]))
    return np.asarray(np.array(held.fed) + np.where(np.isfinite(steps), steps, 0.0).cumsum(axis=0))


def after(held: LoopState, signals: FloatArray, found: FloatArray) -> LoopState:
    """The state with the last row of ``signals`` (n, d) and its g ``found`` (n, d)."""
    last = tuple(v if v == v else None for v in signals[-1].tolist())
    return replace(held, fed=tuple(found[-1].tolist()), fed_last=last)


def parts(signals: Sequence[FeedForward], held: LoopState, now: FloatArray) -> dict[str, FloatArray]:
    """What each of ``signals`` does to the streams (cvs,) as they are ``now`` (d,), since the loop's last move.

    One that is missing stands where it was last known to.
    """
    if not signals:
        return {}
    ahead = now - np.array([np.nan if v is None else v for v in held.fed_last or (None,) * len(now)])
    g = np.array(held.fed or (0.0,) * len(now)) + np.where(np.isfinite(ahead), ahead, 0.0)
    ends = np.cumsum([len(one.tags) for one in signals])
    return {
        one.name: np.asarray(np.array(one.gains) @ g[end - len(one.tags) : end])
        for one, end in zip(signals, ends.tolist(), strict=True)
    }
