"""A roll press under controlled line force: it makes density, and thickness follows from the loading."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from control.core.twin.noise import SlowNoise
from control.core.twin.parameters import PressParameters
from control.core.types import FloatArray


def compacted_density(force_n_mm: FloatArray, rho_0: float, rho_max: float, gamma_n_mm: float) -> FloatArray:
    """Density in g/cm3 under a line force: rho_max - (rho_max - rho_0) exp(-q/gamma)."""
    return np.asarray(rho_max - (rho_max - rho_0) * np.exp(-force_n_mm / gamma_n_mm))


def density_gain(density_g_cm3: float, rho_max: float, gamma_n_mm: float) -> float:
    """Local gain in (g/cm3)/(N/mm): (rho_max - rho)/gamma; it falls as the density rises."""
    return (rho_max - density_g_cm3) / gamma_n_mm


def thickness_um(loading_mg_cm2: FloatArray, density_g_cm3: FloatArray) -> FloatArray:
    """Coating thickness in um without foil, from density = 10 loading / thickness."""
    return np.asarray(10 * loading_mg_cm2 / density_g_cm3)


def exit_thickness_um(gap_um: float, stretch_um: float, springback: float) -> float:
    """Gap form: t = (S + F/M)(1 + springback), foil included; ``stretch_um`` is F/M."""
    return (gap_um + stretch_um) * (1 + springback)


def gap_um(exit_um: float, stretch_um: float, springback: float) -> float:
    """The unloaded gap S that leaves this thickness: the gap form solved for S."""
    return exit_um / (1 + springback) - stretch_um


class Press:
    """``step`` takes the loading of both sides at the nip and gives (thickness, density), shape (2, lanes)."""

    def __init__(self, parameters: PressParameters, set_points: Mapping[str, float]) -> None:
        p = self.parameters = parameters
        self.across = np.linspace(-1.0, 1.0, p.lanes)  # lane centres from left to right
        self.bow = self.across**2 - float(np.mean(self.across**2))
        self.force_n_mm = self.force_nominal = set_points["line_force"]
        self.noise = SlowNoise([p.hardness_noise_rel, p.crown_noise_um], [p.slow_noise_s] * 2)
        self.seen: dict[str, float] = {}

    def step(
        self,
        dt_s: float,
        actual: Mapping[str, float],
        level: Mapping[str, float],
        loading: FloatArray,
        rng: np.random.Generator,
    ) -> FloatArray:
        p = self.parameters
        hardness, crown = (float(x) for x in self.noise.step(dt_s, rng))
        self.force_n_mm += (1 - math.exp(-dt_s / p.force_lag_s)) * (actual["line_force"] - self.force_n_mm)
        warmer_k = actual["roll_temperature"] - p.temperature_degc
        gamma = p.gamma_n_mm * (1 + level["hardness"] + hardness) * (1 - p.gamma_per_k * warmer_k)
        relative = loading * (loading.size / float(loading.sum())) - 1
        opened_um = actual["gap_tilt"] / 2 * self.across + (level["crown"] + crown) * self.bow
        force = self.force_n_mm * (1 + p.loading_share * relative - p.profile_per_um * opened_um)
        density = compacted_density(force, p.rho_0_g_cm3, p.rho_max_g_cm3, gamma)
        thickness = thickness_um(loading, density)
        self._look(actual, float(thickness.sum()) / thickness.size)
        return np.array([thickness, density])

    def _look(self, actual: Mapping[str, float], thickness: float) -> None:
        p, seen = self.parameters, dict(actual)
        gap = gap_um(thickness + p.foil_um, self.force_n_mm * p.stretch_um_per_n_mm, p.springback)
        seen["gap_left"], seen["gap_right"] = gap - actual["gap_tilt"] / 2, gap + actual["gap_tilt"] / 2
        seen["force_left"] = seen["force_right"] = self.force_n_mm * p.width_mm / 2000  # kN on each bearing
        seen["roll_temperature_top"] = seen["roll_temperature_bottom"] = actual["roll_temperature"]
        seen["motor_torque"] = p.torque_nm * self.force_n_mm / self.force_nominal
        seen["web_tension"] = p.tension_n
        self.seen = seen

    def to_json(self) -> dict[str, Any]:
        return {"force_n_mm": self.force_n_mm, "noise": self.noise.to_json()}

    def load(self, saved: Mapping[str, Any]) -> None:
        self.force_n_mm = float(saved["force_n_mm"])
        self.noise.load(saved["noise"])
