"""What no machine could be is refused, with the parameter's name and what it would have to be."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from control.core.twin.parameters import ParameterError, line_parameters
from tests.core.twins import parameters, table


def built(**changes):
    """The cathode line with some numbers of its twin file changed: ``coater__gauge__travel_m=...``."""
    twin = deepcopy(table("twins/cathode-1.toml"))
    for path, value in changes.items():
        *tables, name = path.split("__")
        into = twin
        for one in tables:
            into = into[one]
        into[name] = value
    return line_parameters(table("plants/cathode.toml"), twin)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"roll_length_m": 0.0}, "roll_length_m must be above 0, not 0.0"),
        ({"coater__pump_lag_s": -4.0}, "coater: pump_lag_s must be above 0, not -4.0"),
        ({"coater__solids_percent": 120.0}, "solids_percent must be above 0 and at most 100"),
        ({"coater__solids_noise_rel": 4.0}, "solids_noise_rel must be 0 or more and at most 1"),
        ({"coater__gauge__missing_share": 1.2}, "coater.gauge: missing_share must be 0 or more and at most 1"),
        ({"coater__gauge__noise_rel": float("nan")}, "noise_rel must be 0 or more and at most 1, not nan"),
        ({"coater__viscosity_per_k": -0.05}, "viscosity_per_k must be 0 or more"),
        ({"coater__gauge__lane_pitch_m": 0.5}, "4 lanes with lane_pitch_m 0.5 need travel_m above 1.5"),
        ({"coater__lab__delay_low_s": 9e9}, "these must rise: delay_low_s 9e+09, delay_high_s 3600"),
        ({"press__rho_0_g_cm3": 4.2}, "these must rise: rho_0_g_cm3 4.2, rho_max_g_cm3 4"),
        ({"press__temperature_degc": float("inf")}, "temperature_degc must be finite"),
        ({"ramp_per_s__rpm": 0.0}, "ramp_per_s must be above 0"),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_name(change, told):
    with pytest.raises(ParameterError) as refused:
        built(**change)
    assert told in str(refused.value)


def test_limits_of_an_actuator_enclose_its_set_point():
    pump = next(one for one in parameters().coater.actuators if one.tag == "pump_top")
    with pytest.raises(ParameterError, match="pump_top: these must rise: low 0, machine_low 42, set_point 90"):
        replace(pump, set_point=90.0)


def test_a_line_presses_the_lanes_it_coats():
    line = parameters()
    with pytest.raises(ParameterError, match="4 lanes are coated and 3 pressed"):
        replace(line, press=replace(line.press, lanes=3))


def test_the_demo_lines_are_machines_that_could_be():
    for key in ("cathode-1", "anode-1"):
        assert parameters(key).coater.lanes == 4
