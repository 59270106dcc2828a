"""Noise with a memory, as vectors, so that one draw serves a whole machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from control.core.types import FloatArray


class SlowNoise:
    """Ornstein-Uhlenbeck noise: x <- a x + sigma sqrt(1 - a^2) z with a = exp(-dt / time).

    ``sigma`` and ``time_s`` give each element its stationary standard deviation and correlation time; the value is
    exact for any step.
    """

    def __init__(self, sigma: Sequence[float], time_s: Sequence[float]) -> None:
        self.sigma = np.array(sigma, dtype=np.float64)
        self.time_s = np.array(time_s, dtype=np.float64)
        self.value: FloatArray = np.zeros(len(self.sigma))
        self._dt_s = -1.0
        self._decay = self._kick = self.sigma

    def step(self, dt_s: float, rng: np.random.Generator) -> FloatArray:
        if dt_s != self._dt_s:
            self._dt_s = dt_s
            self._decay = np.exp(-dt_s / self.time_s)
            self._kick = self.sigma * np.sqrt(1 - self._decay**2)
        self.value = self._decay * self.value + self._kick * rng.standard_normal(len(self.sigma))
        return self.value

    def to_json(self) -> list[float]:
        return [float(x) for x in self.value]

    def load(self, saved: Sequence[float]) -> None:
        self.value = np.array(saved, dtype=np.float64)
