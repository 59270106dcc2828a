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
OWN = ("half_width", "residual_sigma", "bias_weight", "ri_threshold")
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
class _Group:
    """Streams trained on the same inputs: one set of windows and one product serve them all. p tags, s streams."""

    tags: tuple[str, ...]
    columns: IntArray  # (p,) of the trace
    window_s: float
    mean: FloatArray  # (3p,)
    scale: FloatArray  # (3p,)
    similarity: FloatArray  # (p, p)
    streams: IntArray  # (s,)
    names: tuple[tuple[str, str], ...]  # characteristic and side
    physics: Mapping[str, Any]
    main: FloatArray  # (3p, s)
    reference: FloatArray  # (3p, s)
    intercept: FloatArray  # (2, s) of main and reference
    gains: FloatArray  # (p, s)
    label_sigma: FloatArray  # (s,)
    matters: BoolArray  # (p, s)

    def predict(self, trace: Trace, rows: IntArray, into: Predicted) -> None:
        seen = windows(trace, rows, self.columns, self.window_s, self.mean[: len(self.tags)])
        raw = seen.matrix()
        z = (np.where(np.isfinite(raw), raw, self.mean) - self.mean) / self.scale
        level = z[:, : len(self.tags)]
        base = self._base(level)
        main = base + self.intercept[0] + z @ self.main
        reference = base + self.intercept[1] + z @ self.reference
        quality = self._quality(trace, rows, seen, np.isfinite(main))
        bad = quality >= Quality.BAD
        far = culprit(level * (np.diag(self.similarity) > 0))
        into.value[:, self.streams] = np.where(bad, np.nan, main)
        into.ri[:, self.streams] = np.where(
            bad, np.nan, reliance(main / self.label_sigma, reference / self.label_sigma)
        )
        into.gsi[:, self.streams] = similarity(level, self.similarity)[:, None]
        into.culprit[:, self.streams] = self.columns[far][:, None]
        into.quality[:, self.streams] = quality

    def _base(self, level: FloatArray) -> FloatArray:
        """Physics and assumed gains (k, s); the constant part of streams without physics is in the intercept."""
        p = len(self.tags)
        means = level * self.scale[:p] + self.mean[:p]
        columns = {tag: means[:, i] for i, tag in enumerate(self.tags)}
        total = (means - self.mean[:p]) @ self.gains
        for s, (characteristic, side) in enumerate(self.names):
            known = physics.base(self.physics, characteristic, side, columns)
            if known is not None:
                total[:, s] += known
        return np.asarray(total)

    def _quality(self, trace: Trace, rows: IntArray, seen: Windows, finite: BoolArray) -> IntArray:
        missing = ~np.isfinite(seen.mean)
        now = trace.values[np.ix_(rows, self.columns)]
        unsure = missing | ~np.isfinite(now) | (trace.quality[np.ix_(rows, self.columns)] != int(Quality.GOOD))
        doubtful = (unsure.astype(np.float64) @ self.matters) > 0
        doubtful |= (~seen.running | ~seen.covered)[:, None]
        bad = (missing.mean(axis=1) > TOO_MANY_MISSING)[:, None] | ~finite
        return np.where(bad, int(Quality.BAD), np.where(doubtful, int(Quality.DOUBTFUL), int(Quality.GOOD)))


@dataclass(frozen=True, slots=True, eq=False)
class Estimator:
    """All estimators of one equipment. ``half_width``, ``residual_sigma``, ``bias_weight`` and the thresholds are
    (streams,), NaN where a stream has none. ``hash`` changes with any of them.
    """

    hash: str
    window_s: float
    half_width: FloatArray
    residual_sigma: FloatArray
    bias_weight: FloatArray
    ri_threshold: FloatArray
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
            shared.setdefault(_canonical([content["inputs"], content["physics"]]), []).append(content)
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
        newest = trace.values[rows[-1], columns]
        return windows(trace, rows, columns, self.window_s, np.where(np.isfinite(newest), newest, 0.0)).mean


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
    inputs, config = members[0]["inputs"], members[0]["physics"]
    tags: tuple[str, ...] = tuple(inputs["tags"])
    names = tuple(_name(member["stream"]) for member in members)
    main = _stack(members, "main")
    half_width = np.array([float(member["half_width"]) for member in members])
    gains = np.array([[float(member["gains"].get(tag, 0.0)) for member in members] for tag in tags])
    return _Group(
        tags=tags,
        columns=np.array([columns[tag] for tag in tags], np.int64),
        window_s=float(inputs["window_s"]),
        mean=np.array(inputs["mean"], np.float64),
        scale=np.array(inputs["scale"], np.float64),
        similarity=np.array(inputs["similarity"], np.float64),
        streams=np.array([places[member["stream"]] for member in members], np.int64),
        names=names,
        physics=config,
        main=main,
        reference=_stack(members, "reference"),
        intercept=np.array([[m["main"]["intercept"] for m in members], [m["reference"]["intercept"] for m in members]]),
        gains=gains,
        label_sigma=np.array([member["label_sigma"] for member in members]),
        matters=_matters(main, gains, half_width, tags, [physics.uses(config, *name) for name in names]),
    )


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
