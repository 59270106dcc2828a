"""One stream, one parameter: y = xi u + 1 + ramp k, assumed gain 1, target 0, every value seen."""

from __future__ import annotations

import numpy as np

from control.core.r2r.disturbance import Belief, Seen

UNKNOWN = Belief(level=np.array([np.nan]), slow=np.array([np.nan]), drift=np.zeros(1), uncertainty=np.zeros(1))
STARTED = Belief(level=np.zeros(1), slow=np.zeros(1), drift=np.zeros(1), uncertainty=np.zeros(1))


def seen(values, metres=None, noise=None):
    """(n,) or (n, cvs) values, a metre and full reliance each unless told."""
    value = np.asarray(values, float).reshape(len(values), -1)
    metres = np.ones(len(value)) if metres is None else np.asarray(metres, float)
    return Seen(value, metres, np.ones_like(value) if noise is None else np.asarray(noise, float).reshape(value.shape))


def deviation(estimator, xi, delay=0, ramp=0.0, samples=1_500, paired=True, start=STARTED):
    """Largest |y| over the last tenth."""
    u, y, belief = [0.0], [], start
    for k in range(samples):
        y.append(xi * u[-1] + 1.0 + ramp * k)
        if k >= delay:
            made_by = u[k - delay] if paired else u[-1]
            belief = estimator.after(belief, seen([y[k - delay] - made_by]))
        u.append(float(np.clip(-belief.ahead[0], -1e9, 1e9)))
    return float(np.abs(y[-samples // 10 :]).max())
