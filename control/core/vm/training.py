"""From history to a stored estimator per stream: ridge as the main model, PLS as its reference.

Labels are metrology only, each paired with the snapshots that made its metre. The residual to physics (and to assumed
gains of the parameters a loop moves) is what is fitted, so the effect of a move never comes from closed-loop history.
Time runs one way: the first 70 % of the labels fit, the next 15 % calibrate, the last 15 % are scored. Errors are
taken as they will be in use, after the bias correction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.signal import lfilter
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge

from control.core.machine import StreamConfig
from control.core.pairing import rows_at
from control.core.types import BoolArray, FloatArray, IntArray, Measured, MeasuredBy, Quality, Trace
from control.core.vm import estimator, physics, reliability
from control.core.vm.features import windows

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-1, 5, 7))
FIT, CALIBRATE = 0.70, 0.15
FEWEST_LABELS = 60
COVERAGE = 0.90
BIAS_WEIGHTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
_DIGITS = 12  # kept of every number, so that the same history gives the same hash


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train on. ``inputs`` are tag keys; ``gains`` stream -> tag -> assumed gain of a parameter a loop moves.

    Such parameters are kept out of the fitted part. ``physics`` is the table of the plant file.
    """

    inputs: tuple[str, ...]
    window_s: float = 30.0
    physics: Mapping[str, Any] = field(default_factory=lambda: {"kind": "none"})
    gains: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    components: int = 6

    @property
    def moved(self) -> frozenset[str]:
        return frozenset(tag for gains in self.gains.values() for tag in gains)


@dataclass(frozen=True, slots=True)
class Trained:
    """One stored content per stream that could be trained, and why the others could not."""

    contents: Mapping[str, dict[str, Any]]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Inputs:
    """Standardised features at every label's row. ``z`` (n, 3p), ``fitted`` (3p,) which of them a model may use."""

    recipe: Recipe
    mean: FloatArray
    scale: FloatArray
    z: FloatArray
    means: FloatArray  # (n, p) window means, imputed
    usable: BoolArray  # (n,)
    fitted: BoolArray
    stored: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    """One stream's labels in time order: index into ``_Inputs`` rows, and value."""

    at: IntArray
    value: FloatArray


def train(
    tags: Sequence[str], streams: Sequence[StreamConfig], trace: Trace, measured: Measured, recipe: Recipe
) -> Trained:
    """Train every stream of one equipment. ``tags`` name the trace's columns, ``streams`` what ``measured`` indexes.

    Only good values of the metrology each stream is fed by are used; a prediction among them is an error, not a label.
    """
    if np.any(measured.by == int(MeasuredBy.PREDICTION)):
        raise ValueError("a prediction is not a label: estimators are trained on metrology only")
    _check(tags, recipe)
    row = rows_at(trace, measured.roll, measured.web_m).row
    fed_by = np.array([int(stream.feedback) for stream in streams], np.int64)
    good = (row >= 0) & np.isfinite(measured.value) & (measured.quality == int(Quality.GOOD))
    good &= measured.by == fed_by[measured.stream]
    order = np.flatnonzero(good)[np.argsort(row[good], kind="stable")]
    if len(order) < FEWEST_LABELS:
        return Trained({}, {stream.key: _too_few(len(order)) for stream in streams})
    rows, at = np.unique(row[order], return_inverse=True)
    inputs = _inputs(tags, trace, rows, recipe)
    contents: dict[str, dict[str, Any]] = {}
    refused: dict[str, str] = {}
    for index, stream in enumerate(streams):
        of_stream = (measured.stream[order] == index) & inputs.usable[at]
        labels = _Labels(at[of_stream], measured.value[order][of_stream])
        try:
            contents[stream.key] = _train_stream(stream, inputs, labels, trace.at_s[rows])
        except ValueError as reason:
            refused[stream.key] = str(reason)
    return Trained(contents, refused)


def _check(tags: Sequence[str], recipe: Recipe) -> None:
    unknown = [tag for tag in (*recipe.inputs, *sorted(recipe.moved)) if tag not in tags]
    if unknown or not recipe.inputs:
        raise ValueError(f"no such input: {', '.join(unknown)}" if unknown else "an estimator needs inputs")
    left_out = sorted(recipe.moved - set(recipe.inputs))
    if left_out:
        raise ValueError(f"a parameter with an assumed gain must be an input: {', '.join(left_out)}")
    physics.check(recipe.physics, recipe.inputs)


def _too_few(labels: int) -> str:
    return f"{labels} good labels could be paired with their snapshots, {FEWEST_LABELS} are needed"


def _inputs(tags: Sequence[str], trace: Trace, rows: IntArray, recipe: Recipe) -> _Inputs:
    """Windows at the labels' rows; their mean and scale come from the part that fits, as GSI's matrix does."""
    columns = np.array([list(tags).index(tag) for tag in recipe.inputs], np.int64)
    seen = windows(trace, rows, columns, recipe.window_s)
    missing = (~np.isfinite(seen.mean)).mean(axis=1)
    usable = seen.running & seen.covered & (missing <= estimator.TOO_MANY_MISSING)
    raw = seen.matrix
    fit = usable & (np.arange(len(rows)) < FIT * len(rows))
    if fit.sum() < FEWEST_LABELS // 2:
        raise ValueError("the line hardly ran where it was measured: nothing to train on")
    mean = np.nan_to_num(_column(np.nanmean, raw[fit]))
    deviation = np.nan_to_num(_column(np.nanstd, raw[fit]))
    p = len(recipe.inputs)
    stood_still = deviation <= 1e-9 * np.maximum(np.abs(mean), 1e-9)
    # An input that never moved is not fitted, yet must look unlike training as soon as it does.
    scale = np.where(stood_still, np.where(mean != 0, 1e-3 * np.abs(mean), 1.0), deviation)
    moved = np.array([tag in recipe.moved for tag in recipe.inputs])
    z = _rounded((np.where(np.isfinite(raw), raw, mean) - mean) / scale)
    watched = np.flatnonzero(~moved)  # how far a loop has moved its parameters does not make the line a stranger
    level = z[np.ix_(fit, watched)]
    matrix = np.zeros((p, p))
    matrix[np.ix_(watched, watched)] = own = reliability.similarity_matrix(level)
    stored = {
        "tags": list(recipe.inputs),
        "window_s": float(recipe.window_s),
        "mean": _listed(mean),
        "scale": _listed(scale),
        "similarity": [_listed(line) for line in matrix],
        "gsi_threshold": _digits(reliability.similarity_threshold(level, own)),
    }
    fitted = ~stood_still & ~np.tile(moved, 3)
    return _Inputs(recipe, mean, scale, z, z[:, :p] * scale[:p] + mean[:p], usable, fitted, stored)


def _train_stream(stream: StreamConfig, inputs: _Inputs, labels: _Labels, at_s: FloatArray) -> dict[str, Any]:
    recipe = inputs.recipe
    gains = _own_gains(stream, recipe)
    base, known = _base(stream, inputs, gains)
    kept = np.isfinite(base[labels.at])
    at, value = labels.at[kept], labels.value[kept]
    if len(at) < FEWEST_LABELS:
        raise ValueError(_too_few(len(at)))
    residual = value - base[at]
    if not residual.std() > 1e-12 * max(abs(float(value.mean())), 1.0):
        raise ValueError("the labels do not vary")
    fit, calibrate = int(FIT * len(at)), int((FIT + CALIBRATE) * len(at))
    z = inputs.z[at][:, inputs.fitted]
    alpha, main = _ridge(z[:fit], residual[:fit])
    reference = _pls(z[:fit], residual[:fit], recipe.components)
    predicted = base[at] + main[0] + z @ main[1]
    weight = stream.bias_weight or _bias_weight(value - predicted, fit, calibrate)
    corrected = _corrected(value - predicted, weight)
    half_width = _conformal(corrected[fit:calibrate])
    residual_sigma = float(np.median(np.abs(corrected[fit:calibrate]))) * 1.4826
    label_sigma = float(value[:fit].std())
    content: dict[str, Any] = {
        "version": estimator.VERSION,
        "stream": stream.key,
        "inputs": inputs.stored,
        "physics": dict(recipe.physics) if known else {"kind": "none"},
        "gains": {tag: float(gain) for tag, gain in sorted(gains.items())},
        "main": {"kind": "ridge", "alpha": alpha, **_model(main, inputs.fitted)},
        "reference": {"kind": "pls", "components": recipe.components, **_model(reference, inputs.fitted)},
        "label_mean": _digits(value[:fit].mean()),
        "label_sigma": _digits(label_sigma),
        "residual_sigma": _digits(residual_sigma),
        "half_width": _digits(half_width),
        "bias_weight": weight,
        "ri_threshold": _digits(reliability.reliance_threshold(_largest_error(stream, residual_sigma), label_sigma)),
    }
    content["metrics"] = _metrics(value, predicted, corrected, fit, calibrate, half_width)
    content["window"] = {"from_s": float(at_s[at[0]]), "to_s": float(at_s[at[-1]])}
    return content


def _own_gains(stream: StreamConfig, recipe: Recipe) -> dict[str, float]:
    """Assumed gains that physics does not already account for."""
    by_physics = physics.uses(recipe.physics, stream.characteristic, stream.side)
    return {tag: gain for tag, gain in recipe.gains.get(stream.key, {}).items() if gain and tag not in by_physics}


def _base(stream: StreamConfig, inputs: _Inputs, gains: Mapping[str, float]) -> tuple[FloatArray, bool]:
    """Physics plus assumed gains at every row (n,), and whether physics had a say."""
    tags = inputs.recipe.inputs
    columns = {tag: inputs.means[:, i] for i, tag in enumerate(tags)}
    known = physics.base(inputs.recipe.physics, stream.characteristic, stream.side, columns)
    total = np.zeros(len(inputs.z)) if known is None else known.copy()
    for tag, gain in gains.items():
        total += gain * (columns[tag] - inputs.mean[tags.index(tag)])
    return total, known is not None


def _ridge(z: FloatArray, residual: FloatArray) -> tuple[float, tuple[float, FloatArray]]:
    """Ridge with the penalty that does best on the last quarter of the fitting part."""
    cut = 3 * len(z) // 4

    def error(alpha: float) -> float:
        model = Ridge(alpha=alpha).fit(z[:cut], residual[:cut])
        return float(np.mean((residual[cut:] - model.predict(z[cut:])) ** 2))

    if not z.shape[1]:
        return ALPHAS[-1], (float(residual.mean()), np.empty(0))
    alpha = min(ALPHAS, key=error)
    model = Ridge(alpha=alpha).fit(z, residual)
    return alpha, (float(model.intercept_), np.asarray(model.coef_, np.float64))


def _pls(z: FloatArray, residual: FloatArray, components: int) -> tuple[float, FloatArray]:
    if not z.shape[1]:
        return float(residual.mean()), np.empty(0)
    model = PLSRegression(n_components=min(components, z.shape[1]), scale=False).fit(z, residual)
    coef = np.asarray(model.coef_, np.float64).ravel()
    return float(residual.mean() - z.mean(axis=0) @ coef), coef


def _bias_weight(error: FloatArray, fit: int, calibrate: int) -> float:
    """The weight that leaves least of the errors it did not see; never 0, or a drift would go unnoticed for ever."""
    return min(BIAS_WEIGHTS, key=lambda weight: float(np.mean(_corrected(error, weight)[fit:calibrate] ** 2)))


def _corrected(error: FloatArray, weight: float) -> FloatArray:
    """Errors left when the bias follows B += w (e - B), each against the B known before it."""
    bias = lfilter([weight], [1.0, weight - 1.0], error)
    return np.asarray(error - np.concatenate([[0.0], bias[:-1]]))


def _conformal(error: FloatArray) -> float:
    """Split-conformal half width: the ceil((n + 1) 0.9)-th smallest absolute error."""
    rank = min(int(np.ceil((len(error) + 1) * COVERAGE)), len(error))
    return float(np.sort(np.abs(error))[rank - 1])


def _largest_error(stream: StreamConfig, residual_sigma: float) -> float:
    """The largest disagreement allowed: a quarter of the tolerance, but not less than three sigma of the model."""
    tolerance = stream.upper - stream.lower
    return max(3 * residual_sigma, tolerance / 4) if np.isfinite(tolerance) else 3 * residual_sigma


def _metrics(
    value: FloatArray, predicted: FloatArray, corrected: FloatArray, fit: int, calibrate: int, half_width: float
) -> dict[str, float | int]:
    """Errors on the last 15 % of the labels, beside those of the mean of the fitting part and of the last value."""
    test = slice(calibrate, None)
    last = value[calibrate - 1 : -1]
    return {
        "labels": len(value),
        "tested": len(value) - calibrate,
        "mae": _mean_abs(corrected[test]),
        "rmse": _digits(np.sqrt(np.mean(corrected[test] ** 2))),
        "mae_without_bias": _mean_abs((value - predicted)[test]),
        "mae_of_mean": _mean_abs(value[test] - value[:fit].mean()),
        "mae_of_last": _mean_abs(value[test] - last),
        "coverage": _digits(np.mean(np.abs(corrected[test]) <= half_width)),
    }


def _model(model: tuple[float, FloatArray], fitted: BoolArray) -> dict[str, Any]:
    coef = np.zeros(len(fitted))
    coef[fitted] = model[1]
    return {"intercept": _digits(model[0]), "coef": _listed(coef)}


def _column(of: Any, values: FloatArray) -> FloatArray:
    """nanmean or nanstd by column, NaN (silently) where a column has no value."""
    result = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    result[some] = of(values[:, some], axis=0)
    return result


def _mean_abs(error: FloatArray) -> float:
    return _digits(np.mean(np.abs(error)))


def _rounded(values: FloatArray) -> FloatArray:
    return np.asarray(np.round(values, 9))


def _listed(values: FloatArray) -> list[float]:
    return [_digits(value) for value in values]


def _digits(value: Any) -> float:
    return float(f"{float(value):.{_DIGITS}g}")
