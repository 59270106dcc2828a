"""A camera over the pressed foil that counts flaws of the surface: a count and its area for every stretch of each lane.

The rate differs from stretch to stretch by more than chance: the number found is Poisson around a rate that is itself
gamma distributed, as flaws are that come in clusters. A stretch ends where its roll does, so areas differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from control.core.exchange import MeasuredPiece
from control.core.twin.parameters import CameraParameters
from control.core.types import MeasuredBy, Quality

LEAST_M = 1.0  # of web; less is not worth a count


class Camera:
    """It has a random stream of its own, so that a line with a camera is the same line otherwise."""

    def __init__(self, parameters: CameraParameters, streams: Sequence[str], rng: np.random.Generator) -> None:
        self.parameters, self.streams, self.rng = parameters, streams, rng
        self.roll: int | None = None
        self.begun_m = self.seen_m = 0.0  # of that roll: where the stretch begins, and how far it has come

    def read(self, position_m: float, at: float, locate: Callable[[float], tuple[int, float]]) -> list[MeasuredPiece]:
        """``position_m``: encoder at the nip. What it has counted if a stretch has ended here."""
        roll, web_m = locate(position_m - self.parameters.distance_m)
        if self.roll is None:
            self.roll, self.begun_m = roll, web_m
        ended = roll != self.roll or web_m - self.begun_m >= self.parameters.every_m
        if roll == self.roll:
            self.seen_m = web_m
        pieces = self._counted(at) if ended and self.seen_m - self.begun_m >= LEAST_M else []
        if ended:
            self.roll, self.begun_m, self.seen_m = roll, 0.0 if roll != self.roll else web_m, web_m
        return pieces

    def _counted(self, at: float) -> list[MeasuredPiece]:
        p, roll = self.parameters, self.roll or 0
        area_m2 = round((self.seen_m - self.begun_m) * p.lane_width_m, 2)
        shape = p.spread_rel**-2
        rates = p.per_m2 * self.rng.gamma(shape, 1.0 / shape, len(self.streams))
        found = self.rng.poisson(rates * area_m2).tolist()
        return [
            MeasuredPiece(stream, roll, self.seen_m, float(count), Quality.GOOD, MeasuredBy.GAUGE, at, area_m2)
            for stream, count in zip(self.streams, found, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        place = {"roll": self.roll, "begun_m": self.begun_m, "seen_m": self.seen_m}
        return {**place, "random": self.rng.bit_generator.state}

    def load(self, saved: Mapping[str, Any]) -> None:
        self.roll = saved["roll"]
        self.begun_m, self.seen_m = float(saved["begun_m"]), float(saved["seen_m"])
        self.rng.bit_generator.state = saved["random"]
