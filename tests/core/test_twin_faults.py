"""Faults on demand: what the instruments then say of themselves."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from control.core.twin.line import Line
from control.core.twin.scenario import Event, Scenario, ScenarioError
from control.core.types import MeasuredBy, Quality
from tests.core.twins import noisy_line, parameters, pieces, run, still_line


def coater_readings(line, seconds):
    return [scan.readings() for scan in run(line, seconds) if scan.equipment == "coater"]


def test_a_healthy_scan_is_good_in_every_tag():
    for scan in run(noisy_line(), 5):
        assert set(scan.quality) == {Quality.GOOD}
        assert all(value is not None and math.isfinite(value) for value in scan.values)


def test_missing_tags_have_no_value_for_as_long_as_the_fault_lasts():
    line = noisy_line()
    line.disturb(Event("tags_missing", equipment="coater", tags=("solids", "viscosity"), duration_s=10))
    during, after = coater_readings(line, 10), coater_readings(line, 3)
    assert all((r["solids"].value, r["solids"].quality) == (None, Quality.MISSING) for r in during)
    assert all(r["pump_top"].quality is Quality.GOOD for r in during)
    assert after[-1]["solids"].quality is Quality.GOOD


def test_nan_arrives_as_nan_and_is_marked_bad():
    line = noisy_line()
    line.disturb(Event("tags_nan", equipment="coater", tags=("solids",), duration_s=5))
    reading = coater_readings(line, 1)[0]["solids"]
    assert math.isnan(reading.value)
    assert reading.quality is Quality.BAD


def test_a_stuck_sensor_repeats_its_value_and_believes_it_is_good():
    line = noisy_line()
    line.disturb(Event("sensor_stuck", equipment="coater", tags=("solids",), duration_s=20))
    readings = coater_readings(line, 20)
    assert len({r["solids"].value for r in readings}) == 1
    assert {r["solids"].quality for r in readings} == {Quality.GOOD}
    assert len({r["solids"].value for r in coater_readings(line, 5)}) > 1


def test_a_sensor_stuck_while_its_tag_is_nan_can_still_be_saved():
    line = noisy_line()
    line.disturb(Event("tags_nan", equipment="coater", tags=("solids",), duration_s=5))
    line.disturb(Event("sensor_stuck", equipment="coater", tags=("solids",), duration_s=20))
    readings = coater_readings(line, 20)
    assert math.isnan(readings[0]["solids"].value)
    assert math.isfinite(readings[-1]["solids"].value)


def test_a_bad_gauge_marks_its_values_bad():
    line = noisy_line()
    line.disturb(Event("gauge_bad", equipment="coater", duration_s=60))
    scans = run(line, 60)
    assert {p.quality for p in pieces(scans, "loading/1-top")} == {Quality.BAD}
    assert Quality.BAD not in {p.quality for p in pieces(scans, "density/1")}


def test_a_biased_gauge_lies_without_knowing_and_breaks_the_identity():
    line = still_line()
    line.disturb(Event("gauge_bias", equipment="press", size=0.02, duration_s=100))
    scans = run(line, 100)
    thickness, density = pieces(scans, "thickness/2")[-1], pieces(scans, "density/2")[-1]
    assert density.quality is Quality.GOOD
    assert density.value * thickness.value / 10 == pytest.approx(40.0 * 1.02**2, rel=1e-3)


def test_a_wild_value_now_and_then_and_a_missing_one():
    usual = parameters()
    gauge = replace(usual.coater.gauge, wild_share=0.01, missing_share=0.02)
    line = Line(replace(usual, coater=replace(usual.coater, gauge=gauge)), Scenario(), seed=1)
    values = [p for scan in run(line, 3_000) for p in scan.measurements if p.by is MeasuredBy.GAUGE]
    values = [p for p in values if p.stream.startswith("loading")]
    missing = [p for p in values if p.value is None]
    wild = [p for p in values if p.value is not None and abs(p.value - 20.0) > 0.35]
    assert 0.001 < len(wild) / len(values) < 0.014  # some of them lie near the truth all the same
    assert len(missing) / len(values) == pytest.approx(0.02, rel=0.4)
    assert {p.quality for p in missing} == {Quality.MISSING}


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (Event("tags_nan", equipment="oven"), "no equipment 'oven'"),
        (Event("sensor_stuck", equipment="coater", tags=("speed",)), "no tag 'speed'"),
        (Event("die_drift", side="top", lane=9), "no die_top_9"),
    ],
)
def test_a_fault_of_something_the_line_does_not_have_is_refused(event, says):
    with pytest.raises(ScenarioError, match=says):
        noisy_line().disturb(event)
