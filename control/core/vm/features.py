"""What a window of snapshots says about the metre at its end: mean, standard deviation and slope of every tag.

By cumulative sums, so that ten thousand windows cost little more than one. Missing values are left out of the window;
a feature without enough values is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from control.core.pairing import moved_m
from control.core.types import BoolArray, FloatArray, IntArray, Trace

KINDS = ("mean", "std", "slope")


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Features at k rows: ``mean``, ``std``, ``slope`` (k, tags), the last per second.

    ``running`` (k,): the web moved throughout the window; ``covered`` (k,): the trace reaches back over most of it.
    """

    mean: FloatArray
    std: FloatArray
    slope: FloatArray
    running: BoolArray
    covered: BoolArray

    def matrix(self) -> FloatArray:
        """(k, 3 tags): all means, then all standard deviations, then all slopes."""
        return np.hstack([self.mean, self.std, self.slope])


def windows(trace: Trace, rows: IntArray, columns: IntArray, window_s: float, centre: FloatArray) -> Windows:
    """Features over the last ``window_s`` up to and including each of ``rows``.

    ``centre`` (tags,) is near the values' mean; it is taken off before squaring so that no digits are lost.
    """
    start = np.searchsorted(trace.at_s, trace.at_s[rows] - window_s, "right")
    first = int(start.min()) if len(rows) else 0
    last = int(rows.max()) + 1 if len(rows) else 0
    lower, upper = start - first, rows - first + 1
    at_s = trace.at_s[first:last]
    values = trace.values[first:last, columns]
    valid = np.isfinite(values)
    x = np.where(valid, values - centre, 0.0)
    t = np.where(valid, (at_s - at_s[0] if len(at_s) else at_s)[:, None], 0.0)
    n, sx, st, sxx, stt, stx = (
        _window_sum(column, lower, upper) for column in (valid.astype(np.float64), x, t, x * x, t * t, t * x)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sx / n
        variance = np.maximum(sxx / n - mean**2, 0.0)
        spread_t = stt - st**2 / n
        slope = np.where(spread_t > 1e-9 * n, (stx - st * sx / n) / spread_t, np.nan)
    variance[variance < 1e-10 * mean**2] = 0.0  # what rounding leaves of a tag that stood still
    few = n < 3
    span_s = trace.at_s[rows] - trace.at_s[np.minimum(start, rows)]
    return Windows(
        mean=mean + centre,
        std=np.where(few, np.nan, np.sqrt(variance)),
        slope=np.where(few, np.nan, slope),
        running=_moved_throughout(trace, first, last, lower, upper),
        covered=span_s >= 0.5 * window_s,
    )


def _window_sum(column: FloatArray, lower: IntArray, upper: IntArray) -> FloatArray:
    total = np.zeros((len(column) + 1, column.shape[1]))
    np.cumsum(column, axis=0, out=total[1:])
    return np.asarray(total[upper] - total[lower])


def _moved_throughout(trace: Trace, first: int, last: int, lower: IntArray, upper: IntArray) -> BoolArray:
    stood = np.zeros(last - first + 1, np.int64)
    np.cumsum(moved_m(trace)[first:last] == 0.0, out=stood[1:])
    return np.asarray(stood[upper] == stood[lower])
