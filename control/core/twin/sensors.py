"""What the line's instruments make of the truth: tags with noise, a gauge that crosses the web, a slow laboratory.

Quality is what the instrument itself would say. A stuck sensor, a biased gauge and a wild value look good to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from control.core.exchange import MeasuredPiece
from control.core.twin.disturbances import COUNTERS
from control.core.twin.noise import SlowNoise
from control.core.twin.parameters import GaugeParameters, LabParameters
from control.core.twin.scenario import Event
from control.core.types import FloatArray, MeasuredBy, Quality

# Truth of one piece by its position on the endless web: shape (rows, lanes).
Truth = Callable[[float], FloatArray]
Locate = Callable[[float], tuple[int, float]]
GOOD, MISSING = int(Quality.GOOD), int(Quality.MISSING)  # looked up for every tag of every scan


class Faults:
    """The faults now active on one equipment, each with the seconds it still has."""

    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = tuple(tags)
        self.active: list[dict[str, Any]] = []

    def start(self, event: Event) -> None:
        """A stuck sensor comes before what happens to its value on the way, so it holds a real value."""
        fault = {
            "kind": event.kind,
            "tags": list(event.tags),
            "size": event.size,
            "left_s": event.duration_s,
            "held": {},
        }
        self.active.insert(0 if event.kind == "sensor_stuck" else len(self.active), fault)

    def step(self, dt_s: float) -> None:
        for fault in self.active:
            fault["left_s"] -= dt_s
        self.active = [fault for fault in self.active if fault["left_s"] > -1e-9]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [fault for fault in self.active if fault["kind"] == kind]

    def apply(self, values: list[float | None], quality: list[int]) -> None:
        """Change values and quality of one scan in place. A stuck tag keeps the value it had when it stuck."""
        for fault in self.active:
            for tag in fault["tags"]:
                index = self.tags.index(tag)
                if fault["kind"] == "tags_missing":
                    values[index], quality[index] = None, Quality.MISSING
                elif fault["kind"] == "tags_nan":
                    values[index], quality[index] = math.nan, Quality.BAD
                elif fault["kind"] == "sensor_stuck":
                    values[index] = fault["held"].setdefault(tag, values[index])

    def to_json(self) -> list[dict[str, Any]]:
        return [fault | {"held": dict(fault["held"])} for fault in self.active]

    def load(self, saved: Sequence[Mapping[str, Any]]) -> None:
        self.active = [dict(fault) for fault in saved]


class TagSensors:
    """One equipment's tags in declared order, with their noise and faults. Counters are exact."""

    def __init__(self, tags: Sequence[str], noise: Mapping[str, float]) -> None:
        self.tags = tuple(tags)
        self.faults = Faults(tags)
        self._noisy = np.array([tag not in COUNTERS for tag in tags])
        self._sigma = np.array([noise.get(tag, 0.0) for tag in tags if tag not in COUNTERS])

    def read(self, seen: Mapping[str, float], rng: np.random.Generator) -> tuple[list[float | None], list[int]]:
        extra = np.zeros(len(self.tags))
        extra[self._noisy] = self._sigma * rng.standard_normal(len(self._sigma))
        noise = extra.tolist()
        values: list[float | None] = [
            seen[tag] + off if tag in seen else None for tag, off in zip(self.tags, noise, strict=True)
        ]
        quality = [MISSING if value is None else GOOD for value in values]
        self.faults.apply(values, quality)
        return values, quality


class ScanningGauge:
    """A head that crosses the web and back; a lane is read when the head passes its middle.

    ``streams[row][lane]`` names what it reports.
    """

    def __init__(self, parameters: GaugeParameters, streams: Sequence[Sequence[str]]) -> None:
        p = self.parameters = parameters
        self.streams = streams
        self.bias = SlowNoise([p.bias_rel] * len(streams), [p.bias_time_s] * len(streams))
        self.phase_s = 0.0
        self.crossing_s = p.travel_m / p.head_speed_m_s
        lanes = len(streams[0])
        edge_m = (p.travel_m - (lanes - 1) * p.lane_pitch_m) / 2
        there = [((edge_m + lane * p.lane_pitch_m) / p.head_speed_m_s, lane) for lane in range(lanes)]
        back = [(2 * self.crossing_s - at_s, lane) for at_s, lane in there]
        self._passes = sorted([*there, *back])

    def passed(self, dt_s: float) -> list[tuple[float, int]]:
        """Move the head; the lanes it passed, each with the share of the step at which it did."""
        start_s, end_s, cycle_s = self.phase_s, self.phase_s + dt_s, 2 * self.crossing_s
        self.phase_s = end_s % cycle_s
        return [
            ((at_s + turn - start_s) / dt_s, lane)
            for turn in (0.0, cycle_s)
            for at_s, lane in self._passes
            if start_s < at_s + turn <= end_s
        ]

    def read(
        self,
        dt_s: float,
        at: float,
        span_m: tuple[float, float],
        truth: Truth,
        locate: Locate,
        faults: Faults,
        rng: np.random.Generator,
    ) -> list[MeasuredPiece]:
        """``span_m``: encoder at the die or nip at the start and the end of the step."""
        bias = self.bias.step(dt_s, rng)
        pieces: list[MeasuredPiece] = []
        for share, lane in self.passed(dt_s):
            position_m = span_m[0] + share * (span_m[1] - span_m[0]) - self.parameters.distance_m
            roll, web_m = locate(position_m)
            values = self._values(truth(position_m)[:, lane], bias, faults, rng)
            for row, (value, quality) in enumerate(values):
                by = MeasuredBy.GAUGE
                pieces.append(MeasuredPiece(self.streams[row][lane], roll, web_m, value, quality, by, at))
        return pieces

    def _values(
        self, truth: FloatArray, bias: FloatArray, faults: Faults, rng: np.random.Generator
    ) -> list[tuple[float | None, Quality]]:
        p = self.parameters
        wild, missing = rng.random(2).tolist()
        noise = rng.standard_normal(len(truth) + 1)
        if missing < p.missing_share:
            return [(None, Quality.MISSING)] * len(truth)
        lying = sum(fault["size"] for fault in faults.of_kind("gauge_bias"))
        wrong = lying + (p.wild_rel * float(noise[-1]) if wild < p.wild_share else 0.0)
        reported = truth * (1 + bias + p.noise_rel * noise[:-1] + wrong)
        bad = Quality.BAD if faults.of_kind("gauge_bad") else Quality.GOOD
        return [(value, bad) for value in reported.tolist()]

    def to_json(self) -> dict[str, Any]:
        return {"phase_s": self.phase_s, "bias": self.bias.to_json()}

    def load(self, saved: Mapping[str, Any]) -> None:
        self.phase_s = float(saved["phase_s"])
        self.bias.load(saved["bias"])


class Laboratory:
    """Samples cut where a roll ends; each value comes back after its own delay of process time."""

    def __init__(self, parameters: LabParameters, streams: Sequence[Sequence[str]]) -> None:
        self.parameters = parameters
        self.streams = streams
        self.waiting: list[dict[str, Any]] = []

    def sample(
        self, roll: int, web_m: float, truth: FloatArray, at: float, now_s: float, rng: np.random.Generator
    ) -> None:
        p = self.parameters
        due_s = now_s + float(rng.uniform(p.delay_low_s, p.delay_high_s))
        values = truth * (1 + p.noise_rel * rng.standard_normal(truth.shape))
        for names, row in zip(self.streams, values.tolist(), strict=True):
            for stream, value in zip(names, row, strict=True):
                sample = {"due_s": due_s, "stream": stream, "roll": roll, "web_m": web_m, "value": value, "at": at}
                self.waiting.append(sample)

    def results(self, now_s: float) -> list[MeasuredPiece]:
        if not self.waiting or min(sample["due_s"] for sample in self.waiting) > now_s:
            return []
        done = [sample for sample in self.waiting if sample["due_s"] <= now_s]
        self.waiting = [sample for sample in self.waiting if sample["due_s"] > now_s]
        return [
            MeasuredPiece(s["stream"], s["roll"], s["web_m"], s["value"], Quality.GOOD, MeasuredBy.LAB, s["at"])
            for s in done
        ]
