"""The family of disturbance estimators by name."""

from __future__ import annotations

from control.core.r2r.disturbance import Estimator
from control.core.r2r.double_ewma import DoubleEwma
from control.core.r2r.ewma import Ewma
from control.core.r2r.kalman import Kalman


def named(kind: str, weight: float, drift_weight: float | None, wander_per_m: float | None) -> Estimator:
    """The estimator ``kind``: ``ewma``, ``double_ewma`` or ``kalman``; each takes the figures that are its own."""
    if kind == "ewma":
        return Ewma(weight)
    if kind == "double_ewma":
        return DoubleEwma(weight, _needed(kind, "drift_weight", drift_weight))
    if kind == "kalman":
        return Kalman(_needed(kind, "wander_per_m", wander_per_m))
    raise ValueError(f"estimator must be ewma, double_ewma or kalman, not {kind}")


def _needed(kind: str, name: str, value: float | None) -> float:
    if value is None:
        raise ValueError(f"the estimator {kind} needs {name}")
    return value
