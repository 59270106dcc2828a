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
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from control.core.types import FloatArray

COVERAGE = 0.90
KEPT = 250  # scores of a stream
FEWEST = 50  # scores before which the half width of training holds
STEPS = 48  # of the trail: more than a gauge reports of one lane within its dead time
RATE = 0.01
HIGHEST = 0.995  # level: above it a set of 250 knows no quantile
_SCORE = np.dtype("<f2")
_STEP = np.dtype([("at_s", "<f8"), ("bias", "<f4"), ("width", "<f2")])


@dataclass(frozen=True, slots=True)
class Stated:
    """What predictions of a stream were made with: the bias, and the width in half widths of training."""

    bias: float
    width: float


@dataclass(slots=True)
class Calibration:
    """One stream's scores and trail while a pass works on them; ``scores`` are negative where outside what was stated.

    ``at_s`` are the instants from which each entry of ``stated`` held, in order.
    """

    scores: FloatArray
    level: float
    width: float
    at_s: list[float]
    stated: list[Stated]

    @classmethod
    def unpacked(cls, scores: str, level: float, width: float, trail: str) -> Calibration:
        steps = _unpacked(trail, _STEP)
        stated = [Stated(*pair) for pair in zip(steps["bias"].tolist(), steps["width"].tolist(), strict=True)]
        return cls(_unpacked(scores, _SCORE).astype(np.float64), level, width, steps["at_s"].tolist(), stated)

    def packed(self) -> dict[str, Any]:
        """The fields of a stream's state that this keeps."""
        steps = [(at_s, one.bias, one.width) for at_s, one in zip(self.at_s, self.stated, strict=True)]
        scores = _packed(self.scores, _SCORE)
        return {"scores": scores, "level": self.level, "width": self.width, "trail": _packed(steps, _STEP)}

    def before(self, at_s: float, now: Stated) -> Stated:
        """What held just before an instant: the oldest that is known, or ``now`` where nothing is."""
        step = bisect_left(self.at_s, at_s) - 1
        return self.stated[max(step, 0)] if self.stated else now

    def after(self, at_s: float) -> int:
        """How many steps came after an instant."""
        return len(self.at_s) - bisect_left(self.at_s, at_s)

    def score(self, error: float, stated: Stated) -> None:
        """Take one error, in half widths of training, of what was ``stated``; the width follows."""
        outside = abs(error) > stated.width
        size = _stored(abs(error))
        self.scores = np.append(self.scores[1 - KEPT :], -size if outside else size)
        self.level = min(max(self.level + RATE * (COVERAGE - (not outside)), 0.5), HIGHEST)
        self.width = _stored(rolling_width(self.scores, self.level))

    def step(self, at_s: float, bias: float) -> None:
        """From an instant on predictions are made with this bias and the present width."""
        self.at_s = [*self.at_s[1 - STEPS :], at_s]
        self.stated = [*self.stated[1 - STEPS :], Stated(float(np.float32(bias)), self.width)]


def rolling_width(scores: FloatArray, level: float = COVERAGE) -> float:
    """The conformal quantile of the sizes of ``scores``; 1, the half width of training, while there are few."""
    n = len(scores)
    if n < FEWEST:
        return 1.0
    rank = min(math.ceil((n + 1) * level), n)
    return float(np.partition(np.abs(scores), rank - 1)[rank - 1])


def coverage(scores: str) -> tuple[float, int]:
    """The share of the stored scores that lay inside the interval stated for them (NaN for none), and their number."""
    kept: FloatArray = _unpacked(scores, _SCORE)
    return (float(np.mean(~np.signbit(kept))), len(kept)) if len(kept) else (math.nan, 0)


def _stored(size: float) -> float:
    """As the text keeps it, so that a pass more or less between two values makes no difference."""
    return float(np.float16(min(size, 6e4)))


def _unpacked(text: str, dtype: DTypeLike) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype)


def _packed(values: Any, dtype: DTypeLike) -> str:
    return base64.b64encode(np.array(values, dtype).tobytes()).decode("ascii")
