"""The 90 % interval, drawn anew from the errors made in use: split-conformal with a rolling calibration set.

    score = |y - (f + B)| / h,   width = the ceil((n + 1) l)-th smallest of the newest n scores

y is a believed value, f + B the prediction as it was stated when that metre was at the die, h the half width found at
training; the interval is f + B -+ width h. V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World
(2005), section 4.2. Where errors drift, the newest n are not like the next one, so the level l itself is held by what
was achieved:

    l += RATE (0.9 - inside)

I. Gibbs, E. Candes, Adaptive conformal inference under distribution shift, NeurIPS 34 (2021), equation 2.

What was stated is looked up in a short trail of the bias and the width, because a value comes a minute or an hour after
its metre was at the die. Scores and trail are kept as text of small binary numbers: a pass writes its state every
second and touches few streams of it.
"""

from __future__ import annotations

import base64
import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

COVERAGE = 0.90
KEPT = 250  # scores of a stream
FEWEST = 20  # scores before which the half width of training holds
STEPS = 48  # of the trail: more than a gauge reports of one lane within its dead time
RATE = 0.01
LOWEST, HIGHEST = 0.5, 0.995  # level; a set of 250 knows no quantile above
LARGEST = 6e4  # score that 16 bits hold


class Stated(NamedTuple):
    """What predictions of a stream were made with: the bias, and the width in half widths of training."""

    bias: float
    width: float


@dataclass(slots=True)
class Calibration:
    """One stream's scores and trail while a pass works on them; ``scores`` are negative where outside what was stated.

    ``sizes`` are their absolute values in order of size, ``at_s`` the instants from which entries of ``stated`` held.
    """

    scores: list[float]
    sizes: list[float]
    level: float
    width: float
    at_s: list[float]
    stated: list[Stated]

    @classmethod
    def unpacked(cls, scores: str, level: float, width: float, trail: str) -> Calibration:
        kept = _scores(scores)
        steps = base64.b64decode(trail)
        split = len(steps) // 2
        stated = list(starmap(Stated, np.frombuffer(steps, "<f4", offset=split).reshape(-1, 2).tolist()))
        at_s: list[float] = np.frombuffer(steps, "<f8", count=split // 8).tolist()
        return cls(kept.tolist(), np.sort(np.abs(kept)).tolist(), level, width, at_s, stated)

    def packed(self) -> dict[str, Any]:
        """The fields of a stream's state that this keeps."""
        trail = np.array(self.at_s, "<f8").tobytes() + np.array(self.stated, "<f4").tobytes()
        scores = np.array(self.scores, "<f2").tobytes()
        return {"scores": _text(scores), "level": self.level, "width": self.width, "trail": _text(trail)}

    def before(self, at_s: float, now: Stated) -> Stated:
        """What held just before an instant: the oldest that is known, or ``now`` where nothing is."""
        step = bisect_left(self.at_s, at_s) - 1
        return self.stated[max(step, 0)] if self.stated else now

    def after(self, at_s: float) -> int:
        """How many steps came after an instant."""
        return len(self.at_s) - bisect_left(self.at_s, at_s)

    def score(self, error: float, stated: Stated) -> None:
        """Take one error, in half widths of training, of what was ``stated``; the width follows."""
        outside, size = abs(error) > stated.width, _stored(abs(error))
        if len(self.scores) >= KEPT:
            del self.sizes[bisect_left(self.sizes, abs(self.scores.pop(0)))]
        self.scores.append(-size if outside else size)
        insort(self.sizes, size)
        self.level = min(max(self.level + RATE * (COVERAGE - (not outside)), LOWEST), HIGHEST)
        self.width = rolling_width(self.sizes, self.level)

    def step(self, at_s: float, bias: float) -> None:
        """From an instant on predictions are made with this bias and the present width."""
        if len(self.at_s) >= STEPS:
            del self.at_s[0], self.stated[0]
        self.at_s.append(at_s)
        self.stated.append(Stated(float(np.float32(bias)), self.width))


def rolling_width(sizes: Sequence[float], level: float = COVERAGE) -> float:
    """The conformal quantile of scores in order of size; 1, the half width of training, while there are few."""
    n = len(sizes)
    if n < FEWEST:
        return 1.0
    return sizes[min(math.ceil((n + 1) * level), n) - 1]


def coverage(scores: str) -> tuple[float, int]:
    """The share of the stored scores that lay inside the interval stated for them (NaN for none), and their number."""
    kept = _scores(scores)
    return (float(np.mean(~np.signbit(kept))), len(kept)) if len(kept) else (math.nan, 0)


def spread(scores: str) -> float:
    """Root mean square of the stored scores, in half widths of training; NaN while there are few."""
    kept = _scores(scores)
    return float(np.sqrt(np.mean(np.square(kept, dtype=np.float64)))) if len(kept) >= FEWEST else math.nan


def covers(scores: str) -> bool:
    """Whether the share inside is what was promised, up to three sigma of chance; while there are few nobody knows."""
    share, n = coverage(scores)
    return n < FEWEST or share >= COVERAGE - 3.0 * math.sqrt(COVERAGE * (1.0 - COVERAGE) / n)


def _stored(size: float) -> float:
    """As the text keeps it, so that a pass more or less between two values makes no difference."""
    return float(np.float16(min(size, LARGEST)))


def _scores(text: str) -> NDArray[np.float16]:
    return np.frombuffer(base64.b64decode(text), "<f2")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
