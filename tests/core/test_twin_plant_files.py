"""The demo's plant files and the twin they describe agree with each other."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from control.core.exchange import Scan, WriteCommand
from control.core.twin.coater import mass_balance
from control.core.twin.parameters import ParameterError, line_parameters
from control.core.vm import physics as vm_physics
from control.plantfile import read
from tests.core.twins import FIXTURES, START, last, parameters, pieces, run, still_line, table

KEYS = {"cathode-1": "cathode", "anode-1": "anode"}
SETTLED_S = 520


def plant(key: str) -> dict:
    return table(f"plants/{KEYS[key]}.toml")


def equipment(key: str, which: str) -> dict:
    return next(machine for machine in plant(key)["equipment"] if machine["key"] == which)


def loops():
    return [
        pytest.param(key, machine["key"], loop, id=f"{key}-{loop['key']}")
        for key in KEYS
        for machine in plant(key)["equipment"]
        for loop in machine.get("loop", ())
    ]


@pytest.mark.parametrize("key", KEYS)
def test_at_the_recipe_set_points_every_stream_is_on_target(key):
    scans = run(still_line(key), 300)
    for machine in plant(key)["equipment"]:
        for characteristic in (one for one in machine["characteristics"] if not one.get("counted")):
            for lane in machine["lanes"]:
                end = "" if lane["side"] == "both" else f"-{lane['side']}"
                value = last(scans, f"{characteristic['key']}/{lane['number']}{end}")
                assert value == pytest.approx(characteristic["target"], rel=0.003)


@pytest.mark.parametrize(("key", "machine", "loop"), loops())
def test_the_gains_a_loop_assumes_are_near_the_twins_own(key, machine, loop):
    set_points = {tag["key"]: tag.get("set_point") for tag in equipment(key, machine)["tags"]}
    before = undisturbed(key, loop["cvs"])
    for column, tag in enumerate(loop["mvs"]):
        line = still_line(key)
        step = 0.001 * set_points[tag] or 0.5  # um, of a tilt that rests at 0
        assert line.write(machine, WriteCommand("step", 1, {tag: set_points[tag] + step}), START).accepted
        true = (settled(line, loop["cvs"]) - before) / step
        assumed = np.array([row[column] for row in loop["gains"]])
        strong = np.abs(assumed) > 0.2 * np.abs(assumed).max()
        xi = true[strong] / assumed[strong]
        assert ((xi >= 0.8) & (xi <= 1.2)).all(), f"{tag}: {xi}"


@cache
def undisturbed_scans(key: str) -> list[Scan]:
    return run(still_line(key), SETTLED_S)


def undisturbed(key: str, streams) -> np.ndarray:
    return np.array([last(undisturbed_scans(key), stream) for stream in streams])


def settled(line, streams) -> np.ndarray:
    scans = run(line, SETTLED_S)
    return np.array([last(scans, stream) for stream in streams])


@pytest.mark.parametrize(("key", "machine", "loop"), loops())
def test_bolt_gains_sum_to_zero(key, machine, loop):
    for tag in loop.get("sum_zero", ()):
        column = loop["mvs"].index(tag)
        assert sum(row[column] for row in loop["gains"]) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("key", KEYS)
def test_one_percent_of_a_set_point_is_enough_for_the_disturbances_of_the_demo(key):
    for side in ("top", "bottom"):
        loop = next(loop for loop in equipment(key, "coater")["loop"] if loop["key"] == f"loading-{side}")
        target = equipment(key, "coater")["characteristics"][0]["target"]
        set_points = {tag["key"]: tag.get("set_point") for tag in equipment(key, "coater")["tags"]}
        pump, bolt = (0.01 * set_points[loop["mvs"][j]] * abs(loop["gains"][0][j]) / target for j in (0, 1))
        assert pump > 0.008
        assert bolt > 0.007


@pytest.mark.parametrize("key", KEYS)
def test_every_tag_is_given_by_the_twin_within_its_range(key):
    ranges = {
        (machine["key"], tag["key"]): (tag.get("low", -np.inf), tag.get("high", np.inf))
        for machine in plant(key)["equipment"]
        for tag in machine["tags"]
    }
    assert len(ranges) == pytest.approx(46, abs=3)
    for scan in run(still_line(key), 5):
        for tag, reading in scan.readings().items():
            low, high = ranges[scan.equipment, tag]
            assert reading.value is not None, tag
            assert low <= reading.value <= high, tag


@pytest.mark.parametrize("key", KEYS)
def test_the_twin_measures_exactly_the_streams_of_the_plant_file(key):
    declared = {
        f"{characteristic['key']}/{lane['number']}" + ("" if lane["side"] == "both" else f"-{lane['side']}")
        for machine in plant(key)["equipment"]
        for characteristic in machine["characteristics"]
        for lane in machine["lanes"]
    }
    a_count_s = 260  # until the camera, where there is one, has counted for the first time
    measured = {piece.stream for scan in run(still_line(key), a_count_s) for piece in scan.measurements}
    assert measured == declared


@pytest.mark.parametrize("key", KEYS)
def test_the_mass_balance_of_the_plant_file_gives_the_loading_the_gauge_sees(key):
    physics = equipment(key, "coater")["physics"]
    line = still_line(key)
    scans = run(line, 200)
    readings = scans[-2].readings()
    for side in ("top", "bottom"):
        loading = mass_balance(
            readings[physics["density"]].value,
            readings[physics["solids"]].value / 100,
            readings[physics["flow"][side]].value * physics["flow_ml_per_rpm"],
            physics["width_mm"] / 1000,
            readings[physics["speed"]].value,
        )
        assert pieces(scans, f"loading/1-{side}")[-1].value == pytest.approx(loading, rel=1e-4)


@pytest.mark.parametrize("key", KEYS)
def test_the_compaction_of_the_plant_file_gives_the_density_the_gauge_sees(key):
    physics = equipment(key, "press")["physics"]
    scans = run(still_line(key), 200)
    columns = {physics["force"]: np.array([scans[-1].readings()[physics["force"]].value])}
    density = vm_physics.base(physics, "density", "both", columns)
    assert last(scans, "density/3") == pytest.approx(float(density[0]), rel=1e-4)


@pytest.mark.parametrize("key", KEYS)
def test_the_plant_files_are_read_without_a_complaint(key):
    assert read(FIXTURES / f"plants/{KEYS[key]}.toml").line.key == key
    for machine in plant(key)["equipment"]:
        vm_physics.check(machine["physics"], tuple(tag["key"] for tag in machine["tags"]))


@pytest.mark.parametrize("key", KEYS)
def test_everything_a_person_reads_has_a_korean_name(key):
    document = plant(key)
    named = [document["site"], document["area"], document["line"], document["product"], *document["equipment"]]
    for machine in document["equipment"]:
        named += [*machine["tags"], *machine["characteristics"], *machine["loop"]]
    assert not [item["key"] for item in named if not item.get("name_ko")]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda twin: twin["coater"].pop("width_m"), "coater: width_m is missing"),
        (lambda twin: twin["press"].update(colour=1.0), "press: colour is not a parameter"),
        (lambda twin: twin["coater"]["gauge"].update(noise_rel="low"), "coater.gauge.noise_rel: a number"),
        (lambda twin: twin.pop("ramp_per_s"), "the table ramp_per_s is missing"),
        (lambda twin: twin["ramp_per_s"].pop("rpm"), "no entry for the unit rpm of pump_top"),
    ],
)
def test_a_wrong_parameter_is_named(change, says):
    twin = table("twins/cathode-1.toml")
    change(twin)
    with pytest.raises(ParameterError, match=says):
        line_parameters(plant("cathode-1"), twin)


def test_parameters_are_frozen():
    with pytest.raises(AttributeError):
        parameters().coater.width_m = 2.0
