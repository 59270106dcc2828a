"""A trained estimator as plain numbers, and all those of one equipment folded into one matrix product.

What is stored per stream is a dict of JSON values (coefficients, never code), written by :mod:`training`:
``stream``, ``inputs`` (tags, window_s, mean, scale, similarity, gsi_threshold), ``physics``, ``gains``, ``main``,
``reference``, ``label_mean``, ``label_sigma``, ``residual_sigma``, ``half_width``, ``bias_weight``, ``ri_threshold``,
``metrics``, ``window`` (from_s, to_s of the labels).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from control.core.types import BoolArray, FloatArray, IntArray, Quality, Trace
from control.core.vm import physics
from control.core.vm.features import Windows, windows
from control.core.vm.reliability import culprit, reliance, similarity

VERSION = 1
TOO_MANY_MISSING = 0.3  # share of a stream's inputs
MATTERS = 0.1  # of the half width: what one sigma of a tag must be worth for its loss to make a prediction doubtful
OWN = ("half_width", "residual_sigma", "bias_weight", "ri_threshold", "label_mean", "label_sigma")
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """Per row and stream (k, streams), without the bias. ``culprit`` is a column of the trace.

    NaN and BAD where no estimator speaks for the stream or too much of its input is missing.
    """

    value: FloatArray
    ri: FloatArray
    gsi: FloatArray
    culprit: IntArray
    quality: IntArray

    @classmethod
    def nothing(cls, rows: int, streams: int) -> Predicted:
        shape = (rows, streams)
        nan = np.full(shape, np.nan)
        return cls(nan, nan.copy(), nan.copy(), np.full(shape, -1, np.int64), np.full(shape, int(Quality.BAD)))


@dataclass(frozen=True, slots=True, eq=False)
class _Law:
    """What physics says of the streams that are alike to it; ``streams`` are places in their group."""

    config: Mapping[str, Any]
    characteristic: str
    side: str
    streams: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Streams trained on the same inputs: one set of windows and one product serve them all.

    Of its p tags, v are varied: a model uses their deviation or slope, not only their mean. w are watched by GSI, c are
    vital: some stream's prediction hangs on them. These are places in ``tags``. q = p + 2 v inputs, s streams.
    """

    tags: tuple[str, ...]
    columns: IntArray  # (p,) of the trace
    window_s: float
    varied: IntArray  # (v,)
    mean: FloatArray  # (q,)
    scale: FloatArray  # (q,)
    watched: IntArray  # (w,)
    similarity: FloatArray  # (w, w)
    streams: IntArray | slice  # (s,)
    laws: tuple[_Law, ...]
    physical: Mapping[str, int]  # tags that a law needs, and their places
    models: FloatArray  # (q, 2s): main beside reference, with the assumed gains in both
    intercept: FloatArray  # (2s,)
    label_sigma: FloatArray  # (s,)
    vital: IntArray  # (c,)
    matters: FloatArray  # (c, s): 1 where a stream hangs on a tag, else 0

    def predict(self, trace: Trace, rows: IntArray, into: Predicted) -> None:
        seen = windows(trace, rows, self.columns, self.window_s, self.varied)
        z, missing = self._standardised(seen)
        told = z @ self.models
        told += self.intercept
        main, reference = told[:, : len(self.label_sigma)], told[:, len(self.label_sigma) :]
        ri = reliance(main / self.label_sigma, reference / self.label_sigma)
        value = main + self._physics(z)
        quality = self._quality(trace, rows, seen, missing, np.isfinite(value))
        bad = quality == int(Quality.BAD)
        value[bad] = ri[bad] = np.nan
        level = z.take(self.watched, axis=1)
        into.value[:, self.streams] = value
        into.ri[:, self.streams] = ri
        into.gsi[:, self.streams] = similarity(level, self.similarity)[:, None]
        into.culprit[:, self.streams] = self.columns[self.watched[culprit(level)]][:, None]
        into.quality[:, self.streams] = quality

    def _standardised(self, seen: Windows) -> tuple[FloatArray, BoolArray]:
        """The inputs of the models (k, q), and which are missing (k, q): those are taken to stand at their mean."""
        z = seen.matrix - self.mean
        z /= self.scale
        missing = np.isnan(z)
        if missing.any():
            z[missing] = 0.0
        return z, missing

    def _physics(self, z: FloatArray) -> FloatArray:
        """The physical prediction (k, s); 0 where it says nothing: the intercept holds the constant part there."""
        known = np.zeros((len(z), len(self.label_sigma)))
        columns = {tag: z[:, i] * self.scale[i] + self.mean[i] for tag, i in self.physical.items()}
        for law in self.laws:
            base = physics.base(law.config, law.characteristic, law.side, columns)
            if base is not None:
                known[:, law.streams] = base[:, None]
        return known

    def _quality(self, trace: Trace, rows: IntArray, seen: Windows, missing: BoolArray, finite: BoolArray) -> IntArray:
        vital = self.columns[self.vital]
        now, said = (column.take(rows, axis=0).take(vital, axis=1) for column in (trace.values, trace.quality))
        unsure = missing.take(self.vital, axis=1) | ~np.isfinite(now) | (said != int(Quality.GOOD))
        quality = np.full(finite.shape, int(Quality.GOOD))
        quality[unsure.astype(np.float64) @ self.matters > 0] = int(Quality.DOUBTFUL)
        quality[~seen.running | ~seen.covered] = int(Quality.DOUBTFUL)
        quality[missing[:, : len(self.tags)].sum(axis=1) > TOO_MANY_MISSING * len(self.tags)] = int(Quality.BAD)
        quality[~finite] = int(Quality.BAD)
        return quality


@dataclass(frozen=True, slots=True, eq=False)
class Estimator:
    """All estimators of one equipment. ``half_width``, ``residual_sigma``, ``bias_weight``, the thresholds and the
    labels' mean and sigma are (streams,), NaN where a stream has none. ``hash`` changes with any of them.
    """

    hash: str
    window_s: float
    half_width: FloatArray
    residual_sigma: FloatArray
    bias_weight: FloatArray
    ri_threshold: FloatArray
    label_mean: FloatArray
    label_sigma: FloatArray
    gsi_threshold: FloatArray
    _groups: tuple[_Group, ...]

    @classmethod
    def load(cls, contents: Sequence[Content], tags: Sequence[str], streams: Sequence[str]) -> Estimator | None:
        """Fold the stored contents for these trace columns and streams; None when there is none.

        A content for a stream or with a tag that the equipment does not have is refused by name.
        """
        if not contents:
            return None
        columns = {tag: i for i, tag in enumerate(tags)}
        places = {key: i for i, key in enumerate(streams)}
        for content in contents:
            _check(content, columns, places)
        shared: dict[str, list[Content]] = {}
        for content in contents:
            shared.setdefault(_canonical(content["inputs"]), []).append(content)
        own = {name: np.full(len(streams), np.nan) for name in OWN}
        gsi_threshold = np.full(len(streams), np.nan)
        for content in contents:
            for name, column in own.items():
                column[places[content["stream"]]] = content[name]
            gsi_threshold[places[content["stream"]]] = content["inputs"]["gsi_threshold"]
        return cls(
            hash=content_hash(sorted(content_hash(content) for content in contents)),
            window_s=max(float(content["inputs"]["window_s"]) for content in contents),
            gsi_threshold=gsi_threshold,
            _groups=tuple(_group(members, columns, places) for members in shared.values()),
            **own,
        )

    def predict(self, trace: Trace, rows: IntArray) -> Predicted:
        """Every stream at each of ``rows`` of the trace."""
        into = Predicted.nothing(len(rows), len(self.half_width))
        if len(rows):
            for group in self._groups:
                group.predict(trace, rows, into)
        return into

    def window_mean(self, trace: Trace, rows: IntArray, columns: IntArray) -> FloatArray:
        """Mean of tags over the same window the predictions were made from (k, tags): what they are paired with."""
        return windows(trace, rows, columns, self.window_s, np.empty(0, np.int64)).mean


def content_hash(content: Any) -> str:
    """SHA-256 over the canonical JSON of a content."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _check(content: Content, columns: Mapping[str, int], places: Mapping[str, int]) -> None:
    if content["version"] != VERSION:
        raise ValueError(f"estimator version {content['version']} is not {VERSION}")
    if content["stream"] not in places:
        raise ValueError(f"estimator for {content['stream']}: the equipment has no such stream")
    unknown = [tag for tag in content["inputs"]["tags"] if tag not in columns]
    if unknown:
        raise ValueError(f"estimator for {content['stream']}: the equipment has no tag {', '.join(unknown)}")


def _group(members: Sequence[Content], columns: Mapping[str, int], places: Mapping[str, int]) -> _Group:
    inputs = members[0]["inputs"]
    tags: tuple[str, ...] = tuple(inputs["tags"])
    p = len(tags)
    physical = [physics.uses(member["physics"], *_name(member["stream"])) for member in members]
    main, reference = _stack(members, "main"), _stack(members, "reference")
    gains = np.array([[float(member["gains"].get(tag, 0.0)) for member in members] for tag in tags])
    half_width = np.array([float(member["half_width"]) for member in members])
    matters = _matters(main, gains, half_width, tags, physical)
    vital = np.flatnonzero(matters.any(axis=1))
    models = np.hstack([main, reference])
    varied = np.flatnonzero((models != 0).any(axis=1).reshape(3, p)[1:].any(axis=0))
    used = np.concatenate([np.arange(p), p + varied, 2 * p + varied])
    scale = np.array(inputs["scale"], np.float64)
    models[:p] += np.tile(gains * scale[:p, None], 2)
    matrix = np.array(inputs["similarity"], np.float64)
    watched = np.flatnonzero(np.diag(matrix) > 0) if matrix.any() else np.zeros(1, np.int64)
    return _Group(
        tags=tags,
        columns=np.array([columns[tag] for tag in tags], np.int64),
        window_s=float(inputs["window_s"]),
        varied=varied,
        mean=np.array(inputs["mean"], np.float64)[used],
        scale=scale[used],
        watched=watched,
        similarity=matrix[np.ix_(watched, watched)],
        streams=_consecutive([places[member["stream"]] for member in members]),
        laws=_laws(members),
        physical={tag: tags.index(tag) for needed in physical for tag in needed},
        models=models[used],
        intercept=np.array([float(m[model]["intercept"]) for model in ("main", "reference") for m in members]),
        label_sigma=np.array([member["label_sigma"] for member in members]),
        vital=vital,
        matters=matters[vital].astype(np.float64),
    )


def _laws(members: Sequence[Content]) -> tuple[_Law, ...]:
    alike: dict[str, list[int]] = {}
    for i, member in enumerate(members):
        name = _name(member["stream"])
        if physics.uses(member["physics"], *name):
            alike.setdefault(_canonical([member["physics"], name]), []).append(i)
    return tuple(
        _Law(members[streams[0]]["physics"], *_name(members[streams[0]]["stream"]), np.array(streams, np.int64))
        for streams in alike.values()
    )


def _consecutive(numbers: list[int]) -> IntArray | slice:
    """An index of these numbers; a slice, which is quicker, where they follow each other."""
    begin, end = numbers[0], numbers[0] + len(numbers)
    return slice(begin, end) if numbers == list(range(begin, end)) else np.array(numbers, np.int64)


def _stack(members: Sequence[Content], model: str) -> FloatArray:
    return np.array([member[model]["coef"] for member in members], np.float64).T


def _name(stream: str) -> tuple[str, str]:
    characteristic, _, lane = stream.partition("/")
    return characteristic, lane.partition("-")[2] or "both"


def _matters(
    main: FloatArray, gains: FloatArray, half_width: FloatArray, tags: tuple[str, ...], used: Sequence[tuple[str, ...]]
) -> BoolArray:
    """Which tags a stream's prediction hangs on (p, s): by weight in the model, by assumed gain, or through physics."""
    weight = np.abs(main).reshape(3, len(tags), -1).sum(axis=0)
    matters: BoolArray = (weight > MATTERS * half_width) | (gains != 0)
    for s, names in enumerate(used):
        matters[[tags.index(name) for name in names], s] = True
    return matters
