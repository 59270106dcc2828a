"""A two-sided slot-die coater: pumps set the mean loading of all lanes, lip bolts share it out between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from control.core.twin.disturbances import SIDES
from control.core.twin.noise import SlowNoise
from control.core.twin.parameters import CoaterParameters
from control.core.types import FloatArray


def mass_balance(density_g_cm3: float, solids: float, flow_ml_min: float, width_m: float, speed_m_min: float) -> float:
    """Mean loading in mg/cm2: 0.1 rho x Q / (W U); rho x Q is g/min, W U is m2/min, and 1 g/m2 is 0.1 mg/cm2."""
    return 0.1 * density_g_cm3 * solids * flow_ml_min / (width_m * speed_m_min)


def bolt_matrix(lanes: int, gain: float, pitch_m: float, reach_m: float) -> FloatArray:
    """Effect of bolt j on lane i: K exp(-(|i-j| d/w)^2) less its column mean, so that bolts only redistribute.

    Shape (lanes, lanes), in the unit of ``gain`` (K).
    """
    lane = np.arange(lanes)
    distance = np.abs(lane[:, None] - lane[None, :]) * pitch_m
    effect = gain * np.exp(-((distance / reach_m) ** 2))
    return np.asarray(effect - effect.mean(axis=0))


class Coater:
    """Slurry, pumps and dies. ``step`` gives the loading now leaving the dies, shape (2, lanes), mg/cm2.

    Slurry density does not follow the solids here: a batch step moves loading by its own relative size.
    """

    def __init__(self, parameters: CoaterParameters, set_points: Mapping[str, float]) -> None:
        p = self.parameters = parameters
        self.bolts = bolt_matrix(p.lanes, p.bolt_gain_per_um, p.gauge.lane_pitch_m, p.bolt_reach_m)
        self._bolt_tags = [[f"bolt_{side}_{lane}" for lane in range(1, p.lanes + 1)] for side in SIDES]
        self._die_names = [[f"die_{side}_{lane}" for lane in range(1, p.lanes + 1)] for side in SIDES]
        self.rpm = [set_points[f"pump_{side}"] for side in SIDES]  # as felt at the die, behind the feed volume
        self.rpm_nominal = tuple(self.rpm)
        self.speed_nominal = set_points["line_speed"]
        self.bolt_um = self._bolt_positions(set_points)  # as felt by the lips, behind their thermal lag
        self.splice_m = self.restart_m = 1e6  # metres since the last splice and the last restart
        lanes = 2 * p.lanes
        self.noise = SlowNoise(
            [
                p.solids_noise_rel,
                p.density_noise_rel,
                p.speed_noise_rel,
                *[p.flow_noise_rel] * 2,
                *[p.lane_noise_rel] * lanes,
            ],
            [p.slow_noise_s] * 2 + [p.fast_noise_s] * (3 + lanes),
        )
        self.seen: dict[str, float] = {}

    def _bolt_positions(self, actual: Mapping[str, float]) -> FloatArray:
        return np.array([[actual[tag] for tag in tags] for tags in self._bolt_tags])

    def step(
        self,
        dt_s: float,
        actual: Mapping[str, float],
        level: Mapping[str, float],
        running: float,
        rng: np.random.Generator,
    ) -> FloatArray:
        """``actual``: parameters as ramped; ``level``: disturbances; ``running``: share of full speed."""
        p = self.parameters
        noise = self.noise.step(dt_s, rng)
        follow = 1 - math.exp(-dt_s / p.pump_lag_s)
        self.rpm = [rpm + follow * (actual[f"pump_{side}"] - rpm) for rpm, side in zip(self.rpm, SIDES, strict=True)]
        self.bolt_um += (1 - math.exp(-dt_s / p.bolt_lag_s)) * (self._bolt_positions(actual) - self.bolt_um)
        speed = actual["line_speed"] * (1 + float(noise[2]))
        moved_m = speed * running * dt_s / 60
        self.splice_m += moved_m
        self.restart_m = self.restart_m + moved_m if running >= 1 else 0.0
        slurry = self._slurry(level, float(noise[0]), float(noise[1]))
        flows = [self._flow(index, level, slurry["viscosity"], float(noise[3 + index])) for index in (0, 1)]
        mean = [
            mass_balance(slurry["slurry_density"], slurry["solids"] / 100, flow, p.width_m, speed) for flow in flows
        ]
        self._look(slurry, flows, level, actual, speed, running)
        uneven = self.bolts @ (self.bolt_um - p.bolt_zero_um).T + self._die(level) + noise[5:].reshape(p.lanes, 2)
        loading = np.array(mean) * (1 + uneven) * self._transient()
        return np.asarray(loading.T)

    def nominal(self) -> FloatArray:
        """Loading at the set-points without any disturbance, shape (2, lanes), mg/cm2."""
        p = self.parameters
        flows = [p.flow_ml_per_rpm * rpm for rpm in self.rpm_nominal]
        speed = self.speed_nominal
        means = [mass_balance(p.density_g_cm3, p.solids_percent / 100, flow, p.width_m, speed) for flow in flows]
        return np.repeat(np.array(means)[:, None], p.lanes, axis=1)

    def _slurry(self, level: Mapping[str, float], solids_noise: float, density_noise: float) -> dict[str, float]:
        p = self.parameters
        warmer_k = level["temperature"]
        return {
            "solids": p.solids_percent * (1 + level["solids"] + solids_noise),
            "slurry_density": p.density_g_cm3 * (1 - p.density_per_k * warmer_k + density_noise),
            "slurry_temperature": p.temperature_degc + warmer_k,
            "viscosity": p.viscosity_mpa_s * (1 - p.viscosity_per_k) ** warmer_k,
        }

    def _flow(self, index: int, level: Mapping[str, float], viscosity: float, noise: float) -> float:
        """Flow in ml/min at full speed, after wear, clogging and slip past the rotor."""
        p, side = self.parameters, SIDES[index]
        slip = p.slip * (1 - viscosity / p.viscosity_mpa_s)
        lost = (1 - level[f"wear_{side}"]) * (1 - level[f"clog_{side}"]) * (1 - slip)
        return p.flow_ml_per_rpm * self.rpm[index] * lost * (1 + noise)

    def _die(self, level: Mapping[str, float]) -> FloatArray:
        """Lane-wise drift of the dies, shape (lanes, 2), mean free: a die cannot make slurry."""
        drift = np.array([[level[name] for name in names] for names in self._die_names])
        return np.asarray(drift.T - drift.sum(axis=1) / self.parameters.lanes)

    def _transient(self) -> float:
        p = self.parameters
        restart = p.restart_rel * math.exp(-self.restart_m / p.restart_reach_m)
        return 1 + restart - p.splice_rel * math.exp(-self.splice_m / p.splice_reach_m)

    def _look(
        self,
        slurry: dict[str, float],
        flows: list[float],
        level: Mapping[str, float],
        actual: Mapping[str, float],
        speed: float,
        running: float,
    ) -> None:
        """What the tags would show without noise; the machine's drives stop with the line."""
        p, seen = self.parameters, dict(actual)
        seen |= slurry
        seen["line_speed"] = speed * running
        thickness = slurry["viscosity"] / p.viscosity_mpa_s
        for index, side in enumerate(SIDES):
            pull = flows[index] / (p.flow_ml_per_rpm * self.rpm_nominal[index]) * thickness * running
            seen[f"pump_{side}"] = actual[f"pump_{side}"] * running
            seen[f"pump_pressure_{side}"] = p.pressure_kpa * pull
            seen[f"filter_dp_{side}"] = p.filter_dp_kpa * pull * (1 + p.filter_dp_per_clog * level[f"clog_{side}"])
        seen["dryer_temperature_1"] = seen["dryer_temperature_2"] = p.dryer_degc
        seen["web_tension"] = p.tension_n
        self.seen = seen

    def to_json(self) -> dict[str, Any]:
        return {
            "rpm": list(self.rpm),
            "bolt_um": self.bolt_um.tolist(),
            "splice_m": self.splice_m,
            "restart_m": self.restart_m,
            "noise": self.noise.to_json(),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        self.rpm = [float(x) for x in saved["rpm"]]
        self.bolt_um = np.array(saved["bolt_um"], dtype=np.float64)
        self.splice_m, self.restart_m = float(saved["splice_m"]), float(saved["restart_m"])
        self.noise.load(saved["noise"])
