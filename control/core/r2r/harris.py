"""How much of the scatter under control is more than the dead time makes unavoidable, and whether it swings.

    index = variance of what a dead time ago could not be foretold / mean square off the target

No controller that learns of a deviation a dead time later can do better than 1. What could be foretold is found by
regressing the value on those that were known a dead time of ``delay`` values before: y_t on y_(t-delay) and older.

    swing = a / b of the autocorrelation: a the height of its first maximum over the line through the two minima beside
            it, b the depth of its first minimum under the line through lag 0 and that maximum

which is 0 without oscillation, above .5 where it is excessive and 1 where it never dies down.

T. J. Harris, Canadian J. Chemical Engineering 67 (1989) 856-861; L. Desborough, T. Harris, ibid. 70 (1992) 1186-1197;
T. Miao, D. E. Seborg, IEEE Int. Conf. Control Applications (1999) 359-364.
"""

from __future__ import annotations

import numpy as np

from control.core.spc.diagnostics import autocorrelation
from control.core.types import FloatArray

ORDER = 10  # values behind the delay that are regressed on
LEAST = 5  # rows a coefficient


def index(off_target: FloatArray, delay: int) -> float:
    """From (n, streams) in the order of making; NaN is skipped. NaN where there is too little to tell."""
    unavoidable, achieved = 0.0, 0.0
    for column in off_target.T:
        rows = _rows(column, delay)
        if len(rows) < LEAST * (ORDER + 1):
            return float("nan")
        known = np.column_stack([np.ones(len(rows)), rows[:, 1:]])
        left = rows[:, 0] - known @ np.linalg.lstsq(known, rows[:, 0])[0]
        unavoidable += float(left @ left) / (len(rows) - known.shape[1])
        achieved += float(np.nanmean(column**2))
    return min(1.0, unavoidable / achieved) if achieved > 0 else float("nan")


def _rows(column: FloatArray, delay: int) -> FloatArray:
    """y_t, y_(t-delay), ..., y_(t-delay-ORDER+1) for every t where all of them are known."""
    longest = delay + ORDER
    if len(column) < longest:
        return np.empty((0, 1 + ORDER))
    windows = np.lib.stride_tricks.sliding_window_view(column, longest)[:, ::-1]
    rows = np.column_stack([windows[:, :1], windows[:, delay:]])
    return np.asarray(rows[np.isfinite(rows).all(axis=1)])


def swing(off_target: FloatArray) -> float:
    """Of the mean over the streams, from (n, streams) without NaN; 0 where there is too little to tell."""
    mean = off_target.mean(axis=1)
    if len(mean) < LEAST * (ORDER + 1) or not mean.std() > 0:
        return 0.0
    correlation = autocorrelation(mean)
    rho = np.array(correlation.value)
    turns = np.flatnonzero(np.diff(np.sign(rho)) != 0) + 1
    if len(turns) < 3:
        return 0.0
    end = turns[3] if len(turns) > 3 else len(rho)
    first, top = turns[0] + int(rho[turns[0] : turns[1]].argmin()), turns[1] + int(rho[turns[1] : turns[2]].argmax())
    second = turns[2] + int(rho[turns[2] : end].argmin())
    if max(-rho[first], rho[top], -rho[second]) <= correlation.bound:
        return 0.0
    a = rho[top] - np.interp(top, [first, second], [rho[first], rho[second]])
    b = np.interp(first, [0, top], [1.0, rho[top]]) - rho[first]
    return float(np.clip(a / b, 0.0, 1.0))
