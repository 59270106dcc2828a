"""What a window of snapshots says about the metre at its end: mean, standard deviation and slope of every tag.

By cumulative sums, so that ten thousand windows cost little more than one. They start anew every few windows and count
from the middle of what they cover, in time and in value, so that neither the epoch nor a large offset costs a digit.
Missing values are left out of the window; a feature without enough values is NaN. As long as nothing is missing, which
is usual, all tags share one column of counts and of times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from control.core.pairing import moved_m
from control.core.types import BoolArray, FloatArray, IntArray, Trace

KINDS = ("mean", "std", "slope")
STRETCH = 40  # windows that share cumulative sums


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Features at k rows: of p tags the mean, of the v varied ones also the standard deviation and the slope a second.

    ``matrix`` (k, p + 2 v): all means, then all standard deviations, then all slopes. ``running`` (k,): the web moved
    throughout the window; ``covered`` (k,): the trace reaches back over most of it.
    """

    matrix: FloatArray
    varied: int
    running: BoolArray
    covered: BoolArray

    @property
    def mean(self) -> FloatArray:
        """(k, p)."""
        return self.matrix[:, : self.matrix.shape[1] - 2 * self.varied]

    @property
    def std(self) -> FloatArray:
        """(k, v)."""
        return self.matrix[:, self.mean.shape[1] : self.mean.shape[1] + self.varied]

    @property
    def slope(self) -> FloatArray:
        """(k, v)."""
        return self.matrix[:, self.mean.shape[1] + self.varied :]


def windows(
    trace: Trace, rows: IntArray, columns: IntArray, window_s: float, varied: IntArray | None = None
) -> Windows:
    """Features over the last ``window_s`` up to and including each of ``rows``, which are in order.

    ``varied`` (v,) picks those of ``columns`` (p,) whose standard deviation and slope are wanted: all if not given.
    """
    varied = np.arange(len(columns)) if varied is None else varied
    start = np.searchsorted(trace.at_s, trace.at_s[rows] - window_s, "right")
    seen = Windows(
        matrix=np.empty((len(rows), len(columns) + 2 * len(varied))),
        varied=len(varied),
        running=_moved_throughout(trace, start, rows),
        covered=_covered(trace.at_s, start, rows, window_s),
    )
    mean, std, slope = seen.mean, seen.std, seen.slope
    for part in _stretches(trace.at_s[rows], STRETCH * window_s):
        mean[part], std[part], slope[part] = _features(trace, columns, varied, start[part], rows[part])
    return seen


def means(trace: Trace, rows: IntArray, columns: IntArray, window_s: float) -> FloatArray:
    """The means alone of the same windows (k, p), for a fifth of the work."""
    start = np.searchsorted(trace.at_s, trace.at_s[rows] - window_s, "right")
    found = np.empty((len(rows), len(columns)))
    for part in _stretches(trace.at_s[rows], STRETCH * window_s):
        first, last = int(start[part][0]), int(rows[part][-1]) + 1
        x, reference, valid = _centred(trace.values[first:last].take(columns, axis=1))
        n, sx = _sums([valid, x], start[part] - first, rows[part] - first + 1)
        with np.errstate(invalid="ignore"):
            found[part] = sx / n + reference
    return found


def _covered(at_s: FloatArray, start: IntArray, rows: IntArray, window_s: float) -> BoolArray:
    """The record reaches back over most of the window: a machine just switched on has not settled in half of one."""
    first = np.minimum(start, rows)
    span_s = at_s[rows] - at_s[first]
    whole: BoolArray = span_s >= 0.9 * window_s
    if whole.all():
        return whole
    goes_on = (first > 0) & (at_s[first] - at_s[np.maximum(first - 1, 0)] <= window_s)
    return np.asarray(whole | (goes_on & (span_s >= 0.5 * window_s)))


def _stretches(at_s: FloatArray, length_s: float) -> Iterator[slice]:
    """Consecutive parts of the rows at ``at_s`` (k,), none longer than ``length_s``."""
    begin = 0
    while begin < len(at_s):
        end = int(np.searchsorted(at_s, at_s[begin] + length_s, "right"))
        yield slice(begin, end)
        begin = end


def _features(
    trace: Trace, columns: IntArray, varied: IntArray, start: IntArray, rows: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean (k, p), standard deviation and slope (k, v) of the windows from ``start`` to ``rows`` (k,)."""
    first, last = int(start[0]), int(rows[-1]) + 1
    at_s = trace.at_s[first:last]
    x, reference, valid = _centred(trace.values[first:last].take(columns, axis=1))
    shared = valid.shape[1] == 1
    own = slice(None) if shared else varied
    t = (at_s - at_s[len(at_s) // 2])[:, None] * valid[:, own]
    some = x.take(varied, axis=1)
    n, sx, st, stt, sxx, stx = _sums([valid, x, t, t * t, some * some, some * t], start - first, rows - first + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sx / n
        n, sx, middle = n[:, own], sx.take(varied, axis=1), mean.take(varied, axis=1)
        square = middle * middle
        variance = sxx / n - square
        variance[variance < 1e-10 * square] = 0.0  # what rounding leaves of a tag that stood still
        spread_t = stt - st * st / n
        slope = (stx - st * middle) / np.where(spread_t > 1e-9 * n, spread_t, np.nan)
        std = np.sqrt(np.maximum(variance, 0.0))
    few = (n < 3)[:, 0] if shared else n < 3
    std[few] = slope[few] = np.nan
    return mean + reference, std, slope


def _centred(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """``values`` (m, p) less a reference (p,) near them, 0 where missing; and 1 where there is a value, else 0.

    The last is one column for all tags as long as no value is missing.
    """
    reference = values.mean(axis=0)
    if np.isfinite(reference).all():
        return values - reference, reference, np.ones((len(values), 1))
    valid = np.isfinite(values)
    reference = np.where(valid, values, 0.0).sum(axis=0) / np.maximum(valid.sum(axis=0), 1)
    return np.where(valid, values - reference, 0.0), reference, valid.astype(np.float64)


def _sums(parts: list[FloatArray], lower: IntArray, upper: IntArray) -> list[FloatArray]:
    """Of each part (m, any) the sums over rows ``lower`` to before ``upper`` (k,): (k, any)."""
    ends = np.cumsum([part.shape[1] for part in parts]).tolist()
    total = np.zeros((len(parts[0]) + 1, ends[-1] + ends[-1] % 2))
    np.concatenate(parts, axis=1, out=total[1:, : ends[-1]])
    # Two columns at a time, as one complex number: each addition waits for the one before it, so this halves the time
    pairs = total.view(np.complex128)
    np.cumsum(pairs, axis=0, out=pairs)
    found = total.take(upper, axis=0)
    found -= total.take(lower, axis=0)
    return [found[:, begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _moved_throughout(trace: Trace, start: IntArray, rows: IntArray) -> BoolArray:
    if not len(rows):
        return np.empty(0, bool)
    first, last = max(int(start[0]) - 1, 0), int(rows[-1]) + 1
    stood = np.zeros(last - first + 1, np.int64)
    np.cumsum(moved_m(trace.between(first, last)) == 0.0, out=stood[1:])
    return np.asarray(stood[rows + 1 - first] == stood[start - first])
