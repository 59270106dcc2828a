"""Everything that drifts, steps or wears: named levels and the ramps that move them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from control.core.twin.scenario import Event, ScenarioError

# Kind of event -> (level it moves, farthest it may go from nominal). A two-way drift that would go farther turns back,
# so a scenario that repeats for days stays a plausible line.
_MOVES = {
    "solids_step": ("solids", 0.012),
    "temperature_drift": ("temperature", 3.0),
    "pump_wear": ("wear_{side}", 0.03),
    "filter_clog": ("clog_{side}", 0.03),
    "die_drift": ("die_{side}_{lane}", 0.012),
    "crown_drift": ("crown", 3.0),
    "hardness_step": ("hardness", 0.025),
}
_RESETS = {"filter_change": "clog_{side}", "pump_service": "wear_{side}"}
_ONE_WAY = frozenset(("pump_wear", "filter_clog"))
SIDES = ("top", "bottom")
# Kind of event -> counter a machine keeps of it, a status tag without noise
_COUNTS = {
    "solids_step": "batch_number",
    "filter_change": "filter_changes_{side}",
    "pump_service": "pump_services_{side}",
}
COUNTERS = tuple(dict.fromkeys(name.format(side=side) for name in _COUNTS.values() for side in SIDES))


class Disturbances:
    """Levels by name: relative, except temperature [K] and crown [um]. Zero is nominal.

    ``count`` tells how often what a machine counts has come.
    """

    def __init__(self, lanes: int) -> None:
        names = ["solids", "temperature", "crown", "hardness"]
        names += [f"{what}_{side}" for what in ("wear", "clog") for side in SIDES]
        names += [f"die_{side}_{lane}" for side in SIDES for lane in range(1, lanes + 1)]
        self.level = dict.fromkeys(names, 0.0)
        self.count = dict.fromkeys(COUNTERS, 0.0)
        self.ramps: list[dict[str, Any]] = []

    def check(self, event: Event) -> None:
        """Raise if this line has nothing such an event could act on."""
        pattern = _MOVES[event.kind][0] if event.kind in _MOVES else _RESETS[event.kind]
        name = pattern.format(side=event.side, lane=event.lane)
        if name not in self.level:
            raise ScenarioError(f"{event.kind}: this line has no {name}")

    def start(self, event: Event) -> None:
        """Begin a drift or make a reset."""
        self.check(event)
        if event.kind in _COUNTS:
            self.count[_COUNTS[event.kind].format(side=event.side)] += 1
        if event.kind in _RESETS:
            self._reset(_RESETS[event.kind].format(side=event.side))
            return
        pattern, bound = _MOVES[event.kind]
        name = pattern.format(side=event.side, lane=event.lane)
        size = self._bounded(name, event.size, bound, event.kind in _ONE_WAY)
        if event.duration_s <= 0:
            self.level[name] += size
        else:
            self.ramps.append({"name": name, "per_s": size / event.duration_s, "left_s": event.duration_s})

    def _bounded(self, name: str, size: float, bound: float, one_way: bool) -> float:
        present: float = self.level[name] + sum(
            ramp["per_s"] * ramp["left_s"] for ramp in self.ramps if ramp["name"] == name
        )
        if one_way:
            return min(max(size, 0.0), max(bound - present, 0.0))
        turned = -size if abs(present + size) > bound else size
        return math.copysign(min(abs(turned), 2 * bound), turned)

    def _reset(self, name: str) -> None:
        self.level[name] = 0.0
        self.ramps = [ramp for ramp in self.ramps if ramp["name"] != name]

    def step(self, dt_s: float) -> None:
        for ramp in self.ramps:
            span_s = min(dt_s, ramp["left_s"])
            self.level[ramp["name"]] += ramp["per_s"] * span_s
            ramp["left_s"] -= span_s
        if self.ramps:
            self.ramps = [ramp for ramp in self.ramps if ramp["left_s"] > 1e-9]

    def to_json(self) -> dict[str, Any]:
        return {"level": dict(self.level), "count": dict(self.count), "ramps": [dict(ramp) for ramp in self.ramps]}

    def load(self, saved: Mapping[str, Any]) -> None:
        self.level.update({name: float(value) for name, value in saved["level"].items() if name in self.level})
        self.count.update({name: float(value) for name, value in saved.get("count", {}).items() if name in self.count})
        self.ramps = [dict(ramp) for ramp in saved["ramps"]]
