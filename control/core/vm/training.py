"""From history to a stored estimator per stream: a main model, and a linear reference beside it.

Labels are metrology only, each paired with the snapshots that made its metre. The residual to physics (and to assumed
gains of the parameters a loop moves) is what is fitted, so the effect of a move never comes from closed-loop history.

Time runs one way. The last 45 % of the labels are foretold block by block by models that had only seen what lies
before; errors are taken as they will be in use, after the bias that was known when the metre was made. Settings are
chosen on all blocks but the last, the figures are those of the last, and the interval is drawn from all of them. What
is stored is then fitted once more, with the same settings, to everything: newer history tells more of what comes next,
and a model of more rows is not worse than those the interval was drawn from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from control.core.machine import StreamConfig
from control.core.pairing import rows_at
from control.core.types import BoolArray, FloatArray, IntArray, Measured, MeasuredBy, Quality, Trace
from control.core.vm import estimator, fitting, following, physics, reliability, splits
from control.core.vm.following import Known
from control.core.vm.inputs import Choice, Inputs, Recipe, digits, gathered, listed
from control.core.vm.onnx import load

__all__ = ["Choice", "Recipe", "Trained", "train"]

FEWEST_LABELS = 60
BIAS_WEIGHTS = (0.2, 0.3, 0.5)  # slower ones follow a drift too late: no better even where they fitted training best
USUAL_WEIGHT = 0.2  # with which candidates are compared, before a weight is chosen
MOST_BOOSTED = 2000  # rows that trees are grown on: more cost minutes and tell little


@dataclass(frozen=True, slots=True)
class Trained:
    """One stored content per stream that could be trained, and why the others could not."""

    contents: Mapping[str, dict[str, Any]]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    """One stream's labels in the order their metres were made, all (n,).

    ``at`` indexes the rows of the inputs, ``base`` is what physics and assumed gains say of the same metre.
    """

    at: IntArray
    value: FloatArray
    made_s: FloatArray
    known_s: FloatArray
    base: FloatArray

    def __len__(self) -> int:
        return len(self.at)

    @property
    def residual(self) -> FloatArray:
        return self.value - self.base

    def take(self, which: IntArray | BoolArray) -> _Labels:
        return _Labels(*(getattr(self, name)[which] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class _Foretold:
    """A model as it is stored, its errors (n,) on all labels, which it has seen, and how it did unseen.

    ``error`` (m,) are those on the last m labels, each made by a model that had only seen what lies before.
    """

    model: dict[str, Any]
    left: FloatArray
    error: FloatArray


def train(
    tags: Sequence[str],
    streams: Sequence[StreamConfig],
    trace: Trace,
    measured: Measured,
    recipe: Recipe,
    progress: Callable[[float], None] = lambda share: None,
) -> Trained:
    """Train every stream of one equipment. ``tags`` name the trace's columns, ``streams`` what ``measured`` indexes.

    Only good values of the metrology each stream is fed by are used; a prediction among them is an error, not a label.
    ``progress`` hears before each stream what share is done, and may raise to end it.
    """
    if np.any(measured.by == int(MeasuredBy.PREDICTION)):
        raise ValueError("a prediction is not a label: estimators are trained on metrology only")
    _check(tags, streams, recipe)
    row = rows_at(trace, measured.roll, measured.web_m).row
    fed_by = np.array([int(stream.feedback) for stream in streams], np.int64)
    good = (row >= 0) & np.isfinite(measured.value) & (measured.quality == int(Quality.GOOD))
    good &= (measured.by == fed_by[measured.stream]) & ~_counted(streams)[measured.stream]
    order = np.flatnonzero(good)[np.argsort(row[good], kind="stable")]
    if len(order) < FEWEST_LABELS:
        return Trained({}, {stream.key: _too_few(len(order)) for stream in streams if not stream.counted})
    rows, at = np.unique(row[order], return_inverse=True)
    inputs = gathered(tags, trace, rows, recipe)
    every = _Labels(at, measured.value[order], trace.at_s[rows][at], measured.at_s[order], np.full(len(order), np.nan))
    contents: dict[str, dict[str, Any]] = {}
    refused: dict[str, str] = {}
    for index, stream in enumerate(streams):
        progress(index / len(streams))
        if stream.counted:
            continue
        of_stream = (measured.stream[order] == index) & inputs.usable[at]
        try:
            contents[stream.key] = _train_stream(stream, inputs, every.take(of_stream))
        except ValueError as reason:
            refused[stream.key] = str(reason)
    return Trained(contents, refused)


def _counted(streams: Sequence[StreamConfig]) -> BoolArray:
    """What of them is counted (streams,), which nothing predicts."""
    return np.array([stream.counted for stream in streams], np.bool_)


def _check(tags: Sequence[str], streams: Sequence[StreamConfig], recipe: Recipe) -> None:
    unknown = [tag for tag in (*recipe.inputs, *sorted(recipe.moved)) if tag not in tags]
    if unknown or not recipe.inputs:
        raise ValueError(f"no such input: {', '.join(unknown)}" if unknown else "an estimator needs inputs")
    left_out = sorted(recipe.moved - set(recipe.inputs))
    if left_out:
        raise ValueError(f"a parameter with an assumed gain must be an input: {', '.join(left_out)}")
    for stream in streams:
        _check_choice(stream.key, recipe)
    physics.check(recipe.physics, recipe.inputs)


def _check_choice(stream: str, recipe: Recipe) -> None:
    chosen = recipe.chosen(stream)
    if chosen.reference not in fitting.LINEAR:
        raise ValueError(f"{stream}: the reference must be linear: {' or '.join(fitting.LINEAR)}")
    if stream not in recipe.outside and chosen.main not in fitting.KINDS:
        raise ValueError(f"{stream}: kind {chosen.main!r} is not one of {', '.join(fitting.KINDS)}")
    if chosen.main == chosen.reference and stream not in recipe.outside:
        raise ValueError(f"{stream}: main and reference are both {chosen.main}; two that are alike always agree")


def _too_few(labels: int) -> str:
    return f"{labels} good labels could be paired with their snapshots, {FEWEST_LABELS} are needed"


def _train_stream(stream: StreamConfig, inputs: Inputs, labels: _Labels) -> dict[str, Any]:
    recipe = inputs.recipe
    outside = recipe.outside.get(stream.key)
    gains = _own_gains(stream, recipe)
    base, known = _base(stream, inputs, gains)
    labels = _sound(labels, base)
    chosen = recipe.chosen(stream.key)
    reference = _foretold(chosen.reference, inputs, labels)
    main = _foretold(chosen.main, inputs, labels) if outside is None else _from_outside(outside, inputs, labels)
    figures = _figures(stream, labels, main.error)
    main_start, reference_start = (
        following.bias(one.left, figures["bias_weight"], _known(labels, len(labels)))[-1] for one in (main, reference)
    )
    content: dict[str, Any] = {
        "version": estimator.VERSION,
        "stream": stream.key,
        "inputs": inputs.stored,
        "physics": dict(recipe.physics) if known else {"kind": "none"},
        "gains": {tag: float(gain) for tag, gain in sorted(gains.items())},
        "main": _shifted(main.model, main_start),
        "reference": _shifted(reference.model, reference_start),
        "label_mean": digits(labels.value.mean()),
        "label_sigma": digits(labels.value.std()),
        **figures,
    }
    largest = _largest_error(stream, figures["residual_sigma"])
    content["ri_threshold"] = digits(reliability.reliance_threshold(largest, content["label_sigma"]))
    content["metrics"] |= {"kind": content["main"]["kind"], "reference": content["reference"]["kind"]}
    content["window"] = {"from_s": float(labels.made_s[0]), "to_s": float(labels.made_s[-1])}
    return content


def _sound(labels: _Labels, base: FloatArray) -> _Labels:
    """Labels that physics can speak of, without single wild readings."""
    labels = labels.take(np.isfinite(base[labels.at]))
    labels = _Labels(labels.at, labels.value, labels.made_s, labels.known_s, base[labels.at])
    labels = labels.take(~following.wild(labels.residual))
    if len(labels) < FEWEST_LABELS:
        raise ValueError(_too_few(len(labels)))
    if _only_rounding(float(labels.residual.std()), labels):
        raise ValueError("the labels do not vary")
    return labels


def _only_rounding(spread: float, labels: _Labels) -> bool:
    return not spread > 1e-12 * max(abs(float(labels.value.mean())), 1.0)


def _own_gains(stream: StreamConfig, recipe: Recipe) -> dict[str, float]:
    """Assumed gains that physics does not already account for."""
    by_physics = physics.uses(recipe.physics, stream.characteristic, stream.side)
    return {tag: gain for tag, gain in recipe.gains.get(stream.key, {}).items() if gain and tag not in by_physics}


def _base(stream: StreamConfig, inputs: Inputs, gains: Mapping[str, float]) -> tuple[FloatArray, bool]:
    """Physics plus assumed gains at every row (n,), and whether physics had a say."""
    tags, means = inputs.recipe.inputs, inputs.means
    columns = {tag: means[:, i] for i, tag in enumerate(tags)}
    known = physics.base(inputs.recipe.physics, stream.characteristic, stream.side, columns)
    total = np.zeros(len(means)) if known is None else known.copy()
    for tag, gain in gains.items():
        total += gain * (columns[tag] - inputs.mean[tags.index(tag)])
    return total, known is not None


def _foretold(kind: str, inputs: Inputs, labels: _Labels) -> _Foretold:
    """The candidate of a kind that foretells best, fitted to all labels, and how it foretold the later ones."""
    z, y = inputs.z[labels.at][:, inputs.fitted], labels.residual
    blocks = splits.forward(len(labels))
    paths = [fitting.candidates(kind, *_thinned(kind, z[fit], y[fit]), inputs.recipe.components) for fit, _ in blocks]
    errors = [
        np.concatenate(
            [y[score] - fitting.predict(path[c], z[score]) for path, (_, score) in zip(paths, blocks, strict=True)]
        )
        for c in range(min(map(len, paths)))
    ]
    known, tuned = _known(labels, len(errors[0])), _tuned(blocks)
    best = min(range(len(errors)), key=lambda c: _mean_square(errors[c], USUAL_WEIGHT, known, tuned))
    last = fitting.candidates(kind, *_thinned(kind, z, y), inputs.recipe.components)
    model = last[min(best, len(last) - 1)]
    stored = _spread_out(model, inputs.fitted, fitting.weight(model, z))
    return _Foretold(stored, y - fitting.predict(model, z), errors[best])


def _thinned(kind: str, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    step = -(-len(y) // MOST_BOOSTED) if kind == "boosting" else 1
    return z[::step], y[::step]


def _from_outside(model: Mapping[str, Any], inputs: Inputs, labels: _Labels) -> _Foretold:
    """An outside model's errors on the same labels; whether it had seen them before, only its maker knows."""
    names = list(dict.fromkeys(name for of in model["inputs"].values() for name in of))
    features = inputs.features(names)[labels.at]
    outside = load(model, {name: i for i, name in enumerate(names)})

    def told(at: FloatArray) -> FloatArray:
        return outside.predict(at)[:, model["column"]]

    predicted = told(features)
    target = labels.value if model["predicts"] == "value" else labels.residual
    if not np.isfinite(predicted).all():
        raise ValueError("the outside model answers with something that is not a number")
    weight = np.zeros(len(inputs.mean))
    for i, name in enumerate(names):
        without = features.copy()
        without[:, i] = inputs.mean[(column := estimator.feature_column(name, inputs.recipe.inputs))]
        weight[column] = np.sqrt(np.mean((told(without) - predicted) ** 2))
    begin = int(splits.forward(len(labels))[0][1][0])
    stored = {**model, "kind": "onnx", "intercept": 0.0, "weight": listed(weight)}
    return _Foretold(stored, target - predicted, (target - predicted)[begin:])


def _known(labels: _Labels, last: int) -> Known:
    return Known.of(labels.made_s[-last:], labels.known_s[-last:])


def _tuned(blocks: Sequence[tuple[IntArray, IntArray]]) -> int:
    """How many of the foretold labels may be looked at before the figures are taken: all but the last block."""
    return sum(len(score) for _, score in blocks[:-1])


def _mean_square(error: FloatArray, weight: float, known: Known, first: int) -> float:
    return float(np.mean(following.corrected(error, weight, known)[:first] ** 2))


def _figures(stream: StreamConfig, labels: _Labels, error: FloatArray) -> dict[str, Any]:
    """The bias weight, the interval and what came of them, from errors (m,) foretold."""
    known, tuned = _known(labels, len(error)), _tuned(splits.forward(len(labels)))
    weight = stream.bias_weight or min(BIAS_WEIGHTS, key=lambda w: _mean_square(error, w, known, tuned))
    corrected = following.corrected(error, weight, known)
    residual_sigma = following.robust_sigma(corrected)
    if _only_rounding(residual_sigma, labels):
        raise ValueError("the labels are foretold without error: nothing tells how far off a measured value may be")
    foretold = labels.value[-len(error) :]
    before = labels.value[: -len(error)]
    tested, value = corrected[tuned:], foretold[tuned:]
    last = following.last_known(foretold, float(before[-1]), known)[tuned:]
    metrics = {
        "labels": len(labels),
        "tested": len(tested),
        "mae": _mean_abs(tested),
        "rmse": digits(np.sqrt(np.mean(tested**2))),
        "mae_without_bias": _mean_abs(error[tuned:]),
        "mae_of_mean": _mean_abs(value - labels.value[: -len(tested)].mean()),
        "mae_of_last": _mean_abs(value - last),
        "coverage": digits(np.mean(np.abs(tested) <= following.conformal(corrected[:tuned]))),
    }
    return {
        "residual_sigma": digits(residual_sigma),
        "half_width": digits(following.conformal(corrected)),
        "bias_weight": weight,
        "metrics": metrics,
    }


def _shifted(model: Mapping[str, Any], start: float) -> dict[str, Any]:
    """A model with the bias of its last labels in its intercept: it begins where the process is, not at its mean."""
    return {**model, "intercept": digits(model["intercept"] + start)}


def _largest_error(stream: StreamConfig, residual_sigma: float) -> float:
    """The largest disagreement allowed: a quarter of the tolerance, but not less than three sigma of the model."""
    tolerance = stream.upper - stream.lower
    return max(3 * residual_sigma, tolerance / 4) if np.isfinite(tolerance) else 3 * residual_sigma


def _spread_out(model: Mapping[str, Any], fitted: BoolArray, weight: FloatArray) -> dict[str, Any]:
    """A model of the fitted inputs written down for all of them, rounded."""
    places = np.flatnonzero(fitted)
    stored = dict(model)
    if "coef" in model:
        coef = np.zeros(len(fitted))
        coef[places] = model["coef"]
        return {**stored, "coef": listed(coef)}
    worth = np.zeros(len(fitted))
    worth[places] = weight
    return {
        **stored,
        "feature": [places[np.array(of)].tolist() for of in model["feature"]],
        "threshold": [listed(of) for of in model["threshold"]],
        "value": [listed(of) for of in model["value"]],
        "weight": listed(worth),
    }


def _mean_abs(error: FloatArray) -> float:
    return digits(np.mean(np.abs(error)))
