"""What estimators are fitted on: standardised window features at the rows where something was measured.

Rows unlike the others are left out first. What an index may reach in steady running is found from windows in which no
tag moved much; a restart or a lying instrument in the history would otherwise make GSI and DQIx blind for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from control.core.types import BoolArray, FloatArray, IntArray, Trace
from control.core.vm import estimator, reliability
from control.core.vm.features import KINDS, windows

FEWEST_ROWS = 30
UNSTEADY = 5.0  # times what nine windows in ten do not exceed: a window in which a tag was on its way elsewhere
OPERATING = 8  # rows kept to try the model's gain at
_DIGITS = 12  # kept of every number, so that the same history gives the same hash


@dataclass(frozen=True, slots=True)
class Choice:
    """Kinds of the main and of the reference model of a stream."""

    main: str = "ridge"
    reference: str = "pls"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train on. ``inputs`` are tag keys; ``gains`` stream -> tag -> assumed gain of a parameter a loop moves.

    Such parameters are kept out of the fitted part. ``physics`` is the table of the plant file. ``choice`` holds for
    every stream without one of its own in ``choices``; ``outside`` are stored main models that are not fitted here.
    """

    inputs: tuple[str, ...]
    window_s: float = 30.0
    physics: Mapping[str, Any] = field(default_factory=lambda: {"kind": "none"})
    gains: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    components: int = 6
    choice: Choice = Choice()
    choices: Mapping[str, Choice] = field(default_factory=dict)
    outside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def moved(self) -> frozenset[str]:
        return frozenset(tag for gains in self.gains.values() for tag in gains)

    def chosen(self, stream: str) -> Choice:
        return self.choices.get(stream, self.choice)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Standardised features at every label's row. ``z`` (n, 3p), ``fitted`` (3p,) which of them a model may use."""

    recipe: Recipe
    mean: FloatArray
    scale: FloatArray
    z: FloatArray
    usable: BoolArray  # (n,)
    fitted: BoolArray
    stored: dict[str, Any]

    @property
    def means(self) -> FloatArray:
        """Window means (n, p) in the tags' units, the training mean where missing."""
        p = len(self.recipe.inputs)
        return self.z[:, :p] * self.scale[:p] + self.mean[:p]

    def features(self, names: Sequence[str]) -> FloatArray:
        """Features by name, in the tags' units (n, f)."""
        columns = [estimator.feature_column(name, self.recipe.inputs) for name in names]
        return np.asarray(self.z[:, columns] * self.scale[columns] + self.mean[columns])


def gathered(tags: Sequence[str], trace: Trace, rows: IntArray, recipe: Recipe) -> Inputs:
    """Windows at the labels' rows (n,), with what is stored of them: scaling, and the matrices of GSI and DQIx."""
    columns = np.array([list(tags).index(tag) for tag in recipe.inputs], np.int64)
    p = len(columns)
    seen = windows(trace, rows, columns, recipe.window_s)
    missing = (~np.isfinite(seen.mean)).mean(axis=1)
    usable = seen.running & seen.covered & (missing <= estimator.TOO_MANY_MISSING)
    steady = usable & _steady(seen.std, usable)
    moved = np.array([tag in recipe.moved for tag in recipe.inputs])
    mean, scale, _ = _scaling(seen.matrix, steady)
    usable &= _like(_standardised(seen.matrix, mean, scale)[:, :p], steady, moved)
    mean, scale, stood_still = _scaling(seen.matrix, usable)
    z = _standardised(seen.matrix, mean, scale)
    stored = {
        "tags": list(recipe.inputs),
        "window_s": float(recipe.window_s),
        "mean": listed(mean),
        "scale": listed(scale),
        **_indices(z[steady & usable, :p], moved),
        "operating": [listed(z[row, :p]) for row in _spread(np.flatnonzero(usable), OPERATING)],
    }
    return Inputs(recipe, mean, scale, z, usable, ~stood_still & ~np.tile(moved, len(KINDS)), stored)


def _steady(std: FloatArray, usable: BoolArray) -> BoolArray:
    """Windows (n,) in which every tag varied about as little as usual; all of them where that would be too few."""
    usual = _column(lambda values: np.nanquantile(values, 0.9, axis=0), std[usable])
    with np.errstate(invalid="ignore"):
        steady = np.asarray(~(std > UNSTEADY * usual).any(axis=1))
    return steady if steady[usable].sum() > 0.5 * usable.sum() else np.ones(len(std), bool)


def _like(level: FloatArray, steady: BoolArray, moved: BoolArray) -> BoolArray:
    """Rows (n,) whose window means (n, p) resemble steady running: by GSI and by DQIx."""
    found = _indices(level[steady], moved)
    gsi = reliability.similarity(level, np.array(found["similarity"]))
    dqix = reliability.inconsistency(level, np.array(found["consistency"]), np.array(found["reach"]))
    return np.asarray((gsi <= found["gsi_threshold"]) & (dqix <= found["dqix_threshold"]))


def _indices(level: FloatArray, moved: BoolArray) -> dict[str, Any]:
    """Matrices over all p inputs, and thresholds, of GSI and DQIx from steady rows (n, p).

    How far a loop has moved its parameters does not make the line a stranger: GSI does not look at them.
    """
    p, watched = level.shape[1], np.flatnonzero(~moved)
    own = reliability.similarity_matrix(level[:, watched])
    similarity = np.zeros((p, p))
    similarity[np.ix_(watched, watched)] = own
    consistency, reach = reliability.consistency_matrix(level, moved), reliability.reach_matrix(level, moved)
    return {
        "similarity": [listed(line) for line in similarity],
        "gsi_threshold": digits(reliability.similarity_threshold(level[:, watched], own)),
        "consistency": [listed(line) for line in consistency],
        "reach": [listed(line) for line in reach],
        "dqix_threshold": digits(reliability.consistency_threshold(level, consistency, reach, moved)),
    }


def _scaling(raw: FloatArray, rows: BoolArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Mean and scale of every feature over some rows, and which never moved there.

    An input that never moved is not fitted, yet must look unlike training as soon as it does.
    """
    if rows.sum() < FEWEST_ROWS:
        raise ValueError("the line hardly ran where it was measured: nothing to train on")
    mean = np.nan_to_num(_column(lambda values: np.nanmean(values, axis=0), raw[rows]))
    deviation = np.nan_to_num(_column(lambda values: np.nanstd(values, axis=0), raw[rows]))
    stood_still = deviation <= 1e-9 * np.maximum(np.abs(mean), 1e-9)
    scale = np.where(stood_still, np.where(mean != 0, 1e-3 * np.abs(mean), 1.0), deviation)
    return mean, scale, stood_still


def _standardised(raw: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    return np.asarray(np.round((np.where(np.isfinite(raw), raw, mean) - mean) / scale, 9))


def _spread(rows: IntArray, most: int) -> list[int]:
    """At most so many of the rows, evenly from first to last."""
    return [int(rows[i]) for i in np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))]


def _column(of: Any, values: FloatArray) -> FloatArray:
    """A statistic by column, NaN (silently) where a column has no value."""
    result = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    result[some] = of(values[:, some])
    return result


def listed(values: Any) -> list[float]:
    return [digits(value) for value in values]


def digits(value: Any) -> float:
    return float(f"{float(value):.{_DIGITS}g}")
