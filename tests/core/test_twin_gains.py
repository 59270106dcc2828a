"""What a set-point or a disturbance does to the foil, against the formulas of the process."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.exchange import WriteCommand
from control.core.twin.coater import bolt_matrix, mass_balance
from control.core.twin.line import Line
from control.core.twin.press import compacted_density, density_gain, exit_thickness_um, gap_um, thickness_um
from control.core.twin.scenario import Event
from tests.core.twins import last, parameters, run, still_line

TOP = [f"loading/{lane}-top" for lane in (1, 2, 3, 4)]
BOTTOM = [f"loading/{lane}-bottom" for lane in (1, 2, 3, 4)]


def loading(line: Line, streams: list[str], after_s: int = 400) -> np.ndarray:
    scans = run(line, after_s)
    return np.array([last(scans, stream) for stream in streams])


def move(line: Line, equipment: str, **values: float) -> None:
    assert line.write(equipment, WriteCommand(f"move-{line.now_s}-{sorted(values)}", 1, values), 0.0).accepted


def test_mass_balance_gives_mg_per_cm2_from_machine_units():
    # 2.2 g/cm3 x 0.70 x 9350.65 ml/min = 14 400 g/min over 1.2 m x 60 m/min = 72 m2/min: 200 g/m2 = 20 mg/cm2
    assert mass_balance(2.2, 0.70, 9350.65, 1.2, 60.0) == pytest.approx(20.0, abs=1e-4)


def test_one_percent_of_pump_is_one_percent_of_loading_on_every_lane_of_its_side_only():
    line = still_line()
    top, bottom = loading(line, TOP), loading(line, BOTTOM)
    move(line, "coater", pump_top=62.0 * 1.01)
    assert loading(line, TOP) / top == pytest.approx(np.full(4, 1.01), rel=1e-6)
    assert loading(line, BOTTOM) / bottom == pytest.approx(np.ones(4), rel=1e-9)


def test_one_percent_of_speed_takes_one_percent_of_loading():
    line = still_line()
    before = loading(line, TOP)
    move(line, "coater", line_speed=60.0 * 1.01)
    assert loading(line, TOP) / before == pytest.approx(np.full(4, 1 / 1.01), rel=1e-6)


def test_one_percent_of_solids_is_one_percent_of_loading_on_both_sides():
    line = still_line()
    before = loading(line, TOP + BOTTOM)
    line.disturb(Event("solids_step", size=0.01))
    assert loading(line, TOP + BOTTOM) / before == pytest.approx(np.full(8, 1.01), rel=1e-6)


def test_bolt_matrix_columns_sum_to_zero_and_the_own_lane_is_moved_most():
    effect = bolt_matrix(6, 0.06, 0.2, 0.25)
    assert effect.sum(axis=0) == pytest.approx(np.zeros(6), abs=1e-12)
    assert (effect.argmax(axis=0) == np.arange(6)).all()


def test_a_bolt_shares_loading_out_and_leaves_the_mean():
    line = still_line()
    before = loading(line, TOP)
    move(line, "coater", bolt_top_2=504.0)
    change = loading(line, TOP, after_s=900) - before  # a bolt is slow
    p = parameters().coater
    expected = before * bolt_matrix(4, p.bolt_gain_per_um, p.gauge.lane_pitch_m, p.bolt_reach_m)[:, 1] * 4.0
    assert change == pytest.approx(expected, rel=1e-4)
    assert change.sum() == pytest.approx(0.0, abs=1e-6)


def test_a_die_drift_moves_lanes_against_each_other_and_leaves_the_mean():
    line = still_line()
    before = loading(line, TOP)
    line.disturb(Event("die_drift", side="top", lane=3, size=0.008, duration_s=60))
    change = loading(line, TOP) / before - 1
    assert change == pytest.approx([-0.002, -0.002, 0.006, -0.002], abs=1e-6)


@pytest.mark.parametrize("kind", ["pump_wear", "filter_clog"])
def test_wear_and_clogging_take_flow_from_their_side_until_it_is_put_right(kind):
    line = still_line()
    top, bottom = loading(line, TOP), loading(line, BOTTOM)
    line.disturb(Event(kind, side="bottom", size=0.01, duration_s=100))
    assert loading(line, BOTTOM) / bottom == pytest.approx(np.full(4, 0.99), rel=1e-6)
    assert loading(line, TOP) == pytest.approx(top)
    line.disturb(Event("pump_service" if kind == "pump_wear" else "filter_change", side="bottom"))
    assert loading(line, BOTTOM) == pytest.approx(bottom)


def test_the_filter_gauge_sees_clogging_long_before_the_loading_does():
    line = still_line()
    before = run(line, 1)[0].readings()["filter_dp_top"].value
    line.disturb(Event("filter_clog", side="top", size=0.005))
    after = run(line, 1)[0].readings()["filter_dp_top"].value
    assert after / before == pytest.approx(1.3, abs=0.01)


def test_viscosity_falls_with_temperature_as_slurries_do():
    line = still_line()
    before = run(line, 1)[0].readings()["viscosity"].value
    line.disturb(Event("temperature_drift", size=1.0))
    assert run(line, 1)[0].readings()["viscosity"].value / before == pytest.approx(0.95)


def test_press_gain_is_what_is_left_to_compact_over_gamma():
    p = parameters().press
    force = 650.0
    density = compacted_density(np.array(force), p.rho_0_g_cm3, p.rho_max_g_cm3, p.gamma_n_mm)
    higher = compacted_density(np.array(force + 1e-3), p.rho_0_g_cm3, p.rho_max_g_cm3, p.gamma_n_mm)
    assert (higher - density) / 1e-3 == pytest.approx(
        density_gain(float(density), p.rho_max_g_cm3, p.gamma_n_mm), rel=1e-4
    )


def test_press_gain_falls_as_density_rises():
    assert density_gain(3.6, 4.0, 590.0) < density_gain(3.4, 4.0, 590.0)


def test_line_force_moves_the_density_of_every_lane_by_the_local_gain():
    line = still_line()
    scans = run(line, 300)
    before = [last(scans, f"density/{lane}") for lane in (1, 2, 3, 4)]
    move(line, "press", line_force=652.0)
    scans = run(line, 300)
    change = np.array([last(scans, f"density/{lane}") for lane in (1, 2, 3, 4)]) - before
    p = parameters().press
    assert change == pytest.approx(np.full(4, 2 * density_gain(before[0], p.rho_max_g_cm3, p.gamma_n_mm)), rel=5e-3)


def test_tilt_of_the_gap_makes_one_edge_denser_than_the_other():
    line = still_line()
    move(line, "press", gap_tilt=2.0)
    scans = run(line, 300)
    density = [last(scans, f"density/{lane}") for lane in (1, 2, 3, 4)]
    assert density == sorted(density, reverse=True)
    assert density[0] - density[3] > 0.005


def test_crown_drift_moves_the_edges_against_the_middle():
    line = still_line()
    line.disturb(Event("crown_drift", size=2.0))
    scans = run(line, 300)
    density = [last(scans, f"density/{lane}") for lane in (1, 2, 3, 4)]
    assert density[1] == pytest.approx(density[2])
    assert density[0] == pytest.approx(density[3])
    assert density[1] - density[0] > 0.002


def test_density_is_ten_loadings_over_thickness_on_every_piece():
    line = still_line()
    line.disturb(Event("die_drift", side="top", lane=1, size=0.008))
    run(line, 400)
    loading_mg = line.coater_station.foil
    for position_m in np.linspace(line.encoder_m - 140, line.encoder_m - 125, 7):
        thickness, density = line.press_station.foil.at(position_m)
        assert density == pytest.approx(10 * loading_mg.at(position_m).sum(axis=0) / thickness, rel=1e-4)


def test_at_fixed_density_thickness_follows_loading():
    density = np.full(4, 3.4)
    ratio = thickness_um(np.full(4, 40.4), density) / thickness_um(np.full(4, 40.0), density)
    assert ratio == pytest.approx(np.full(4, 1.01))


def test_the_gap_form_solved_for_the_gap_gives_the_thickness_back():
    assert exit_thickness_um(gap_um(130.0, 52.0, 0.03), 52.0, 0.03) == pytest.approx(130.0)
