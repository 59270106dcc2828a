"""Gains that change with the setting itself: a press's grip on the density falls as the density rises.

    rho(q) = rho_max - (rho_max - rho_0) exp(-q / gamma),   d rho / d q = (rho_max - rho) / gamma
    t(q)   = 10 m / rho(q),                                 d t / d q   = -(t / rho) d rho / d q

q line force in N/mm, rho in g/cm3, t in um, m the loading in mg/cm2 at which target and recipe meet. A disturbance is
what is left of a stream after the curve, y - f(u), not after a gain, y - G u: it stays what it was while the gain
changes along the curve. Moves are solved with the tangent at the present setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from control.core.types import FloatArray
from control.core.vm.physics import compaction

COMPACTION = "compaction"
SPOKEN_FOR = ("density", "thickness")  # characteristics


@dataclass(frozen=True, slots=True)
class Compaction:
    """The curve of one loop. ``column`` is the force among its parameters.

    ``mass`` has for each stream 10 m (um g/cm3) of a thickness, 0 of a density.
    """

    column: int
    rho_0: float
    rho_max: float
    gamma_n_mm: float
    mass: tuple[float, ...]

    @classmethod
    def of(
        cls, physics: Mapping[str, Any], cvs: Sequence[str], targets: Sequence[float], nominal: Mapping[str, float]
    ) -> Compaction:
        """From the ``physics`` table of the plant file; ``nominal`` has the recipe's set-point of every parameter."""
        force = physics["force"]
        curve = (float(physics["rho_0"]), float(physics["rho_max"]), float(physics["gamma_n_mm"]))
        rho = float(compaction(np.array(nominal[force]), *curve))
        mass = [rho * target if cv.startswith("thickness/") else 0.0 for cv, target in zip(cvs, targets, strict=True)]
        return cls(list(nominal).index(force), *curve, tuple(mass))

    @property
    def numbers(self) -> tuple[float, ...]:
        """All that the curve is, to tell it from another."""
        return (float(self.column), self.rho_0, self.rho_max, self.gamma_n_mm, *self.mass)

    def effect(self, force: FloatArray) -> FloatArray:
        """What a force (n,) makes of each stream: (n, cvs)."""
        rho = self._rho(force)[..., None]
        mass = np.array(self.mass)
        return np.where(mass > 0, mass / rho, rho)

    def slope(self, force: float) -> FloatArray:
        """CV unit per N/mm at ``force``: (cvs,)."""
        rho = float(self._rho(np.array(force)))
        steepness, mass = (self.rho_max - rho) / self.gamma_n_mm, np.array(self.mass)
        return np.where(mass > 0, -mass / rho**2, 1.0) * steepness

    def _rho(self, force: FloatArray) -> FloatArray:
        return compaction(force, self.rho_0, self.rho_max, self.gamma_n_mm)
