"""Whether a count and the sample it was found in can be meant."""

from __future__ import annotations

import math
from typing import Any

from control.actions._blocks import HUGE
from control.core.spc.counts import DEFECTIVES

NUMBER = (int, float)


def fault(of: str, value: Any, n: Any) -> tuple[str, str] | None:
    """A stable code and a sentence; None of a sound count. ``of`` says what is counted, "" of what is measured.

    A ``value`` of None is a sample that nobody counted.
    """
    if not of:
        return None if n is None else ("not_counted", "this stream is measured, not counted: it takes no n")
    if n is None:
        return "n_missing", "a count needs n, the sample size or the area it was found on"
    if type(n) not in NUMBER or not 0 < n < HUGE:
        return "bad_n", "n must be a number above 0"
    if of == DEFECTIVES and not _whole(n):
        return "bad_n", "n must be a whole number of pieces"
    if value is None:
        return None
    if type(value) not in NUMBER or not (0 <= value < HUGE and _whole(value)):
        return "bad_count", "a count must be a whole number from 0 on"
    if of == DEFECTIVES and value > n:
        return "count_above_n", "there cannot be more defectives than pieces in the sample"
    return None


def _whole(value: float) -> bool:
    return math.isfinite(value) and float(value).is_integer()
