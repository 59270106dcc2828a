"""One equipment of the line as an outsider meets it: registers, tags, gauge, laboratory, and its numbered scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from control.core.exchange import MeasuredPiece, Scan
from control.core.twin.actuators import Actuators
from control.core.twin.camera import Camera
from control.core.twin.foil import Foil, Rolls
from control.core.twin.parameters import CoaterParameters, PressParameters
from control.core.twin.sensors import Laboratory, ScanningGauge, TagSensors
from control.core.types import FloatArray


class Station:
    """``offset_m`` is how far the die or nip lies behind the die of the line; ``truth`` what it makes at the start."""

    def __init__(
        self,
        parameters: CoaterParameters | PressParameters,
        streams: Sequence[Sequence[str]],
        offset_m: float,
        reach_m: float,
        rolls: Rolls,
        truth: FloatArray,
    ) -> None:
        self.key = parameters.key
        self.distance_m = parameters.gauge.distance_m
        self.offset_m = offset_m
        self.rolls = rolls
        self.actuators = Actuators(parameters.actuators)
        self.sensors = TagSensors(parameters.tags, parameters.noise)
        self.gauge = ScanningGauge(parameters.gauge, streams)
        self.laboratory = Laboratory(parameters.lab, streams)
        self.camera: Camera | None = None
        self.foil = Foil(reach_m, -offset_m, truth)
        self.sampled_roll = rolls.number - 1
        self.sequence = 0

    def scan(
        self,
        seen: Mapping[str, float],
        dt_s: float,
        now_s: float,
        at: float,
        span_m: tuple[float, float],
        moving: bool,
        rng: np.random.Generator,
    ) -> Scan:
        """``seen``: tags without noise; ``span_m``: the line's encoder at the start and the end of the step."""
        self.sensors.faults.step(dt_s)
        start_m, end_m = span_m[0] - self.offset_m, span_m[1] - self.offset_m
        roll, web_m = self.rolls.locate(end_m)
        values, quality = self.sensors.read({**seen, "web_position": web_m, "roll_number": float(roll)}, rng)
        pieces: list[MeasuredPiece] = []
        if moving:
            faults = self.sensors.faults
            pieces = self.gauge.read(dt_s, at, (start_m, end_m), self.foil.at, self.rolls.locate, faults, rng)
            if self.camera is not None:
                pieces += self.camera.read(end_m, at, self.rolls.locate)
        self._sample(end_m - self.distance_m, at, now_s, rng)
        pieces += self.laboratory.results(now_s)
        self.sequence += 1
        tags = self.sensors.tags
        return Scan(self.key, self.sequence, at, roll, web_m, tags, tuple(values), tuple(quality), tuple(pieces))

    def _sample(self, position_m: float, at: float, now_s: float, rng: np.random.Generator) -> None:
        """Cut a sample of each roll that has wholly passed the gauge, a metre before its end."""
        for index, number in enumerate(self.rolls.numbers[:-1]):
            end_m = self.rolls.starts_m[index + 1]
            if number > self.sampled_roll and position_m >= end_m:
                web_m = end_m - 1.0 - self.rolls.starts_m[index]
                self.laboratory.sample(number, web_m, self.foil.at(end_m - 1.0), at, now_s, rng)
                self.sampled_roll = number

    def to_json(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "sampled_roll": self.sampled_roll,
            "actuators": self.actuators.to_json(),
            "faults": self.sensors.faults.to_json(),
            "gauge": self.gauge.to_json(),
            "lab": [dict(sample) for sample in self.laboratory.waiting],
            "foil": self.foil.to_json(),
            **({"camera": self.camera.to_json()} if self.camera else {}),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        self.sequence, self.sampled_roll = int(saved["sequence"]), int(saved["sampled_roll"])
        self.actuators.load(saved["actuators"])
        self.sensors.faults.load(saved["faults"])
        self.gauge.load(saved["gauge"])
        self.laboratory.waiting = [dict(sample) for sample in saved["lab"]]
        self.foil.load(saved["foil"])
        if self.camera is not None and "camera" in saved:  # a line saved before it had one
            self.camera.load(saved["camera"])
