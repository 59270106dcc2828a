"""What physics alone says of a stream, before any model is fitted to the rest.

A configuration is the ``physics`` table of the plant file. ``mass_balance`` speaks of loading by side, ``compaction``
of density; of everything else, and with ``none``, physics says nothing (None).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from control.core.types import FloatArray

Columns = Mapping[str, FloatArray]
Config = Mapping[str, Any]

STANDING_M_MIN = 1e-3
NUMBERS = {
    "mass_balance": ("flow_ml_per_rpm", "width_mm"),
    "compaction": ("rho_0", "rho_max", "gamma_n_mm"),
    "none": (),
}


def mass_balance(
    density_g_ml: FloatArray, solids: FloatArray, flow_ml_min: FloatArray, width_m: float, speed_m_min: FloatArray
) -> FloatArray:
    """Loading in mg/cm2 of a pre-metered die: 0.1 rho x Q / (W U), with rho x Q in g/min and W U in m2/min.

    NaN where the web stands.
    """
    area = np.where(speed_m_min > STANDING_M_MIN, width_m * speed_m_min, np.nan)
    return np.asarray(0.1 * density_g_ml * solids * flow_ml_min / area)


def compaction(force_n_mm: FloatArray, rho_0: float, rho_max: float, gamma_n_mm: float) -> FloatArray:
    """Density in g/cm3 behind the nip: rho_max - (rho_max - rho_0) exp(-q/gamma), q line force in N/mm."""
    return np.asarray(rho_max - (rho_max - rho_0) * np.exp(-force_n_mm / gamma_n_mm))


def check(config: Config, tags: tuple[str, ...]) -> None:
    """Refuse a configuration that names an unknown kind or tag, or lacks a positive number."""
    kind = config.get("kind")
    if kind not in NUMBERS:
        raise ValueError(f"physics: kind is {kind!r}, known are {', '.join(NUMBERS)}")
    for name in NUMBERS[kind]:
        if not isinstance(config.get(name), int | float) or not config[name] > 0:
            raise ValueError(f"physics {kind}: {name} must be a positive number")
    named = ["density", "solids", "speed"] if kind == "mass_balance" else ["force"] if kind == "compaction" else []
    wanted = [str(config.get(name)) for name in named]
    wanted += [str(tag) for tag in config.get("flow", {}).values()]
    unknown = [tag for tag in wanted if tag not in tags]
    if unknown:
        raise ValueError(f"physics {kind}: no tag {', '.join(unknown)}")


def uses(config: Config, characteristic: str, side: str) -> tuple[str, ...]:
    """The tags physics needs for a stream; empty where it says nothing."""
    if config["kind"] == "mass_balance" and characteristic == "loading" and side in config["flow"]:
        return (config["density"], config["solids"], config["speed"], config["flow"][side])
    if config["kind"] == "compaction" and characteristic == "density":
        return (config["force"],)
    return ()


def base(config: Config, characteristic: str, side: str, columns: Columns) -> FloatArray | None:
    """The physical prediction (n,) from the tag columns (n,); solids in percent, flow tag in rpm, speed in m/min."""
    tags = uses(config, characteristic, side)
    if not tags:
        return None
    given = [columns[tag] for tag in tags]
    if config["kind"] == "compaction":
        return compaction(given[0], config["rho_0"], config["rho_max"], config["gamma_n_mm"])
    density, solids, speed, rpm = given
    return mass_balance(density, solids / 100, rpm * config["flow_ml_per_rpm"], config["width_mm"] / 1000, speed)
