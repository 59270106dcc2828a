"""Models on two public data sets of electrode making: what an unknown recipe will weigh, how thick it gets.

Scored by leaving out a whole recipe, day or campaign, never single rows. Which candidate of a kind is taken is found
inside the rows that fit, in the same way. The data lie beside the project (see each table's source there) and are not
part of it. Run: python -m bench.vm_data

A. Drakopoulos et al., Cell Reports Physical Science 2 (2021) 100683, doi 10.17632/4dh2h3tsf4.1 (CC BY 4.0);
M. Faraji Niri et al., Journal of Energy Storage (2024) 111867, doi 10.17632/wwhm2frfmy.1 (CC0).
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge

from bench.scratch import ROOT, table
from control.core.vm import fitting, reliability
from control.core.vm.splits import leave_one_group_out

DATA = ROOT.parent / "shared" / "data"
GRAPHITE = DATA / "graphite_coating" / "drakopoulos_cells.csv"
CALENDERED = DATA / "nmc_calendering" / "wmg_calendering_18.csv"
RECIPE = (
    *("coating_speed_m_per_min", "coating_gap_um", "drying_temp_c", "slurry_solids_pct"),
    *("active_wt_pct", "cmc_wt_pct", "sbr_wt_pct", "carbon_wt_pct"),
)
SMALL = "ridge, small penalties too"  # 18 rows carry less than the thousands that the product's penalties are for
SMALL_ALPHAS = tuple(float(alpha) for alpha in np.logspace(5, -3, 9))
PRESS = ("target_density_g_cm3", "roll_temperature_c", "roll_gap_um", "pre_thickness_um", "pre_coating_weight_gsm")


def main() -> None:
    if not GRAPHITE.exists():
        print(f"no data beside the project ({DATA.parent.name}/{DATA.name}): nothing measured")
        return
    _graphite()
    _calendering()


def _graphite() -> None:
    cells = _read(GRAPHITE)
    later = [cell for cell in cells if cell["series"] == "ASC"]
    x, mass = _columns(later, RECIPE), _columns(later, ("active_mass_mg",))[:, 0]
    recipes = np.unique(x, axis=0, return_inverse=True)[1]
    rows = [
        [f"{kind}, leave one recipe out", f"{_rmse(left_out(kind, x, mass, recipes) - mass):.2f} mg", published]
        for kind, published in (("ridge", "1.91"), ("pls", "-"), ("boosting", "1.72"))
    ]
    rows.append(["mean of the other recipes", f"{_rmse(left_out('mean', x, mass, recipes) - mass):.2f} mg", "-"])
    refused, error = _transfer([cell for cell in cells if cell["series"] == "AS"], x, mass)
    rows.append(["earlier campaign to later: share refused by GSI", f"{refused:.2f}", "1"])
    rows.append(["  (the error it is spared)", f"{error:.2f} mg", "-"])
    table(f"Graphite coating: mass of {len(mass)} discs of {len(set(recipes.tolist()))} recipes, RMSE",
          ["model", "ours", "to beat"], rows)  # fmt: skip


def _calendering() -> None:
    """Thickness behind the press: density is asked for, so physics says thickness = weight / density."""
    trials = _read(CALENDERED)
    x, thickness = _columns(trials, PRESS), _columns(trials, ("cal_thickness_um",))[:, 0]
    physical = x[:, 4] / x[:, 0]
    days = x[:, 1]  # each roll temperature was run on a day of its own
    rows = [["physics alone", f"{_rmse(physical - thickness):.2f} um", "0.71"]]
    for name, groups in (("one trial", np.arange(len(thickness))), ("one day", days)):
        for kind in ("bias", "ridge"):
            told = physical + left_out(kind, x, thickness - physical, groups)
            what = {"bias": "physics and its bias", "ridge": "physics and ridge on the rest"}[kind]
            rows.append([f"{what}, leave {name} out", f"{_rmse(told - thickness):.2f} um", "0.71"])
        for what, kind, inputs in (
            ("ridge without physics", "ridge", x),
            ("ridge without physics, small penalties too", SMALL, x),
            ("ridge without physics and roll gap", "ridge", np.delete(x, PRESS.index("roll_gap_um"), axis=1)),
        ):
            alone = left_out(kind, inputs, thickness, groups)
            rows.append([f"{what}, leave {name} out", f"{_rmse(alone - thickness):.2f} um", "1.18"])
    table(f"NMC calendering: thickness of {len(thickness)} trials, RMSE", ["model", "ours", "to beat"], rows)


def left_out(kind: str, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Predictions (n,) of each row by a model fitted to all other groups; ``x`` (n, p), ``y`` (n,)."""
    told = np.empty(len(y))
    for fit, own in leave_one_group_out(groups):
        if kind in ("mean", "bias"):
            told[own] = y[fit].mean()
            continue
        z = standardised(x, x[fit])
        told[own] = fitting.predict(_chosen(kind, z[fit], y[fit], groups[fit]), z[own])
    return told


def standardised(x: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """By mean and deviation of ``fit``; what stood still there counts in thousandths of its value, as in training."""
    mean, deviation = fit.mean(axis=0), fit.std(axis=0)
    still = deviation <= 1e-9 * np.abs(mean)
    return (x - mean) / np.where(still, np.where(mean != 0, 1e-3 * np.abs(mean), 1.0), deviation)


def _chosen(kind: str, z: np.ndarray, y: np.ndarray, groups: np.ndarray) -> fitting.Model:
    """The candidate that does best on groups left out of the fitting rows, fitted to all of them."""
    errors: list[list[float]] = []
    for fit, own in leave_one_group_out(groups):
        models = _candidates(kind, z[fit], y[fit])
        errors.append([float(np.sum((fitting.predict(model, z[own]) - y[own]) ** 2)) for model in models])
    shared = min(map(len, errors))
    best = int(np.argmin(np.sum([row[:shared] for row in errors], axis=0)))
    return _candidates(kind, z, y)[best]


def _candidates(kind: str, z: np.ndarray, y: np.ndarray) -> list[fitting.Model]:
    """The product's own, or a path of ridges that goes on to smaller penalties."""
    if kind != SMALL:
        return fitting.candidates(kind, z, y)
    fitted = (Ridge(alpha=alpha).fit(z, y) for alpha in SMALL_ALPHAS)
    return [{"intercept": one.intercept_, "coef": one.coef_} for one in fitted]


def _transfer(earlier: list[dict[str, str]], x: np.ndarray, mass: np.ndarray) -> tuple[float, float]:
    """A model of one campaign asked about the next: share of rows GSI refuses, and the error it would have made."""
    known, label = _columns(earlier, RECIPE), _columns(earlier, ("active_mass_mg",))[:, 0]
    z_known, z_asked = standardised(known, known), standardised(x, known)
    matrix = reliability.similarity_matrix(z_known)
    limit = reliability.similarity_threshold(z_known, matrix)
    refused = float(np.mean(reliability.similarity(z_asked, matrix) > limit))
    groups = np.unique(known, axis=0, return_inverse=True)[1]
    model = _chosen("ridge", z_known, label, groups)
    return refused, _rmse(fitting.predict(model, z_asked) - mass)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _columns(rows: list[dict[str, str]], names: tuple[str, ...]) -> np.ndarray:
    return np.array([[float(row[name]) for name in names] for row in rows])


def _rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


if __name__ == "__main__":
    main()
