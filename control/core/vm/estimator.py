"""A trained estimator as plain numbers, and all those of one equipment folded into one matrix product.

What is stored per stream is a dict of JSON values (coefficients, never code), written by :mod:`training`:
``stream``, ``inputs`` (tags, window_s, mean, scale, similarity, gsi_threshold, consistency, reach, dqix_threshold,
operating), ``physics``, ``gains``, ``main``, ``reference``, ``label_mean``, ``label_sigma``, ``residual_sigma``,
``half_width``, ``bias_weight``, ``ri_threshold``, ``metrics``, ``window`` (from_s, to_s of the labels).

``main`` is linear (``intercept``, ``coef``), boosted trees (see :mod:`trees`) or an outside model (see :mod:`onnx`);
``reference`` is always linear. All add to physics and assumed gains, unless an outside model predicts the whole value.
Version 1 had linear models only, and neither ``consistency`` nor ``operating``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from control.core.types import BoolArray, FloatArray, IntArray, Quality, Trace
from control.core.vm import onnx, physics
from control.core.vm.features import KINDS, Windows, means, windows
from control.core.vm.reliability import culprit, reliance
from control.core.vm.trees import Forest

VERSION = 2
READABLE = (1, 2)
TOO_MANY_MISSING = 0.3  # share of a stream's inputs
MATTERS = 0.1  # of the half width: what one sigma of a tag must be worth for its loss to make a prediction doubtful
EDGES = (-1.5, -0.5, 0.5, 1.5)  # steps of a parameter between which the model's gain is taken
OWN = ("half_width", "residual_sigma", "bias_weight", "ri_threshold", "label_mean", "label_sigma")
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """Per row and stream (k, streams), without the bias. ``culprit`` is a column of the trace.

    NaN and BAD where no estimator speaks for the stream or too much of its input is missing. ``dqix`` is over its
    threshold: above 1 the inputs contradict each other, ``quality`` is DOUBTFUL, and nothing may be learned from it.
    It is NaN where an input is missing.
    """

    value: FloatArray
    ri: FloatArray
    gsi: FloatArray
    dqix: FloatArray
    culprit: IntArray
    quality: IntArray

    @classmethod
    def nothing(cls, rows: int, streams: int) -> Predicted:
        shape = (rows, streams)
        nan = np.full(shape, np.nan)
        bad = np.full(shape, int(Quality.BAD))
        return cls(nan, nan.copy(), nan.copy(), nan.copy(), np.full(shape, -1, np.int64), bad)


@dataclass(frozen=True, slots=True, eq=False)
class _Law:
    """What physics says of the streams that are alike to it; ``streams`` are places in their group."""

    config: Mapping[str, Any]
    characteristic: str
    side: str
    streams: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class _Outside:
    """An outside model and what it is asked for.

    ``features`` (f,) are places among the inputs, ``outputs`` (o,) columns of its answer, ``streams`` (o,) places in
    the group. ``whole`` (o,): it predicts the value, not the residual.
    """

    model: onnx.Outside
    features: IntArray
    outputs: IntArray
    streams: IntArray
    whole: BoolArray


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
    indices: FloatArray  # (p, 3p): the matrices of GSI, of DQIx over its threshold, and of what divides it
    operating: FloatArray  # (o, p) standardised window means of training, to try the model's gain at
    streams: IntArray | slice  # (s,)
    laws: tuple[_Law, ...]
    physical: Mapping[str, int]  # tags that a law needs, and their places
    models: FloatArray  # (q, 2s): main beside reference, with the assumed gains in both
    intercept: FloatArray  # (2s,)
    forest: Forest | None
    outside: tuple[_Outside, ...]
    label_sigma: FloatArray  # (s,)
    vital: IntArray  # (c,)
    matters: FloatArray  # (c, s): 1 where a stream hangs on a tag, else 0

    def predict(self, trace: Trace, rows: IntArray, into: Predicted) -> None:
        seen = windows(trace, rows, self.columns, self.window_s, self.varied)
        z, missing = self._standardised(seen)
        value, ri = self.respond(z)
        level = z[:, : len(self.tags)]
        found = (level @ self.indices).reshape(len(z), 3, len(self.tags)) @ level[:, :, None]
        gsi, dqix = found[:, 0], found[:, 1] / (1.0 + found[:, 2])
        if missing.any():
            dqix[missing[:, : len(self.tags)].any(axis=1)] = np.nan
        quality = self._quality(trace, rows, seen, missing, np.isfinite(value))
        lying = dqix > 1.0
        if lying.any():
            quality[lying & (quality == int(Quality.GOOD))] = int(Quality.DOUBTFUL)
        bad = quality == int(Quality.BAD)
        value[bad] = ri[bad] = np.nan
        into.value[:, self.streams] = value
        into.ri[:, self.streams] = ri
        into.gsi[:, self.streams] = gsi
        into.dqix[:, self.streams] = dqix
        into.culprit[:, self.streams] = self.columns[self.watched[culprit(z.take(self.watched, axis=1))]][:, None]
        into.quality[:, self.streams] = quality

    def respond(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values and RI (k, s) at standardised inputs (k, q)."""
        told = z @ self.models
        told += self.intercept
        main, reference = told[:, : len(self.label_sigma)], told[:, len(self.label_sigma) :]
        base = self._physics(z)
        if self.forest is not None:
            main[:, self.forest.streams] += self.forest.predict(z)
        for part in self.outside:
            answer = part.model.predict(z[:, part.features] * self.scale[part.features] + self.mean[part.features])
            less = np.where(part.whole, base[:, part.streams], 0.0)
            main[:, part.streams] += answer[:, part.outputs] - less
        return main + base, reliance(main / self.label_sigma, reference / self.label_sigma)

    def gains(self, tags: Sequence[str], steps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Settings (places, n) and dy^/du there (places, s, n), by differences over one step of each tag.

        Places are the training mean and the operating points, each also a step below and above.
        """
        known = [i for i, tag in enumerate(tags) if tag in self.tags]
        at = [self.tags.index(tags[i]) for i in known]
        points = np.zeros((1 + len(self.operating), len(self.mean)))
        points[1:, : len(self.tags)] = self.operating
        z = np.repeat(points[:, None, None, :], len(known), axis=1).repeat(len(EDGES), axis=2)
        for j, (i, column) in enumerate(zip(known, at, strict=True)):
            z[:, j, :, column] += np.array(EDGES) * steps[i] / self.scale[column]
        slopes = np.zeros((len(points), len(EDGES) - 1, len(self.label_sigma), len(tags)))
        if known:
            value = self.respond(z.reshape(-1, len(self.mean)))[0].reshape(*z.shape[:3], -1)
            slopes[..., known] = np.moveaxis(np.diff(value, axis=2), 1, -1) / steps[known]
        settings = np.full((len(points), len(EDGES) - 1, len(tags)), np.nan)
        centre = np.array([edge + 0.5 for edge in EDGES[:-1]])[:, None] * steps[known]
        settings[..., known] = (points[:, at] * self.scale[at] + self.mean[at])[:, None, :] + centre
        return settings.reshape(-1, len(tags)), slopes.reshape(-1, len(self.label_sigma), len(tags))

    def _standardised(self, seen: Windows) -> tuple[FloatArray, BoolArray]:
        """The inputs of the models (k, q), and which are missing (k, q): those are taken to stand at their mean."""
        z = seen.matrix - self.mean
        z /= self.scale
        missing = np.isnan(z)
        if missing.any():
            z[missing] = 0.0
        return z, missing

    def place_of(self, stream: int) -> int:
        """The place of a stream in this group, -1 if it is in another."""
        if isinstance(self.streams, slice):
            return stream - self.streams.start if self.streams.start <= stream < self.streams.stop else -1
        return int(next(iter(np.flatnonzero(self.streams == stream)), -1))

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

    def gains(self, streams: Sequence[int], tags: Sequence[str], steps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Settings (places, tags) and dy^/du there (places, streams, tags), over moves of one step (tags,) each.

        NaN as a setting and 0 as a gain where a tag is no input. Every stream must have an estimator.
        """
        found: dict[int, tuple[FloatArray, FloatArray]] = {}
        rows = []
        for stream in streams:
            group = self.group_of(stream)
            assert group is not None, f"stream {stream} has no estimator"
            settings, slopes = found.setdefault(id(group), group.gains(tags, steps))
            rows.append((settings, slopes[:, group.place_of(stream)]))
        fewest = min(len(settings) for settings, _ in rows)
        return rows[0][0][:fewest], np.stack([slopes[:fewest] for _, slopes in rows], axis=1)

    def isi(self, trace: Trace, row: int, stream: int) -> dict[str, float]:
        """ISI of every input of a stream at one row: how far its window mean is from training, in sigma.

        Parameters that a loop moves are not among them, nor what is missing.
        """
        group = self.group_of(stream)
        if group is None:
            return {}
        mean = means(trace, np.array([row]), group.columns, group.window_s)[0]
        z = (mean - group.mean[: len(group.tags)]) / group.scale[: len(group.tags)]
        return {group.tags[i]: float(z[i]) for i in group.watched.tolist() if np.isfinite(z[i])}

    def group_of(self, stream: int) -> _Group | None:
        """The group that speaks for a stream."""
        return next((group for group in self._groups if group.place_of(stream) >= 0), None)

    def window_mean(self, trace: Trace, rows: IntArray, columns: IntArray) -> FloatArray:
        """Mean of tags over the same window the predictions were made from (k, tags): what they are paired with."""
        return means(trace, rows, columns, self.window_s)


def content_hash(content: Any) -> str:
    """SHA-256 over the canonical JSON of a content."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def feature_column(name: str, tags: Sequence[str]) -> int:
    """The place of ``tag`` or ``tag.mean``, ``tag.std``, ``tag.slope`` among the 3p features of p tags."""
    tag, _, kind = name.partition(".")
    if tag not in tags or (kind or "mean") not in KINDS:
        raise ValueError(f"no such feature: {name} (a tag of the inputs, or with .mean, .std or .slope)")
    return KINDS.index(kind or "mean") * len(tags) + list(tags).index(tag)


def _check(content: Content, columns: Mapping[str, int], places: Mapping[str, int]) -> None:
    if content["version"] not in READABLE:
        raise ValueError(f"estimator version {content['version']} is not one of {READABLE}")
    if content["stream"] not in places:
        raise ValueError(f"estimator for {content['stream']}: the equipment has no such stream")
    unknown = [tag for tag in content["inputs"]["tags"] if tag not in columns]
    if unknown:
        raise ValueError(f"estimator for {content['stream']}: the equipment has no tag {', '.join(unknown)}")
    if content["main"]["kind"] == "boosting":
        try:
            Forest.check(content["main"], 3 * len(content["inputs"]["tags"]))
        except ValueError as error:
            raise ValueError(f"estimator for {content['stream']}: {error}") from None


def _group(members: Sequence[Content], columns: Mapping[str, int], places: Mapping[str, int]) -> _Group:
    inputs = members[0]["inputs"]
    tags: tuple[str, ...] = tuple(inputs["tags"])
    p = len(tags)
    physical = [physics.uses(member["physics"], *_name(member["stream"])) for member in members]
    models = np.hstack([_stack(members, "main"), _stack(members, "reference")])
    gains = np.array([[float(member["gains"].get(tag, 0.0)) for member in members] for tag in tags])
    weight = np.array([_weight(member["main"]) for member in members]).T
    half_width = np.array([float(member["half_width"]) for member in members])
    matters = _matters(weight, gains, half_width, tags, physical)
    vital = np.flatnonzero(matters.any(axis=1))
    needed = (models != 0).any(axis=1) | (weight != 0).any(axis=1)
    needed[_outside_features(members, tags)] = True
    varied = np.flatnonzero(needed.reshape(3, p)[1:].any(axis=0))
    used = np.concatenate([np.arange(p), p + varied, 2 * p + varied])
    place = np.zeros(3 * p, np.int64)
    place[used] = np.arange(len(used))
    scale = np.array(inputs["scale"], np.float64)
    own = np.array([[not _whole(member)] for member in members]).T
    models[:p] += np.hstack([gains * own, gains]) * scale[:p, None]
    matrix = np.array(inputs["similarity"], np.float64)
    return _Group(
        tags=tags,
        columns=np.array([columns[tag] for tag in tags], np.int64),
        window_s=float(inputs["window_s"]),
        varied=varied,
        mean=np.array(inputs["mean"], np.float64)[used],
        scale=scale[used],
        watched=np.flatnonzero(np.diag(matrix) > 0) if matrix.any() else np.zeros(1, np.int64),
        indices=np.hstack([matrix, *_consistency(inputs)]),
        operating=np.array(inputs.get("operating", []), np.float64).reshape(-1, p),
        streams=_consecutive([places[member["stream"]] for member in members]),
        laws=_laws(members),
        physical={tag: tags.index(tag) for needed in physical for tag in needed},
        models=models[used],
        intercept=np.array([_intercept(m[model]) for model in ("main", "reference") for m in members]),
        forest=_forest(members, place),
        outside=_outside(members, tags, place),
        label_sigma=np.array([member["label_sigma"] for member in members]),
        vital=vital,
        matters=matters[vital].astype(np.float64),
    )


def _consistency(inputs: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """The matrices of DQIx over its threshold and of its divisor (p, p); nothing contradicts an older estimator."""
    nothing = np.zeros((len(inputs["tags"]), len(inputs["tags"])))
    matrix, reach = (np.array(inputs.get(name, nothing), np.float64) for name in ("consistency", "reach"))
    return np.asarray(matrix / float(inputs.get("dqix_threshold", 1.0))), reach


def _whole(content: Content) -> bool:
    return bool(content["main"].get("predicts") == "value")


def _weight(model: Mapping[str, Any]) -> FloatArray:
    """What one sigma of each input is worth to a model (3p,)."""
    return np.asarray(model["weight"] if "weight" in model else np.abs(model["coef"]), np.float64)


def _intercept(model: Mapping[str, Any]) -> float:
    return float(model.get("intercept", 0.0))


def _forest(members: Sequence[Content], place: IntArray) -> Forest | None:
    grown = [i for i, member in enumerate(members) if member["main"]["kind"] == "boosting"]
    return Forest.of([members[i]["main"] for i in grown], grown, place) if grown else None


def _outside_features(members: Sequence[Content], tags: Sequence[str]) -> list[int]:
    asked = {name for m in members if m["main"]["kind"] == "onnx" for of in m["main"]["inputs"].values() for name in of}
    return [feature_column(name, tags) for name in sorted(asked)]


def _outside(members: Sequence[Content], tags: Sequence[str], place: IntArray) -> tuple[_Outside, ...]:
    """One session for the streams that read the same model."""
    alike: dict[str, list[int]] = {}
    for i, member in enumerate(members):
        if member["main"]["kind"] == "onnx":
            alike.setdefault(onnx.key(member["main"]), []).append(i)
    found = []
    for streams in alike.values():
        model = members[streams[0]]["main"]
        names = list(dict.fromkeys(name for of in model["inputs"].values() for name in of))
        found.append(
            _Outside(
                model=onnx.load(model, {name: i for i, name in enumerate(names)}),
                features=place[[feature_column(name, tags) for name in names]],
                outputs=np.array([int(members[i]["main"]["column"]) for i in streams], np.int64),
                streams=np.array(streams, np.int64),
                whole=np.array([_whole(members[i]) for i in streams]),
            )
        )
    return tuple(found)


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
    """Coefficients (3p, s), 0 where a model is not linear."""
    nothing = [0.0] * (len(KINDS) * len(members[0]["inputs"]["tags"]))
    return np.array([member[model].get("coef", nothing) for member in members], np.float64).T


def _name(stream: str) -> tuple[str, str]:
    characteristic, _, lane = stream.partition("/")
    return characteristic, lane.partition("-")[2] or "both"


def _matters(
    weight: FloatArray,
    gains: FloatArray,
    half_width: FloatArray,
    tags: tuple[str, ...],
    used: Sequence[tuple[str, ...]],
) -> BoolArray:
    """Which tags a stream's prediction hangs on (p, s): by weight in the model, by assumed gain, or through physics."""
    by_tag = weight.reshape(3, len(tags), -1).sum(axis=0)
    matters: BoolArray = (by_tag > MATTERS * half_width) | (gains != 0)
    for s, names in enumerate(used):
        matters[[tags.index(name) for name in names], s] = True
    return matters
