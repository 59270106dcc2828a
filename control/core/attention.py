"""How often people may be called: a bucket of tokens that never lets a shift have more calls than its share.

Token bucket: capacity ``burst`` for each operator, refilled so slowly that a full bucket and the refill of a whole
shift together are the shift's budget, ``operators`` calls every ``every_s``. Each call takes a token.
Purpose: EEMUA 191 and ISA-18.2 hold one call every ten minutes to be what a person can well attend to, and ten in ten
minutes, after an upset, to be where a flood begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHIFT_S = 8 * 3600.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Calls that a line's people can attend to."""

    every_s: float
    operators: int
    burst: int

    @property
    def of_a_shift(self) -> float:
        return self.operators * SHIFT_S / self.every_s

    @property
    def capacity(self) -> float:
        return min(float(self.burst * self.operators), self.of_a_shift)

    @property
    def reserve(self) -> float:
        """Kept for recommendations: what has already happened may wait for its turn, what can be prevented may not."""
        return self.capacity // 2

    def left(self, calls: Iterable[float], now_s: float) -> float:
        """Tokens at ``now_s`` after ``calls`` (instants in s), of which those of the last shift count."""
        per_s = (self.of_a_shift - self.capacity) / SHIFT_S
        tokens, last = self.capacity, now_s - SHIFT_S
        for at in sorted(one for one in calls if last < one <= now_s):  # more than there were: a figure was changed
            tokens = max(min(tokens + (at - last) * per_s, self.capacity) - 1.0, 0.0)
            last = at
        return min(tokens + (now_s - last) * per_s, self.capacity)
