"""Set-point registers of one machine and the drives that follow them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from control.core.twin.parameters import Actuator


class Actuators:
    """Keeps a set-point for every parameter and ramps the actual value to it, within the machine's limits."""

    def __init__(self, actuators: Iterable[Actuator]) -> None:
        self.limits = {actuator.tag: actuator for actuator in actuators}
        self.set_points = {tag: actuator.set_point for tag, actuator in self.limits.items()}
        self.actual = dict(self.set_points)
        self._settled = True

    def refusal(self, values: Mapping[str, float], known: Iterable[str]) -> tuple[str, str] | None:
        """Why these set-points cannot be taken, as (code, detail), or None."""
        if not values:
            return "empty", "the command sets nothing"
        for tag, value in values.items():
            limits = self.limits.get(tag)
            if limits is None:
                code = "not_writable" if tag in known else "unknown_tag"
                return code, f"{tag} cannot be set"
            if not (math.isfinite(value) and limits.low <= value <= limits.high):
                return "out_of_range", f"{tag} = {value} is outside {limits.low} .. {limits.high}"
        return None

    def set(self, values: Mapping[str, float]) -> dict[str, float]:
        """Take set-points, clamped to the machine's limits, and answer what was taken."""
        taken = {
            tag: min(max(value, self.limits[tag].machine_low), self.limits[tag].machine_high)
            for tag, value in values.items()
        }
        self.set_points.update(taken)
        self._settled = False
        return taken

    def step(self, dt_s: float) -> None:
        if self._settled:
            return
        for tag, target in self.set_points.items():
            reach = self.limits[tag].ramp_per_s * dt_s
            now = self.actual[tag]
            self.actual[tag] = target if abs(target - now) <= reach else now + math.copysign(reach, target - now)
        self._settled = self.actual == self.set_points

    def to_json(self) -> dict[str, Any]:
        return {"set_points": dict(self.set_points), "actual": dict(self.actual)}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take back saved registers; a parameter added to the plant since keeps its own set-point."""
        for tag in self.limits:
            if tag in saved["set_points"]:
                self.set_points[tag] = float(saved["set_points"][tag])
                self.actual[tag] = float(saved["actual"][tag])
        self._settled = False
